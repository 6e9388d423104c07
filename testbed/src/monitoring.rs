//! A Prometheus and a Grafana that observe the replicas, with the rules and boards of this
//! repository.

pub mod boards;
pub mod grafana_server;
pub mod prometheus;
pub mod provisioning;
