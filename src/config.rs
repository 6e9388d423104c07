//! The configuration: validated, with every default filled in, and constant while the
//! process runs.
//!
//! [`Args`] are the flags as typed; [`Config`] has their values and those of the file.
//! All errors in the flags and the file are reported at once.

mod class;
mod cloud;
pub mod duration;
mod election;
mod error;
mod existing;
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

use crate::args::{Args, Command, PlanArgs};
use crate::cloud::RestSettings;
use crate::controller::orphans::OrphanPolicy;
use crate::kubernetes::MetadataKeys;
use crate::kubernetes::node::{AddressRule, NodeAddressType};
use crate::kubernetes::node_watch::NodeSettings;
use crate::plan::KnownClouds;
use crate::plan::class::Classes;
use crate::plan::existing::Offers;
use crate::plan::health_check::ClusterCheck;
use crate::plan::naming::ClusterId;
use crate::plan::node_hold::HoldSettings;
use crate::plan::service::Defaults;
use crate::plan::tags::Tags;
use crate::telemetry::logs::LogFormat;

/// The configuration of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The id of this cluster; `None` means the UID of the namespace kube-system.
    pub cluster_id: Option<ClusterId>,
    /// The prefix of the metadata keys, without the slash. Default mycloud.com.
    pub annotation_prefix: String,
    /// The type of the Node addresses that are back ends. Default internal.
    pub node_address_type: NodeAddressType,
    /// Whether loopback addresses of Nodes are usable. Default false.
    pub allow_loopback_nodes: bool,
    /// How long no Node must have been eligible before load balancers are emptied: 100 ms
    /// to 7 days. Default 5 min.
    pub no_nodes_grace_period: Duration,
    /// Whether eligible Nodes without a usable address count as no Node. Default false.
    pub empty_without_addresses: bool,
    /// The policy for orphans. Default delete.
    pub orphans: OrphanPolicy,
    /// Minimum age of an orphan that the sweep deletes: 100 ms to 7 days. Default 10 min.
    pub orphan_grace_period: Duration,
    /// Interval between two lists of a cloud: 100 ms to 7 days. Default 5 min.
    pub sweep_interval: Duration,
    /// Interval between two drift checks of a Service: 100 ms to 7 days. Default 10 min.
    pub drift_interval: Duration,
    /// The time after which the API server ends each watch: 1 s to 5 min. Default 20 s. The
    /// bounds for a silent watch follow from it.
    pub watch_timeout: Duration,
    /// The clouds: at least one, with distinct names. Default cloud1 and cloud2.
    pub clouds: Vec<RestSettings>,
    /// The load balancer classes of this controller. Default none.
    pub classes: Classes,
    /// The tags of every load balancer, on clouds that have tags. Default none.
    pub default_tags: Tags,
    /// How a cloud asks whether a Node serves a Service with `externalTrafficPolicy: Cluster`.
    /// Default its node port.
    pub cluster_check: ClusterCheck,
    /// The load balancers that others made and Services may be attached to. Default none.
    pub offers: Offers,
    /// The leader election; `None` means that this replica leads without a Lease.
    pub election: Option<ElectionConfig>,
    /// The kubeconfig file; `None` means `KUBECONFIG`, `~/.kube/config` or the pod's
    /// ServiceAccount.
    pub kubeconfig: Option<PathBuf>,
    /// The address of the probes and of the plain metrics. Default 0.0.0.0:8080.
    pub admin_address: SocketAddr,
    pub metrics: MetricsConfig,
    /// The format of the log lines. Default text.
    pub log_format: LogFormat,
    /// The log verbosity: 0 to 10. Default 0.
    pub verbosity: u8,
    /// Warnings about valid but probably unintended settings, logged once at start.
    pub notes: Vec<String>,
}

/// The command to execute.
#[derive(Debug)]
pub enum Start {
    /// Run the controller.
    Run(Box<Config>),
    /// `check-config` found no errors; the text is a summary of the file.
    Checked(String),
    /// List the orphans of the configured clouds.
    Orphans(Box<Config>),
    /// Show the plan of Services.
    Plan(Box<Config>, Box<PlanArgs>),
}

