//! Configuration: validated, every default filled in, unchanged while we run.
//!
//! [`Args`] are the flags as typed; [`Config`] is what the program works with.
//! All errors of the flags and the file are found at once.

mod cloud;
pub mod duration;
mod election;
mod error;
mod fields;
mod file;
mod flags;
mod metrics;
mod validation;
mod yaml;

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use election::{DEFAULT_LEASE, DEFAULT_NAMESPACE, ElectionConfig};
pub use error::{ConfigError, ConfigErrors, Location};
pub use metrics::MetricsConfig;

use crate::args::{Args, Command};
use crate::cloud::RestSettings;
use crate::controller::orphans::OrphanPolicy;
use crate::kubernetes::node::NodeAddressType;
use crate::plan::Clouds;
use crate::plan::naming::ClusterId;
use crate::telemetry::logs::LogFormat;

/// What the program works with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Identifies this cluster; `None`: the UID of the namespace kube-system.
    pub cluster_id: Option<ClusterId>,
    /// Prefix of our annotations, without the slash. Default mycloud.com.
    pub annotation_prefix: String,
    /// Which address of a Node is its back end. Default internal.
    pub node_address_type: NodeAddressType,
    /// What happens to orphans. Default delete.
    pub orphans: OrphanPolicy,
    /// How old an orphan must be: 100 ms to 7 days. Default 10 min.
    pub orphan_grace_period: Duration,
    /// Pause between two looks at the inventory: 100 ms to 7 days. Default 5 min.
    pub sweep_interval: Duration,
    /// Pause between two repairs of what others changed: 100 ms to 7 days. Default 10 min.
    pub drift_interval: Duration,
    /// The clouds, at least one, names distinct. Default cloud1 and cloud2.
    pub clouds: Vec<RestSettings>,
    /// How replicas choose their leader; `None`: this one leads alone.
    pub election: Option<ElectionConfig>,
    /// Kubeconfig file; `None`: as a pod in the cluster, or what `KUBECONFIG` names.
    pub kubeconfig: Option<PathBuf>,
    /// Where probes are served, and metrics if they are plain. Default 0.0.0.0:8080.
    pub admin_address: SocketAddr,
    /// Where metrics are served.
    pub metrics: MetricsConfig,
    /// How log lines look. Default text.
    pub log_format: LogFormat,
    /// How much is logged: 0 to 10. Default 0.
    pub verbosity: u8,
    /// What is allowed but probably not meant, a sentence each: to be logged once at start.
    pub notes: Vec<String>,
}

/// What the command line asks for.
#[derive(Debug)]
pub enum Start {
    /// Run with this configuration.
    Run(Box<Config>),
    /// `check-config` found nothing wrong; this says what the file means.
    Checked(String),
    /// List the orphans of this configuration's clouds.
    Orphans(Box<Config>),
}

impl Start {
    /// Reads the command line and the file.
    ///
    /// # Errors
    /// Every error in them.
    pub fn from_args(args: &Args) -> Result<Self, ConfigErrors> {
        match &args.command {
            Some(Command::CheckConfig { file }) => {
                check_config(file).map(|config| Self::Checked(config.summary(file)))
            }
            Some(Command::Orphans { config, kubeconfig }) => {
                let args = Args {
                    config: config.clone(),
                    kubeconfig: kubeconfig.clone(),
                    ..Args::default()
                };
                Config::load(&args).map(|config| Self::Orphans(Box::new(config)))
            }
            None => Config::load(args).map(|config| Self::Run(Box::new(config))),
        }
    }
}

/// Checks a configuration file as a start with it and no other flag would.
///
/// # Errors
/// Every error in it.
pub fn check_config(file: &Path) -> Result<Config, ConfigErrors> {
    Config::load(&Args {
        config: Some(file.to_owned()),
        ..Args::default()
    })
}

impl Config {
    /// What can be asked of each cloud.
    pub fn capabilities(&self) -> Clouds {
        let clouds = self.clouds.iter();
        clouds
            .map(|cloud| (cloud.name.clone(), cloud.profile.capabilities()))
            .collect()
    }

    /// Validates the flags and the file that they name, and fills in defaults.
    ///
    /// # Errors
    /// Every error in them.
    pub fn load(args: &Args) -> Result<Self, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let flags = flags::read(args, &mut errors);
        let file = match &args.config {
            Some(path) => file::read(path, &mut errors),
            None => file::FileSettings::default(),
        };
        let mut notes = flags.notes;
        notes.extend(unencrypted_tokens(&file.clouds));
        errors.or(Self {
            cluster_id: file.cluster_id,
            annotation_prefix: file.annotation_prefix,
            node_address_type: file.node_address_type,
            orphans: file.orphans,
            orphan_grace_period: file.orphan_grace_period,
            sweep_interval: file.sweep_interval,
            drift_interval: file.drift_interval,
            clouds: file.clouds,
            election: flags.election,
            kubeconfig: flags.kubeconfig,
            admin_address: flags.admin_address,
            metrics: flags.metrics,
            log_format: flags.log_format,
            verbosity: flags.verbosity,
            notes,
        })
    }

    fn summary(&self, file: &Path) -> String {
        let mut text = format!("{}: no errors", file.display());
        for cloud in &self.clouds {
            // Writing to a String cannot fail.
            let _ = write!(text, "\n{}: {}", cloud.name, cloud.endpoint);
        }
        for note in &self.notes {
            let _ = write!(text, "\nnote: {note}");
        }
        text
    }
}

fn unencrypted_tokens(clouds: &[RestSettings]) -> impl Iterator<Item = String> {
    clouds
        .iter()
        .filter(|cloud| cloud.token_file.is_some() && cloud.endpoint.scheme() == "http")
        .map(|cloud| {
            let (name, endpoint) = (&cloud.name, &cloud.endpoint);
            format!("the token of cloud {name} is sent unencrypted to {endpoint}: use https")
        })
}

#[cfg(test)]
mod tests;
