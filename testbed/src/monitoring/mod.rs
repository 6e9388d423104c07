//! What shows how the controller is: boards for Grafana, rules for Prometheus,
//! and a Prometheus to run them on.
//!
//! The boards are written as short descriptions ([`source`]) and made into what
//! Grafana reads ([`grafana`]); [`generated`] says which files come from what.
//! [`grafana_server`] shows them, on a machine that has Grafana.

pub mod generated;
pub mod grafana;
pub mod grafana_server;
pub mod prometheus;
pub mod provisioning;
pub mod runbook;
pub mod source;
pub mod substitute;