impl Start {
    /// Reads the command line and the file.
    ///
    /// # Errors
    /// All errors in the flags and the file.
    pub fn from_args(args: &Args) -> Result<Self, ConfigErrors> {
        match &args.command {
            Some(Command::CheckConfig { file }) => {
                check_config(file).map(|config| Self::Checked(config.summary(file)))
            }
            Some(Command::Orphans { config, kubeconfig }) => {
                let config = Config::load(&with_files(config, kubeconfig))?;
                Ok(Self::Orphans(Box::new(config)))
            }
            Some(Command::Plan(plan)) => {
                let config = Config::load(&with_files(&plan.config, &plan.kubeconfig))?;
                Ok(Self::Plan(Box::new(config), Box::new(plan.clone())))
            }
            None => Config::load(args).map(|config| Self::Run(Box::new(config))),
        }
    }
}

/// The flags of a command that reads the cluster and the clouds.
fn with_files(config: &Option<PathBuf>, kubeconfig: &Option<String>) -> Args {
    Args {
        config: config.clone(),
        kubeconfig: kubeconfig.clone(),
        ..Args::default()
    }
}

/// Checks a configuration file as a start with it and no other flag would.
///
/// # Errors
/// All errors in the file.
pub fn check_config(file: &Path) -> Result<Config, ConfigErrors> {
    Config::load(&Args {
        config: Some(file.to_owned()),
        ..Args::default()
    })
}

/// Every field of the configuration file, those of a cloud as `clouds[].name`, and those of a
/// class and of an existing load balancer likewise.
pub fn field_names() -> impl Iterator<Item = String> {
    let of_file = file::FIELDS.into_iter().map(str::to_owned);
    let of_cloud = cloud::FIELDS
        .into_iter()
        .map(|name| format!("clouds[].{name}"));
    let of_class = class::FIELDS
        .into_iter()
        .map(|name| format!("loadBalancerClasses[].{name}"));
    let of_existing = existing::FIELDS
        .into_iter()
        .map(|name| format!("existingLoadBalancers[].{name}"));
    of_file.chain(of_cloud).chain(of_class).chain(of_existing)
}

impl Config {
    /// How Nodes become back ends.
    pub fn node_settings(&self) -> NodeSettings {
        NodeSettings {
            rule: AddressRule {
                kind: self.node_address_type,
                allow_loopback: self.allow_loopback_nodes,
            },
            hold: HoldSettings {
                no_nodes_grace_period: self.no_nodes_grace_period,
                empty_without_addresses: self.empty_without_addresses,
            },
        }
    }

    /// The names of what is ours on a Service.
    pub fn metadata_keys(&self) -> MetadataKeys {
        MetadataKeys::new(&self.annotation_prefix)
            .with_classes(self.classes.clone())
            .with_defaults(Defaults {
                tags: self.default_tags.clone(),
                cluster_check: self.cluster_check,
            })
            .with_offers(self.offers.clone())
    }

    /// What is known of the clouds before they are asked.
    pub fn known_clouds(&self) -> KnownClouds {
        let clouds = self.clouds.iter();
        KnownClouds::of_profiles(
            clouds
                .map(|cloud| (cloud.name.clone(), cloud.profile.capabilities()))
                .collect(),
        )
    }

    /// Validates the flags and the file that they name, and fills in defaults.
    ///
    /// # Errors
    /// All errors in the flags and the file.
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
            allow_loopback_nodes: file.allow_loopback_nodes,
            no_nodes_grace_period: file.no_nodes_grace_period,
            empty_without_addresses: file.empty_without_addresses,
            orphans: file.orphans,
            orphan_grace_period: file.orphan_grace_period,
            sweep_interval: file.sweep_interval,
            drift_interval: file.drift_interval,
            watch_timeout: file.watch_timeout,
            clouds: file.clouds,
            classes: file.classes,
            default_tags: file.default_tags,
            cluster_check: file.cluster_check,
            offers: file.offers,
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
