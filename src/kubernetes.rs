//! Between Kubernetes objects and the plan's types.
//!
//! - [`service`]: a Service object read into the plan's [`ServiceView`](crate::plan::service::ServiceView);
//!   the only place that takes a Service apart.
//! - [`node`]: which Nodes may serve, and their addresses; [`node_watch`]: the set of them, coalesced.
//! - [`service_watch`]: every Service, kept warm on every replica; [`asked`]: since when it asks for
//!   a load balancer; [`watch_meter`]: counts what a watch tells.
//! - [`service_writer`]: the writes, each with a precondition; [`condition`]: what the condition says.
//! - [`events`]: Events, with their closed set of reasons.
//! - [`measured_client`]: the client under all of it, its requests counted.

pub mod condition;
pub mod error;
pub mod events;
pub mod instrumented_client;
pub mod managed_fields;
pub mod metadata_keys;
pub mod node;
pub mod node_watch;
pub mod service;
pub mod service_watch;
pub mod service_writer;
pub mod watch_metrics;

pub use error::KubernetesError;
pub use metadata_keys::MetadataKeys;
