//! The command line, exactly as typed. [`crate::config`] says what it means.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// The flags. Values are checked by [`crate::config`], so that all mistakes
/// are reported at once. As in Go, the last of a repeated flag counts.
#[derive(Clone, Debug, Default, Parser)]
#[command(
    name = "my-cloud-controller-manager",
    version = crate::telemetry::build_info::description(),
    about = "Gives every annotated LoadBalancer Service a load balancer on the cloud that it names",
    args_override_self = true,
    args_conflicts_with_subcommands = true
)]
pub struct Args {
    /// What to do instead of running the controller.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Configuration file (YAML); without it, cloud1 and cloud2 with defaults
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Kubeconfig file; without it, the pod's ServiceAccount
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<String>,

    /// Name of the cloud provider; accepted for compatibility
    #[arg(long, value_name = "NAME")]
    pub cloud_provider: Option<String>,

    /// Controllers to run: service or *
    #[arg(long, value_name = "LIST")]
    pub controllers: Option<String>,

    /// How much to log: 0 to 10; 4 and more is for finding faults [default: 0]
    #[arg(
        short = 'v',
        long = "v",
        value_name = "LEVEL",
        allow_hyphen_values = true
    )]
    pub verbosity: Option<String>,

    /// Choose one leader among the replicas [default: true]
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub leader_elect: Option<String>,

    /// How long standbys wait after the leader's last renewal [default: 15s]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub leader_elect_lease_duration: Option<String>,

    /// How long a leader that cannot renew goes on [default: 10s]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub leader_elect_renew_deadline: Option<String>,

    /// Pause between two tries to get or renew the Lease [default: 2s]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub leader_elect_retry_period: Option<String>,

    /// Name of the Lease [default: my-cloud-controller-manager]
    #[arg(long, value_name = "NAME")]
    pub leader_elect_resource_name: Option<String>,

    /// Namespace of the Lease [default: kube-system]
    #[arg(long, value_name = "NAMESPACE")]
    pub leader_elect_resource_namespace: Option<String>,

    /// Where probes and metrics are served, plain HTTP [default: 0.0.0.0:8080]
    #[arg(long, value_name = "IP:PORT")]
    pub admin_address: Option<String>,

    /// Where metrics are served over TLS to those who may get /metrics [default: nowhere]
    #[arg(long, value_name = "IP:PORT")]
    pub metrics_secure_address: Option<String>,

    /// Its certificate (PEM), read again when it changes
    #[arg(long, value_name = "FILE")]
    pub metrics_tls_cert_file: Option<String>,

    /// Its key (PEM)
    #[arg(long, value_name = "FILE")]
    pub metrics_tls_key_file: Option<String>,

    /// Serve metrics on --admin-address [default: true without --metrics-secure-address]
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub metrics_plain: Option<String>,

    /// How log lines look: text or json [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
}

/// What to do instead of running the controller.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Check a configuration file, print every mistake in it, and exit
    CheckConfig {
        /// The file to check
        file: PathBuf,
    },
    /// List the load balancers whose Service is gone, and exit; changes nothing
    Orphans {
        /// Configuration file; without it every default holds
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Kubeconfig file; without it as a pod in the cluster, or what KUBECONFIG names
        #[arg(long, value_name = "FILE")]
        kubeconfig: Option<String>,
    },
}

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
