//! my-cloud-controller-manager: from the command line to running parts.

use std::process::ExitCode;

use clap::Parser;
use my_cloud_controller_manager::admin::{self, Health};
use my_cloud_controller_manager::args::Args;
use my_cloud_controller_manager::config::{Config, Start};
use my_cloud_controller_manager::telemetry::{self, Metrics};

fn main() -> ExitCode {
    let _ = rustls::crypto::ring::default_provider().install_default();
    match Start::from_args(&Args::parse()) {
        Ok(Start::Run(config)) => match run(&config) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        },
        Ok(Start::Checked(report)) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(mistakes) => {
            eprintln!("{mistakes}");
            ExitCode::from(2)
        }
    }
}

#[tokio::main]
async fn run(config: &Config) -> Result<(), Box<dyn std::error::Error>> {
    let clouds: Vec<_> = config
        .clouds
        .iter()
        .map(|cloud| cloud.name.clone())
        .collect();
    let metrics = std::sync::Arc::new(Metrics::new(&clouds)?);
    let traces = telemetry::init(config.log_format, config.verbosity, &metrics)?;
    let listener = tokio::net::TcpListener::bind(config.admin_address).await?;
    tracing::info_span!("start", clouds = clouds.len()).in_scope(|| {
        tracing::info!(address = %config.admin_address, "admin server listens");
        for note in &config.notes {
            tracing::warn!(note, "configuration");
        }
    });
    let shutdown = tokio_util::sync::CancellationToken::new();
    let health = std::sync::Arc::new(Health::new());
    let served = tokio::spawn(admin::serve(listener, health, metrics, shutdown.clone()));
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    terminate.recv().await;
    shutdown.cancel();
    served.await??;
    if let Some(traces) = traces {
        traces.shutdown().await;
    }
    Ok(())
}
