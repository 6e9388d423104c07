//! my-cloud-controller-manager: from the command line to the running components.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use my_cloud_controller_manager::app;
use my_cloud_controller_manager::args::Args;
use my_cloud_controller_manager::config::Start;
use my_cloud_controller_manager::telemetry::logs;

/// Exit code for errors in the flags or the configuration file, the same as clap's.
const CONFIG_ERROR: u8 = 2;

fn main() -> ExitCode {
    // Fails only if a provider is already installed, which could only be this one.
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
            logs::flush();
            // A reader that has seen enough, such as head, is no error.
            let _ = std::io::stdout().write_all(output.text.as_bytes());
            for complaint in &output.complaints {
                eprintln!("{complaint}");
            }
            ExitCode::from(output.code)
        }
        Err(error) => {
            logs::last_words(&error.to_string());
            ExitCode::FAILURE
        }
    }
}
