//! A replica whose way to kube-apiserver can be cut.

use anyhow::{Context, Result};
use kube::config::Kubeconfig;

use super::Environment;
use crate::ReplicaOptions;
use crate::partition::{Network, between};

impl Environment {
    /// Lets a replica reach kube-apiserver through a network of its own only.
    ///
    /// # Errors
    /// Its kubeconfig cannot be read, or no port is free.
    pub async fn through_network(&self, options: &mut ReplicaOptions) -> Result<Network> {
        let mut file = Kubeconfig::read_from(&options.kubeconfig)?;
        let direct =
            kube::Config::from_custom_kubeconfig(file.clone(), &Default::default()).await?;
        let (network, proxied) = between(&direct).await?;
        let cluster = file.clusters[0].cluster.as_mut().context("a cluster")?;
        cluster.server = Some(proxied.cluster_url.to_string());
        cluster.tls_server_name = proxied.tls_server_name;
        let beside = self.control_plane.kubeconfig_path();
        let name = format!("{}-{}.kubeconfig", self.namespace, options.name);
        options.kubeconfig = beside.with_file_name(name);
        std::fs::write(&options.kubeconfig, serde_json::to_string(&file)?)?;
        Ok(network)
    }
}
