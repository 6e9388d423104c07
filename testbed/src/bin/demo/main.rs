//! `make demo`: three replicas, two clouds, traffic and a failover, on real parts.
//!
//! In reading order: [`scenes`] are the steps; [`demo`] is what runs, with
//! [`replicas`]; [`services`] and [`traffic`] do what a user does; [`guarantees`]
//! asks the oracle of the testbed at the end; [`stage`] prints; [`keep`] stays
//! up; [`monitoring`] is `--observe`.

mod addresses;
mod audit;
mod demo;
mod guarantees;
mod inventory;
mod keep;
mod lease;
mod monitoring;
mod replicas;
mod scenes;
mod services;
mod signals;
mod stage;
mod traffic;

use std::process::ExitCode;

use clap::Parser;

use crate::signals::Signals;
use crate::stage::Stage;

/// The exit code after Ctrl-C.
const INTERRUPTED: u8 = 130;

/// Shows my-cloud-controller-manager at work on a real kube-apiserver.
#[derive(Parser)]
struct Arguments {
    /// Stay up until Ctrl-C, for a look around
    #[arg(long)]
    keep: bool,
    /// Start a Prometheus that scrapes the replicas, and Grafana if it is installed
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

/// Everything that was started is gone when this returns, however it ends.
async fn run(arguments: &Arguments, stage: &mut Stage) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new()?;
    let started = tokio::select! {
        () = signals.received() => None,
        started = scenes::start::play(stage, arguments.observe) => Some(started?),
    };
    let Some(mut demo) = started else {
        stage.interrupted();
        return Ok(ExitCode::from(INTERRUPTED));
    };
    let played = tokio::select! {
        () = signals.received() => None,
        played = scenes::play(stage, &mut demo) => Some(played),
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
                demo.report_ended(stage);
            }
            if arguments.keep {
                keep::stay(stage, &mut demo, &mut signals).await;
            }
            if held {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
    };
    demo.stop().await;
    Ok(code)
}
