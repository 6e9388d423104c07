//! my-cloud-controller-manager: from the command line to running parts.

use std::process::ExitCode;

use clap::Parser;
use my_cloud_controller_manager::app;
use my_cloud_controller_manager::args::Args;
use my_cloud_controller_manager::config::Start;

/// Exit code of a error in the flags or the file, as clap's own.
const CONFIG_ERROR: u8 = 2;

fn main() -> ExitCode {
    // Fails only if one is installed already, which would be this one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let start = match Start::from_args(&Args::parse()) {
        Ok(start) => start,
        Err(errors) => {
            eprintln!("{errors}");
            return ExitCode::from(CONFIG_ERROR);
        }
    };
    match app::execute(start) {
        Ok(output) => {
            print!("{output}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
