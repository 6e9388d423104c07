//! Claim "explained": boards and alerts show the state of the controller, without false alarms.
//!
//! `boards`, `rules`, `pod_monitor` and `mutants` check the files; `exposition` checks the
//! metrics of a replica. `story` runs real replicas through failures while a real Prometheus
//! scrapes them, and checks every alert and every panel.

mod boards;
mod exposition;
mod expression;
mod families;
mod mutants;
mod mutate;
mod pod_monitor;
mod promtool;
mod rule_file;
mod rules;
mod story;

use std::path::Path;

use tokio::sync::Mutex;

/// Held by each of the two tests that load the machine for minutes.
static MACHINE: Mutex<()> = Mutex::const_new(());

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
