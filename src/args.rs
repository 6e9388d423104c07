//! The command line as it was typed. [`crate::config`] validates it.

use std::path::PathBuf;

use clap::{ArgGroup, Parser, Subcommand, ValueEnum};

/// The flags. [`crate::config`] validates the values, so that all errors are
/// reported at once. Of a repeated flag the last value counts, as in Go.
#[derive(Clone, Debug, Default, Parser)]
#[command(
    name = "my-cloud-controller-manager",
    version = crate::telemetry::build_info::description(),
    about = "Gives every annotated LoadBalancer Service a load balancer on the cloud that it names",
    args_override_self = true,
    args_conflicts_with_subcommands = true
)]
pub struct Args {
    /// A command that runs instead of the controller.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Configuration file (YAML); without it, cloud1 and cloud2 with default settings
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Kubeconfig file [default: KUBECONFIG or ~/.kube/config, else the pod's ServiceAccount]
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<String>,

    /// Name of the cloud provider; accepted for compatibility, without effect
    #[arg(long, value_name = "NAME")]
    pub cloud_provider: Option<String>,

    /// Controllers to run: service or *; service is the only controller [default: service]
    #[arg(long, value_name = "LIST")]
    pub controllers: Option<String>,

    /// Log verbosity from 0 to 10; 4 and higher is for debugging [default: 0]
    #[arg(
        short = 'v',
        long = "v",
        value_name = "LEVEL",
        allow_hyphen_values = true
    )]
    pub verbosity: Option<String>,

    /// Elect a leader among the replicas; with =false this replica leads without a Lease [default: true]
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub leader_elect: Option<String>,

    /// Time after the last observed renewal until a standby may take the Lease [default: 15s]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub leader_elect_lease_duration: Option<String>,

    /// Time after its last successful renewal until a leader stops leading [default: 10s]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub leader_elect_renew_deadline: Option<String>,

    /// Time between two attempts to acquire or renew the Lease [default: 2s]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub leader_elect_retry_period: Option<String>,

    /// Name of the Lease [default: my-cloud-controller-manager]
    #[arg(long, value_name = "NAME")]
    pub leader_elect_resource_name: Option<String>,

    /// Namespace of the Lease [default: kube-system]
    #[arg(long, value_name = "NAMESPACE")]
    pub leader_elect_resource_namespace: Option<String>,

    /// Address of the probes and metrics, plain HTTP without authentication [default: 0.0.0.0:8080]
    #[arg(long, value_name = "IP:PORT")]
    pub admin_address: Option<String>,

    /// Address of the metrics over TLS, for clients that may get /metrics; off by default
    #[arg(long, value_name = "IP:PORT")]
    pub metrics_secure_address: Option<String>,

    /// Certificate of the secure metrics address (PEM), reloaded when it changes
    #[arg(long, value_name = "FILE")]
    pub metrics_tls_cert_file: Option<String>,

    /// Private key of the secure metrics address (PEM), reloaded when it changes
    #[arg(long, value_name = "FILE")]
    pub metrics_tls_key_file: Option<String>,

    /// Serve the metrics on --admin-address too [default: true without --metrics-secure-address]
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub metrics_plain: Option<String>,

    /// Format of the log lines: text or json [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
}

/// The commands that run instead of the controller.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Check a configuration file, print every error in it, and exit
    CheckConfig {
        /// Configuration file to check
        file: PathBuf,
    },
    /// List the load balancers whose Service does not exist any more, and exit; changes nothing
    Orphans {
        /// Configuration file (YAML); without it, cloud1 and cloud2 with default settings
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Kubeconfig file [default: KUBECONFIG or ~/.kube/config, else the pod's ServiceAccount]
        #[arg(long, value_name = "FILE")]
        kubeconfig: Option<String>,
    },
    /// Show what the controller would do for a Service, and why, and exit; changes nothing
    Plan(PlanArgs),
}

/// The flags of the command `plan`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    group = ArgGroup::new("services").required(true).args(["name", "file", "all"]),
    after_help = AFTER_PLAN,
)]
pub struct PlanArgs {
    /// The Service in the cluster
    #[arg(value_name = "NAME")]
    pub name: Option<String>,

    /// Namespace of the Service, or of manifests that name none [default: that of the kubeconfig]
    #[arg(short = 'n', long, value_name = "NAMESPACE", conflicts_with = "all")]
    pub namespace: Option<String>,

    /// Manifest (YAML or JSON) that is not applied yet; - for standard input
    #[arg(short = 'f', long = "filename", value_name = "FILE")]
    pub file: Option<PathBuf>,

    /// Every Service of the cluster: the check before an upgrade or a new configuration
    #[arg(long)]
    pub all: bool,

    /// Format of the plan
    #[arg(short = 'o', long, value_enum, default_value_t)]
    pub output: PlanFormat,

    /// Configuration file (YAML); without it, cloud1 and cloud2 with default settings
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Kubeconfig file [default: KUBECONFIG or ~/.kube/config, else the pod's ServiceAccount]
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<String>,
}

/// The format of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    /// For people
    #[default]
    Text,
    /// With stable field names (docs/plan.md)
    Json,
}

const AFTER_PLAN: &str = "\
Before an upgrade or a new configuration, run the new program with the new configuration:
  my-cloud-controller-manager plan --all --config new.yaml

Exit codes:
  0  the plan is complete
  1  a Service, the cluster or a cloud could not be read
  2  errors in flags or file
  3  with --all: a load balancer would be deleted, or a Service would lose an address

It needs the rights to get and list services, to list nodes, and to get the namespace kube-system
unless the configuration has a clusterId.";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(words: &[&str]) -> Args {
        let words = ["my-cloud-controller-manager"].iter().chain(words);
        Args::try_parse_from(words).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn definition_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn leader_elect_reads_like_a_go_flag() {
        assert_eq!(parse(&[]).leader_elect, None);
        assert_eq!(
            parse(&["--leader-elect"]).leader_elect.as_deref(),
            Some("true")
        );
        let args = parse(&["--leader-elect=false", "--v", "2"]);
        assert_eq!(args.leader_elect.as_deref(), Some("false"));
        assert_eq!(args.verbosity.as_deref(), Some("2"));
    }

    #[test]
    fn the_last_of_a_repeated_flag_counts() {
        assert_eq!(parse(&["--v=2", "--v=4"]).verbosity.as_deref(), Some("4"));
    }

    #[test]
    fn the_published_arguments_are_accepted() {
        let args = parse(&[
            "--cloud-provider=my-cloud-controller-manager",
            "--leader-elect=false",
            "--controllers=service",
            "--v=2",
        ]);
        assert_eq!(args.controllers.as_deref(), Some("service"));
    }

    #[test]
    fn a_negative_duration_reaches_our_own_check() {
        let args = parse(&["--leader-elect-retry-period", "-5s"]);
        assert_eq!(args.leader_elect_retry_period.as_deref(), Some("-5s"));
    }
}
