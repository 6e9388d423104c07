//! explained: boards and alerts show what happens, and nothing that does not.
//!
//! The files are checked as files (`boards`, `rules`, `mutants`), and what a replica
//! exposes as text (`exposition`); then a real
//! Prometheus scrapes real replicas through a story, and everything is asked of
//! it (`story`).

mod boards;
mod exposition;
mod expression;
mod families;
mod mutants;
mod mutate;
mod promtool;
mod rule_file;
mod rules;
mod story;

use tokio::sync::Mutex;

/// For the two that have the machine for minutes, one after the other.
static MACHINE: Mutex<()> = Mutex::const_new(());
