//! Real parts to run my-cloud-controller-manager on, all on one machine and
//! all gone when the program that started them is gone.
//!
//! In reading order:
//!
//! 1. [`eventually`]: wait for a condition, never for a time.
//! 2. [`process`]: a child process that cannot outlive this one.
//! 3. [`control_plane`]: a real etcd and kube-apiserver, with RBAC and an audit log.
//! 4. [`nodes`]: Nodes without machines.
//! 5. [`cloud`]: a simulated cloud whose load balancers really forward traffic;
//!    [`back_end`]: a program that answers behind one, and [`node_ports`]: those
//!    of all Services on all Nodes; [`loopback`]: their addresses.
//! 6. [`interposer`]: stands between them and lets one write go wrong, or shows
//!    Services as they were; [`partition`]: a network that can be cut.
//! 7. [`replica`]: one running my-cloud-controller-manager, and [`Replicas`]:
//!    several that elect a leader; [`collector`]: where their traces go.
//! 8. [`oracle`]: checks from outside whether the guarantees hold.
//! 9. [`monitoring`]: a Prometheus and a Grafana that observe the replicas, with
//!    the rules and boards of this repository.
//! 10. [`packaging`]: helm and kustomize, which make manifests of `deploy/`.
//!
//! [`environment`] has all of it but that for one test.
//!
//! The program `testbed` gives a control plane to any command:
//! `testbed run -- kubectl get services`.

pub mod back_end;
pub mod cloud;
pub mod collector;
pub mod control_plane;
mod duration;
pub mod environment;
mod eventually;
mod install;
pub mod interposer;
pub mod loopback;
pub mod monitoring;
pub mod node_ports;
pub mod nodes;
pub mod oracle;
pub mod packaging;
pub mod partition;
mod port;
pub mod process;
pub mod replica;
mod replicas;
mod repository;

pub use collector::Collector;
pub use control_plane::{ControlPlane, client_for};
pub use duration::parse_duration;
pub use environment::Environment;
pub use eventually::eventually;
pub use packaging::Packaging;
pub use replica::{Replica, ReplicaOptions};
pub use replicas::Replicas;
pub use repository::repository_path;
