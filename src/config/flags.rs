//! Validates the flags.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::election::{self, ElectionConfig};
use super::error::{ConfigErrors, Location, Violation};
use super::metrics::{self, MetricsConfig};
use super::validation;
use crate::args::Args;
use crate::telemetry::logs::LogFormat;

/// The values of `--cloud-provider` without a warning.
const PROVIDERS: [&str; 3] = ["", "mycloud", "my-cloud-controller-manager"];
const FORMATS: [(&str, LogFormat); 2] = [("text", LogFormat::Text), ("json", LogFormat::Json)];

/// The settings of the flags, with defaults filled in.
pub struct FlagSettings {
    pub election: Option<ElectionConfig>,
    pub kubeconfig: Option<PathBuf>,
    pub admin_address: SocketAddr,
    pub metrics: MetricsConfig,
    pub log_format: LogFormat,
    pub verbosity: u8,
    pub notes: Vec<String>,
}

/// Validates the flags. Errors are added to `errors`, and defaults replace invalid
/// values.
pub fn read(args: &Args, errors: &mut ConfigErrors) -> FlagSettings {
    let mut notes = Vec::new();
    if let Some(provider) = &args.cloud_provider
        && !PROVIDERS.contains(&provider.as_str())
    {
        notes.push(format!(
            "--cloud-provider={provider} has no effect: this program serves the clouds of its configuration file"
        ));
    }
    if let Some(controllers) = &args.controllers {
        errors.check(Location::Flag("--controllers"), controllers, only_service);
    }
    FlagSettings {
        election: election::read(args, errors),
        kubeconfig: args
            .kubeconfig
            .as_deref()
            .filter(|text| !text.is_empty())
            .and_then(|text| {
                errors.check(
                    Location::Flag("--kubeconfig"),
                    text,
                    validation::readable_file,
                )
            }),
        admin_address: args
            .admin_address
            .as_deref()
            .and_then(|text| {
                errors.check(
                    Location::Flag("--admin-address"),
                    text,
                    validation::listen_address,
                )
            })
            .unwrap_or((Ipv4Addr::UNSPECIFIED, 8080).into()),
        metrics: metrics::read(args, errors),
        log_format: args
            .log_format
            .as_deref()
            .and_then(|text| {
                errors.check(
                    Location::Flag("--log-format"),
                    text,
                    validation::one_of(&FORMATS),
                )
            })
            .unwrap_or_default(),
        verbosity: args
            .verbosity
            .as_deref()
            .and_then(|text| {
                errors.check(Location::Flag("--v"), text, validation::number_in(0..=10))
            })
            .and_then(|number| u8::try_from(number).ok())
            .unwrap_or_default(),
        notes,
    }
}

fn only_service(text: &str) -> Result<(), Violation> {
    if matches!(text, "service" | "*") {
        return Ok(());
    }
    Err(Violation::new(
        "it must be service or *: the service controller is the only one here",
    ))
}
