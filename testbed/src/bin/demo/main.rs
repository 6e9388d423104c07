//! `make demo`: three replicas, two clouds, traffic and a failover, on real parts.
//!
//! In reading order: [`scenes`] are what happens; [`world`] is what runs, with
//! [`replicas`] and [`node_ports`]; [`services`] and [`traffic`] are what a user
//! does; [`facts`] remembers what was seen for [`guarantees`], which judges;
//! [`stage`] prints; [`keep`] stays up; [`observatory`] looks on.

mod addresses;
mod audit;
mod facts;
mod guarantees;
mod inventory;
mod keep;
mod lease;
mod node_ports;
mod observatory;
mod replicas;
mod scenes;
mod services;
mod signals;
mod stage;
mod traffic;
mod world;

use std::process::ExitCode;

use clap::Parser;

use crate::signals::Signals;
use crate::stage::Stage;

/// Exit code of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// Shows my-cloud-controller-manager at work on a real kube-apiserver.
#[derive(Parser)]
struct Arguments {
    /// Stay up until Ctrl-C, for a look around
    #[arg(long)]
    keep: bool,
    /// Let a Prometheus look on, and Grafana where there is one
    #[arg(long)]
    observe: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut stage = Stage::new();
    match run(&arguments, &mut stage).await {
        Ok(code) => code,
        Err(error) => {
            stage.failed(&error);
            ExitCode::FAILURE
        }
    }
}

/// Whatever ends it, everything that was started is gone when this returns.
async fn run(arguments: &Arguments, stage: &mut Stage) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new()?;
    let started = tokio::select! {
        () = signals.asked() => None,
        started = scenes::start::play(stage, arguments.observe) => Some(started?),
    };
    let Some(mut world) = started else {
        stage.interrupted();
        return Ok(ExitCode::from(INTERRUPTED));
    };
    let played = tokio::select! {
        () = signals.asked() => None,
        played = scenes::play(stage, &mut world) => Some(played),
    };
    let code = match played {
        None => {
            stage.interrupted();
            ExitCode::from(INTERRUPTED)
        }
        Some(played) => {
            let held = played.is_ok();
            if let Err(error) = played {
                stage.failed(&error);
                world.tell_what_ended(stage);
            }
            if arguments.keep {
                keep::stay(stage, &mut world, &mut signals).await;
            }
            if held {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
    };
    world.stop().await;
    Ok(code)
}
