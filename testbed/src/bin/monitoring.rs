//! `monitoring generate`: writes the boards and the PrometheusRule from their sources.

use anyhow::Result;
use clap::{Parser, Subcommand};
use testbed::monitoring::generated;

/// What shows how the controller is.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write dashboards/*.json and deploy/monitoring/prometheus-rule.yaml from their sources.
    Generate,
}

fn main() -> Result<()> {
    let Command::Generate = Arguments::parse().command;
    for path in generated::write(&generated::repository())? {
        println!("{path}");
    }
    Ok(())
}
