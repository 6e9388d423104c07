//! my-cloud-controller-manager: from the command line to running parts.

use std::process::ExitCode;

use clap::Parser;
use my_cloud_controller_manager::app;
use my_cloud_controller_manager::args::Args;
use my_cloud_controller_manager::config::{Config, Start};

/// Exit code of a mistake in the flags or the file, as clap's own.
const MISTAKE: u8 = 2;

fn main() -> ExitCode {
    // Fails only if one is installed already, which would be this one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match Start::from_args(&Args::parse()) {
        Ok(Start::Run(config)) => run(*config),
        Ok(Start::Orphans(config)) => list_orphans(*config),
        Ok(Start::Checked(report)) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(mistakes) => {
            eprintln!("{mistakes}");
            ExitCode::from(MISTAKE)
        }
    }
}

#[tokio::main]
async fn run(config: Config) -> ExitCode {
    match app::run(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn list_orphans(config: Config) -> ExitCode {
    match app::orphans::table(&config).await {
        Ok(table) => {
            print!("{table}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
