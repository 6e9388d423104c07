//! Actors beside the controller: kubelets, a user who edits, an unresponsive API server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Service;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use testbed::nodes::set_node_ready;
use testbed::{Environment, ReplicaOptions};
use tokio::task::JoinHandle;
use tokio::time::interval;

use super::world::NODES;

/// Renews the Ready condition of the Nodes, as kubelets do.
pub struct Kubelets {
    alive: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Kubelets {
    pub fn start(test: &Environment) -> Self {
        let alive = Arc::new(AtomicBool::new(true));
        let (running, client) = (alive.clone(), test.client());
        let task = tokio::spawn(async move {
            let mut beat = interval(Duration::from_secs(1));
            loop {
                beat.tick().await;
                for node in NODES {
                    if running.load(Ordering::Relaxed) {
                        // The Node may have been deleted.
                        let _ = set_node_ready(&client, node, true).await;
                    }
                }
            }
        });
        Self { alive, task }
    }

    pub fn alive(&self, alive: bool) {
        self.alive.store(alive, Ordering::Relaxed);
    }
}

impl Drop for Kubelets {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Edits a Service each second, so that the controller calls its cloud.
pub struct Edits(JoinHandle<()>);

impl Edits {
    pub fn start(test: &Environment, service: &str) -> Self {
        let services: Api<Service> = test.services();
        let annotation = format!("{}/lb-bandwidth", test.prefix);
        let name = service.to_owned();
        Self(tokio::spawn(async move {
            let mut second = interval(Duration::from_secs(1));
            for bandwidth in 10_u32.. {
                second.tick().await;
                let value = format!("{bandwidth}M");
                let patch = json!({"metadata": {"annotations": {&annotation: value}}});
                // The next edit follows soon.
                let patch = Patch::Merge(patch);
                let _ = services.patch(&name, &PatchParams::default(), &patch).await;
            }
        }))
    }
}

impl Drop for Edits {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A kubeconfig for an API server that accepts connections and never responds.
pub async fn silent_api_server(
    options: &mut ReplicaOptions,
) -> Result<(tempfile::TempDir, tokio::net::TcpListener)> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let directory = tempfile::tempdir()?;
    let text = std::fs::read_to_string(&options.kubeconfig)?;
    let start = text.find("https://").context("a server")?;
    let server = text[start..].split(['"', '\n']).next().unwrap_or_default();
    let silent = format!("https://{}", listener.local_addr()?);
    let path = directory.path().join("kubeconfig");
    std::fs::write(&path, text.replacen(server, &silent, 1))?;
    options.kubeconfig = path;
    Ok((directory, listener))
}
