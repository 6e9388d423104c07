//! `cargo xtask COMMAND`: writes the files of this repository that have a source elsewhere.

mod annotations;
mod board;
mod generated;
mod grafana;
mod metrics_reference;
mod prometheus_rule;
mod runbook;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Writes generated files of this repository and prints the paths of those that changed.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write dashboards/*.json and deploy/monitoring/prometheus-rule.yaml from their sources.
    Boards {
        /// Address of your copy of docs/runbook.md; the links of all alerts are changed to it first.
        #[arg(long, value_name = "URL")]
        runbook: Option<String>,
    },
    /// Write the tables of the annotations in both READMEs from their declarations.
    Annotations,
    /// Write docs/metrics.md from the metrics that the program registers.
    MetricsReference,
}

fn main() -> Result<()> {
    let repository = repository();
    let files = match Arguments::parse().command {
        Command::Boards { runbook } => {
            if let Some(address) = runbook {
                runbook::set_address(&repository, &address)?;
            }
            generated::boards_and_rule(&repository)?
        }
        Command::Annotations => generated::annotations(&repository)?,
        Command::MetricsReference => vec![generated::metrics_reference()?],
    };
    for path in generated::write(&repository, files)? {
        println!("{path}");
    }
    Ok(())
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
