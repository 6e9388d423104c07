//! Conversion between Kubernetes objects and the types of the plan, and the requests to
//! the API server.
//!
//! - [`service_object`], [`node_object`]: a Service and a Node with only the fields that are
//!   needed. `lenient` reads them, so that no value hides another object; `unreadable` names
//!   those of which a needed value could not be read.
//! - [`service`]: reads a Service into a [`ServiceView`](crate::plan::service::ServiceView).
//! - [`node`]: the eligible Nodes and their addresses; [`node_watch`]: the coalesced set
//!   of Nodes.
//! - [`watch`]: the watch of a kind; [`pulse`]: its signs of life; [`data_version`]: whether
//!   the data went back in time; [`watch_metrics`]: counts its events.
//! - [`service_watch`]: the store of all Services, on every replica; [`managed_fields`]:
//!   the time of the request for a load balancer.
//! - [`service_writer`]: the writes, each with a precondition; [`condition`]: the
//!   condition of a Service; [`metadata_keys`]: the names of annotations, finalizer and
//!   condition.
//! - [`events`]: Events, with their closed set of reasons; [`request_slots`]: Service
//!   requests before Events.
//! - [`instrumented_client`]: the client for these requests, which counts them; `connection`:
//!   its connections; [`reads`]: reads made once; [`error`]: their errors.

pub mod condition;
mod connection;
pub mod data_version;
pub mod error;
pub mod events;
pub mod instrumented_client;
mod lenient;
pub mod managed_fields;
pub mod metadata_keys;
pub mod node;
pub mod node_object;
pub mod node_watch;
pub mod port_errors;
pub mod pulse;
pub mod reads;
pub mod request_slots;
pub mod service;
pub mod service_cidrs;
pub mod service_object;
pub mod service_watch;
pub mod service_writer;
mod unreadable;
pub mod watch;
pub mod watch_metrics;

pub use error::{KubernetesError, within};
pub use metadata_keys::MetadataKeys;
