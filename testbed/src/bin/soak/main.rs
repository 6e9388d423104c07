//! `make soak`: three replicas, for minutes or hours, under users who act at
//! random, clouds that fail at random, changes of load balancers from outside,
//! and leaders that are killed, frozen and terminated; and, in every third round, under a
//! hostile cloud, objects that cannot be read, and another controller.
//!
//! In reading order: [`rounds`] disturbs, waits until all has converged, and asks
//! the oracle; [`users`], [`faults`], [`external_changes`] and [`disruptions`] are
//! the disturbances, and [`trouble`] and [`poison`] those of every third round; [`soak`] is
//! what runs; [`gauges`] measures the processes.
//!
//! The actions are chosen by a seed, which is printed; their times depend on the
//! machine. In the last third of the time the processes run on undisturbed, so
//! that leaks show.

mod disruptions;
mod external_changes;
mod faults;
mod gauges;
mod poison;
mod rounds;
mod soak;
mod trouble;
mod users;
mod writes;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;
use testbed::parse_duration;

use crate::external_changes::ExternalChanges;
use crate::gauges::Growth;
use crate::rounds::{Kind, Processes};
use crate::soak::Soak;
use crate::trouble::Trouble;
use crate::writes::Writes;

/// Runs my-cloud-controller-manager for a long time while everything fails.
#[derive(Parser)]
struct Arguments {
    /// How long, such as 40s, 10m or 2h
    #[arg(long = "for", value_name = "TIME", default_value = "5m", value_parser = parse_duration)]
    duration: Duration,
    /// Makes the same choices again
    #[arg(long)]
    seed: Option<u64>,
    /// Never disrupt the leader: for leaks over hours
    #[arg(long)]
    undisturbed: bool,
    /// Each round is one of trouble: for what hostile answers leave in memory
    #[arg(long)]
    trouble: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed}");
    match run(&arguments, seed).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("FAILED with seed {seed}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments, seed: u64) -> Result<()> {
    let duration = arguments.duration;
    let disturbed = match arguments.undisturbed {
        true => Duration::ZERO,
        false => duration * 2 / 3,
    };
    let mut soak = Soak::start(seed).await?;
    let start = Instant::now();
    let mut growth = Growth::default();
    let (mut number, mut writes, mut changes) = (0, Writes::default(), ExternalChanges::default());
    let (mut troubled, mut trouble) = (0, Trouble::default());
    while start.elapsed() < duration || number < rounds::FEWEST {
        number += 1;
        let is_early = start.elapsed() < disturbed || number <= rounds::FEWEST;
        let kind = Kind {
            is_troubled: arguments.trouble || rounds::is_troubled(number),
            processes: match is_early && !disturbed.is_zero() {
                true => Processes::Disturbed,
                false => Processes::LeftAlone,
            },
        };
        let round = rounds::play(&mut soak, number, kind).await;
        let round = round.with_context(|| format!("in round {number}; {}", soak.log_location()))?;
        writes += round.writes;
        changes += round.external_changes;
        troubled += usize::from(round.trouble.is_some());
        trouble += round.trouble.unwrap_or_default();
        if kind.processes == Processes::LeftAlone {
            growth.note(&round.sizes);
        }
        let time = start.elapsed().as_secs();
        println!(
            "round {number:3}  {:02}:{:02}  {round}",
            time / 60,
            time % 60
        );
    }
    growth.check(duration)?;
    rounds::leave(&mut soak).await?;
    println!("{number} rounds; {writes}; {changes}");
    println!("{troubled} rounds of trouble; {trouble}");
    println!("{}", soak.summary());
    Ok(())
}
