//! `make soak`: three replicas, for minutes or hours, under users who do
//! anything, clouds that fail at random, somebody who edits and removes load
//! balancers behind our back, and leaders that are killed, frozen and told to end.
//!
//! In reading order: [`round`] is a storm and the quiet after it, in which the
//! oracle judges; [`users`], [`weather`], [`meddler`] and [`replicas`] make the storm;
//! [`world`] is what runs; [`gauges`] watches how large the processes get.
//!
//! What is done is chosen by a seed, which is printed; when it happens is up to
//! the machine. In the last third of the time nobody touches the processes, so
//! that what they lose over time shows.

mod gauges;
mod meddler;
mod replicas;
mod round;
mod users;
mod weather;
mod world;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;

use crate::gauges::Growth;
use crate::meddler::Meddling;
use crate::round::{Processes, Writes};
use crate::world::World;

/// Runs my-cloud-controller-manager for a long time with everything going wrong.
#[derive(Parser)]
struct Arguments {
    /// How long, such as 40s, 10m or 2h
    #[arg(long = "for", value_name = "TIME", default_value = "5m", value_parser = time)]
    duration: Duration,
    /// Makes the same choices again
    #[arg(long)]
    seed: Option<u64>,
    /// Nobody touches the processes, all the time: for what they lose over hours
    #[arg(long)]
    undisturbed: bool,
}

fn time(text: &str) -> Result<Duration, String> {
    let parse = || {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            _ => return None,
        };
        let number: u64 = number.parse().ok()?;
        Some(Duration::from_secs(number.checked_mul(seconds)?))
    };
    parse().ok_or_else(|| "a whole number and s, m or h".to_owned())
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed}");
    match soak(&arguments, seed).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("FAILED with seed {seed}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn soak(arguments: &Arguments, seed: u64) -> Result<()> {
    let duration = arguments.duration;
    let disturbed = match arguments.undisturbed {
        true => Duration::ZERO,
        false => duration * 2 / 3,
    };
    let mut world = World::start(seed).await?;
    let start = Instant::now();
    let mut growth = Growth::default();
    let (mut number, mut writes, mut meddling) = (0, Writes::default(), Meddling::default());
    while start.elapsed() < duration {
        number += 1;
        let processes = match start.elapsed() < disturbed {
            true => Processes::Disturbed,
            false => Processes::LeftAlone,
        };
        let round = round::play(&mut world, processes).await;
        let round = round.with_context(|| format!("in round {number}; {}", world.whereabouts()))?;
        writes += round.writes;
        meddling += round.meddling;
        if processes == Processes::LeftAlone {
            growth.note(&round.sizes);
        }
        let time = start.elapsed().as_secs();
        println!(
            "round {number:3}  {:02}:{:02}  {round}",
            time / 60,
            time % 60
        );
    }
    growth.judge(duration)?;
    world.leave().await?;
    println!("{number} quiet moments; {writes}; {meddling}");
    println!("{}", world.summary());
    Ok(())
}
