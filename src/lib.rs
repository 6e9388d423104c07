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
//! The modules in reading order:
//!
//! 1. [`plan`]: the core. What to do for one Service, as a pure function.
//! 2. [`controller`]: reconcile in five steps: observe the Service, observe the
//!    cloud, plan, apply, report.
//! 3. [`kubernetes`]: between Kubernetes objects and the plan's types.
//! 4. [`cloud`]: between the clouds' HTTP API and the plan's types.
//! 5. [`election`]: who may write, and until when.
//! 6. [`telemetry`] and [`admin`]: logs, metrics, traces; probes.
//! 7. [`args`], [`config`], [`app`]: from the command line to running parts.

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
pub mod reason;
pub mod telemetry;
