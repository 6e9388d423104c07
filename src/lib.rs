//! my-cloud-controller-manager: gives every annotated `type: LoadBalancer`
//! Service a load balancer on the cloud that it names.
//!
//! ```text
//!                  every replica                                    leader only
//!  watch Services ─┐                                   ┌─ query / list ─ cloud1, cloud2
//!  watch Nodes ────┴─> warm stores ─> reconcile ───────┤
//!  Lease <──> election ─> Leadership (term, deadline) ─┴─ create / update / delete, patch Service
//!  admin server: /livez /readyz /healthz /metrics          spans ─> OTLP
//! ```
//!
//! The [glossary](../docs/glossary.md) defines the words.
//!
//! # What happens to a Service
//!
//! A reconcile (`controller/reconcile.rs`) brings the clouds to the state that one
//! Service asks for, in seven steps:
//!
//! 1. `observe_service` reads the Service from the watch's store and derives the
//!    desired state.
//! 2. `admit` asks the queue for a place at the clouds that the attempt will call. If
//!    none is free, the attempt ends here, and another one follows when there is.
//! 3. `observe_clouds` reads its load balancers from the inventories, or queries
//!    the clouds.
//! 4. `plan` compares both and returns a list of actions; a pure function.
//! 5. `pace` takes out the repairs of drift that have no repair slot yet.
//! 6. `apply` performs the remaining actions, each with a write permit.
//! 7. `report` writes the condition, emits Events, updates metrics and schedules
//!    the next reconcile.
//!
//! # The modules in reading order
//!
//! 1. [`plan`]: the core, from desired and observed state to actions.
//! 2. [`controller`]: the queue, the seven steps, the memory of each Service, and
//!    the background tasks (resync, orphans, Node changes).
//! 3. [`kubernetes`]: reads Services and Nodes into the types of the plan; writes
//!    Services, conditions and Events.
//! 4. [`cloud`]: the client of a cloud's HTTP API, and the inventory of a cloud.
//! 5. [`election`]: the leader election, and the permits without which no write
//!    compiles.
//! 6. [`preview`]: the plan of a Service without its effects, for a person.
//! 7. [`telemetry`] and [`admin`]: logs, metrics and traces; the server for probes
//!    and metrics.
//! 8. [`args`], [`config`] and [`app`]: from the command line to the running
//!    components.
//!
//! Three small modules serve all others: [`reason`] has the closed set of reasons for
//! metrics, log lines and conditions; [`priority`] the two priorities of work and the
//! semaphore that keeps them; [`error_chain`] formats an error with its causes.

pub mod admin;
pub mod app;
pub mod args;
pub mod cloud;
pub mod config;
pub mod controller;
pub mod election;
pub mod error_chain;
pub mod kubernetes;
pub mod plan;
pub mod preview;
pub mod priority;
pub mod reason;
pub mod telemetry;
