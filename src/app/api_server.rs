//! The way to the API server, and which cluster it is.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, Service};
use kube::api::{Api, ListParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, ResourceExt};
use tokio::time::{sleep, timeout};

use super::AppError;
use crate::config::Config;
use crate::plan::naming::ClusterId;

/// The longest that a request at the start may take.
const REQUEST: Duration = Duration::from_secs(10);
/// Between two tries.
const RETRY: Duration = Duration::from_secs(2);

/// From the kubeconfig, or as a pod.
pub(super) async fn access(config: &Config) -> Result<kube::Config, AppError> {
    let error = |error: &dyn std::fmt::Display| AppError::KubernetesConfig(error.to_string());
    let mut kubernetes = match &config.kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path)
                .map_err(|e| error(&format!("{}: {e}", path.display())))?;
            let options = KubeConfigOptions::default();
            kube::Config::from_custom_kubeconfig(file, &options)
                .await
                .map_err(|e| error(&e))?
        }
        None => kube::Config::infer()
            .await
            .map_err(|e| error(&format!("{e} (outside a cluster, pass --kubeconfig)")))?,
    };
    // Each request has a deadline and each loop a backoff of its own: retries
    // hidden in the client would only outlive both.
    kubernetes.default_retry = false;
    kubernetes.connect_timeout = Some(REQUEST);
    Ok(kubernetes)
}

/// The resourceVersion of the whole store, as of now. Waits for the API server
/// as long as it takes.
pub(super) async fn resource_version(client: &Client) -> u64 {
    let services = Api::<Service>::all(client.clone());
    loop {
        let one = ListParams::default().limit(1);
        match timeout(REQUEST, services.list(&one)).await {
            Ok(Ok(list)) => {
                let version = list.metadata.resource_version.unwrap_or_default();
                match version.parse() {
                    Ok(version) => return version,
                    Err(_) => {
                        tracing::warn!(
                            version,
                            "the API server returned a resourceVersion that is not a number; retrying"
                        )
                    }
                }
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "cannot read the resourceVersion that serves as the leadership term; retrying")
            }
            Err(_) => {
                tracing::warn!("the API server did not respond within {REQUEST:?}; retrying")
            }
        }
        sleep(RETRY).await;
    }
}

/// The UID of the namespace kube-system: it lives as long as the cluster. Waits for the API server as long as it takes.
pub(super) async fn cluster_id(client: &Client) -> ClusterId {
    let namespaces = Api::<Namespace>::all(client.clone());
    loop {
        match timeout(REQUEST, namespaces.get("kube-system")).await {
            Ok(Ok(namespace)) => {
                if let Some(uid) = namespace.uid() {
                    return ClusterId::new(uid);
                }
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "cannot read the UID of namespace kube-system, which serves as the cluster id; retrying")
            }
            Err(_) => {
                tracing::warn!("the API server did not respond within {REQUEST:?}; retrying")
            }
        }
        sleep(RETRY).await;
    }
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

    /// A patch that the client sent again by itself would go out after its
    /// permit had ended. What this setting does: `election::tests::client`.
    #[tokio::test]
    async fn no_client_sends_anything_again_by_itself() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("kubeconfig");
        std::fs::write(&path, KUBECONFIG).expect("a file");
        let flags = ["program", "--kubeconfig", path.to_str().expect("a path")];
        let start = Start::from_args(&Args::parse_from(flags)).expect("no mistake");
        let Start::Run(config) = start else {
            panic!("it runs");
        };
        let kubernetes = access(&config).await.expect("a way");
        assert!(!kubernetes.default_retry);
    }
}
