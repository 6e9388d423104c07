//! The configuration of the client for the API server, and the id of the cluster.

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ListParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, ResourceExt};
use tokio::time::{sleep, timeout};

use super::AppError;
use crate::config::Config;
use crate::error_chain::with_causes;
use crate::kubernetes::service_object::Service;
use crate::plan::naming::ClusterId;

/// Time limit for one request during the start.
const REQUEST: Duration = Duration::from_secs(10);
/// Delay between two attempts.
const RETRY: Duration = Duration::from_secs(2);

/// Reads the kubeconfig or, without one, the pod's ServiceAccount.
pub(super) async fn client_config(config: &Config) -> Result<kube::Config, AppError> {
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
    // Each request has a deadline and each loop has a backoff: retries hidden in the
    // client would outlive both.
    kubernetes.default_retry = false;
    kubernetes.connect_timeout = Some(REQUEST);
    Ok(kubernetes)
}

/// Reads the current resourceVersion of the API server's store. Waits for the API
/// server without a limit.
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
                tracing::warn!(
                    error = with_causes(&error),
                    "cannot read the resourceVersion that serves as the leadership term; retrying"
                )
            }
            Err(_) => {
                tracing::warn!("the API server did not respond within {REQUEST:?}; retrying")
            }
        }
        sleep(RETRY).await;
    }
}

/// Reads the UID of the namespace kube-system, which exists as long as the cluster.
/// Waits for the API server without a limit.
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
                tracing::warn!(
                    error = with_causes(&error),
                    "cannot read the UID of namespace kube-system, which serves as the cluster id; retrying"
                )
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
