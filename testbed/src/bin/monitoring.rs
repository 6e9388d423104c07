//! `monitoring generate`: writes the boards and the PrometheusRule from their sources.

use anyhow::Result;
use clap::{Parser, Subcommand};
use testbed::monitoring::{generated, runbook};

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
    Generate {
        /// Where your copy of docs/runbook.md is: from now on the links of the alerts lead there.
        #[arg(long)]
        runbook: Option<String>,
    },
}

fn main() -> Result<()> {
    let Command::Generate { runbook } = Arguments::parse().command;
    let repository = generated::repository();
    if let Some(address) = runbook {
        runbook::set_address(&repository, &address)?;
    }
    for path in generated::write(&repository)? {
        println!("{path}");
    }
    Ok(())
}
