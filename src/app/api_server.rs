//! The configuration of the client for the API server, and the id of the cluster.

use std::time::Duration;

use kube::Client;
use tokio::time::sleep;

use super::{AppError, kubeconfig, reads};
use crate::config::Config;
use crate::kubernetes::{KubernetesError, data_version};
use crate::plan::naming::ClusterId;

/// Time limit for one request during the start, or of a command.
pub(super) const REQUEST: Duration = Duration::from_secs(10);
/// A connection that carries nothing for this time, counted from the last request on it, is
/// dead: it is longer than the time limit of every request.
pub(super) const SILENCE: Duration = Duration::from_secs(15);
/// Delay between two attempts.
const RETRY: Duration = Duration::from_secs(2);

/// Reads the kubeconfig or, without one, the pod's ServiceAccount.
pub(super) async fn client_config(config: &Config) -> Result<kube::Config, AppError> {
    let mut kubernetes = kubeconfig::client_config(config.kubeconfig.as_deref()).await?;
    // Each request has a deadline and each loop has a backoff: retries hidden in the
    // client would outlive both.
    kubernetes.default_retry = false;
    kubernetes.connect_timeout = Some(REQUEST);
    Ok(kubernetes)
}

/// Reads the current version of the API server's data. Waits for the API server without a
/// limit.
pub(super) async fn data_version(client: &Client) -> u64 {
    loop {
        match data_version::current(client).await {
            Ok(version) => return version,
            Err(error) => {
                tracing::warn!(%error, "cannot read the resourceVersion that serves as the leadership term; retrying")
            }
        }
        sleep(RETRY).await;
    }
}

/// The configured id of the cluster, or else the one that follows from the UID of the
/// namespace kube-system, which exists as long as the cluster, and from the prefix. Waits
/// for the API server without a limit.
pub(super) async fn cluster_id(config: &Config, client: &Client) -> ClusterId {
    loop {
        match read_cluster_id(config, client).await {
            Ok(cluster) => return cluster,
            Err(error) => tracing::warn!(
                %error,
                "cannot read the UID of namespace kube-system, which serves as the cluster id; retrying"
            ),
        }
        sleep(RETRY).await;
    }
}

/// The same, by one request at most.
///
/// # Errors
/// The namespace could not be read.
pub(super) async fn read_cluster_id(
    config: &Config,
    client: &Client,
) -> Result<ClusterId, KubernetesError> {
    if let Some(configured) = &config.cluster_id {
        return Ok(configured.clone());
    }
    // Not a typed Namespace: one odd value in it must not keep every replica from
    // starting.
    let namespace = reads::get(client, "/api/v1/namespaces/kube-system").await?;
    let kube_system = namespace["metadata"]["uid"].as_str();
    let kube_system = kube_system.filter(|uid| !uid.is_empty()).ok_or_else(|| {
        KubernetesError::Rejected("the namespace kube-system has no UID".to_owned())
    })?;
    let prefix = &config.annotation_prefix;
    let cluster = ClusterId::of_installation(kube_system, prefix);
    if cluster.as_str() != kube_system {
        tracing::info!(%cluster, prefix, kube_system, "the cluster id contains a hash of annotationPrefix; load balancers whose owner has the UID of kube-system alone stay ours only if clusterId is set to it");
    }
    Ok(cluster)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::Args;
    use crate::config::Start;

    const KUBECONFIG: &str = "
clusters: [{name: a, cluster: {server: 'http://127.0.0.1:1'}}]
users: [{name: a, user: {}}]
contexts: [{name: a, context: {cluster: a, user: a}}]
current-context: a
";

    /// A patch that the client retried on its own would be sent after its permit had
    /// ended. `election::tests::client` shows the effect of this setting.
    #[tokio::test]
    async fn no_client_sends_anything_again_by_itself() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("kubeconfig");
        std::fs::write(&path, KUBECONFIG).expect("a file");
        let flags = ["program", "--kubeconfig", path.to_str().expect("a path")];
        let start = Start::from_args(&Args::parse_from(flags)).expect("no error");
        let Start::Run(config) = start else {
            panic!("it runs");
        };
        let kubernetes = client_config(&config).await.expect("a configuration");
        assert!(!kubernetes.default_retry);
    }
}
