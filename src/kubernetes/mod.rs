//! Between Kubernetes objects and the plan's types.
//!
//! - [`service`]: a Service object read into the plan's [`ServiceView`](crate::plan::service::ServiceView);
//!   the only place that takes a Service apart.
//! - [`node`]: which Nodes may serve, and their addresses; [`node_watch`]: the set of them, coalesced.
//! - [`service_watch`]: every Service, kept warm on every replica.
//! - [`service_writer`]: the writes, each with a precondition; [`condition`]: what the condition says.
//! - [`events`]: Events, with their closed set of reasons.

pub mod condition;
pub mod error;
pub mod events;
pub mod marks;
pub mod node;
pub mod node_watch;
pub mod service;
pub mod service_watch;
pub mod service_writer;

pub use error::KubernetesError;
pub use marks::Marks;
