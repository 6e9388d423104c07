//! `make bench`: how fast the program as it ships is, and what it needs, on a real
//! kube-apiserver and two simulated clouds.
//!
//! In reading order: [`scenarios`] has what is measured, one file each; [`stage`] is
//! what a scenario runs on; [`population`] and [`users`] create Services, [`sightings`]
//! sees what becomes of them; [`footprint`], [`quiet`], [`cloud_calls`] and [`events`]
//! measure; [`ideal`] is what the same machine allows; [`report`], [`table`] and
//! [`baseline`] present it.
//!
//! The simulators run in this process, the controller in its own: its CPU time and
//! memory are the kernel's figures of that process.

mod baseline;
mod busy;
mod cloud_calls;
mod events;
mod footprint;
mod ideal;
mod percentile;
mod population;
mod progress;
mod quiet;
mod report;
mod requests;
mod scenarios;
mod settings;
mod sightings;
mod stage;
mod table;
mod users;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;
use testbed::{parse_duration, repository_path};

use crate::baseline::Baseline;
use crate::report::Report;
use crate::scenarios::Scenario;
use crate::settings::Settings;

/// Measures my-cloud-controller-manager.
#[derive(Parser)]
struct Arguments {
    /// Only this scenario
    #[arg(long)]
    scenario: Option<Scenario>,
    /// How many Services
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(2..=20_000))]
    services: u64,
    /// What each mutating call takes at a cloud
    #[arg(long, default_value = "50ms", value_parser = parse_duration)]
    latency: Duration,
    /// Calls in flight at each cloud
    #[arg(long, default_value_t = 16)]
    places: usize,
    /// Reads the memory once more so long after a cold start
    #[arg(long, default_value = "0s", value_parser = parse_duration)]
    rest: Duration,
    /// The program to measure
    #[arg(long)]
    binary: PathBuf,
    /// Where the JSON goes
    #[arg(long, default_value = "target/bench")]
    output: PathBuf,
    /// Compare with the committed figures; exit code 1 if one is worse
    #[arg(long)]
    check: bool,
    /// Make these the figures to compare with
    #[arg(long, conflicts_with = "check")]
    write_baseline: bool,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let settings = Settings {
        services: usize::try_from(arguments.services)?,
        latency: arguments.latency,
        places: arguments.places,
        rest: arguments.rest,
        binary: std::fs::canonicalize(&arguments.binary)
            .with_context(|| arguments.binary.display().to_string())?,
    };
    let file = repository_path("benchmarks/baseline.json");
    let mut baseline = Baseline::load(&file)?;
    let scenarios = match arguments.scenario {
        Some(scenario) => vec![scenario],
        None => Scenario::all(),
    };
    let (mut failed, mut worse) = (false, Vec::new());
    for scenario in scenarios {
        let started = Instant::now();
        let report = match scenario.measure(&settings).await {
            Ok(report) => report,
            Err(error) => {
                eprintln!("FAILED: {}: {error:#}", scenario.name());
                failed = true;
                continue;
            }
        };
        present(&report, started.elapsed(), &arguments)?;
        if arguments.check {
            worse.extend(baseline.compare(&report));
        }
        if arguments.write_baseline {
            baseline.take(&report);
        }
    }
    if arguments.write_baseline {
        baseline.save(&file)?;
    }
    if arguments.check {
        baseline::print(&worse);
    }
    Ok(ExitCode::from(u8::from(failed || !worse.is_empty())))
}

fn present(report: &Report, took: Duration, arguments: &Arguments) -> Result<()> {
    table::print(report, took);
    report.save(&arguments.output)
}
