//! The Services that are there, or that come and go all at once.

use anyhow::Result;
use serde_json::{Value, json};

use crate::requests::{self, each};
use crate::stage::Stage;

/// Which cloud the n-th Service names.
#[derive(Clone, Copy, Debug)]
pub enum Clouds {
    Alternate,
    Only(&'static str),
}

impl Clouds {
    fn of(self, index: usize) -> &'static str {
        match self {
            Self::Alternate if index.is_multiple_of(2) => "cloud1",
            Self::Alternate => "cloud2",
            Self::Only(cloud) => cloud,
        }
    }
}

/// The name of a Service of a group.
pub fn name(group: &str, index: usize) -> String {
    format!("{group}-{index:05}")
}

/// A Service as a user may write it.
pub fn service(prefix: &str, name: &str, cloud: &str) -> Value {
    let ours = |annotation: &str| format!("{prefix}/{annotation}");
    json!({
        "metadata": {
            "name": name,
            "labels": {"app": name},
            "annotations": {
                ours("enable"): "true",
                ours("provider"): cloud,
                ours("lb-bandwidth"): "10M",
            },
        },
        "spec": {
            "type": "LoadBalancer",
            "selector": {"app": name},
            "ports": [{"name": "http", "port": 80, "targetPort": 8080}],
        },
    })
}

impl Stage {
    /// Creates so many Services of a group, and waits until the watch shows them.
    ///
    /// # Errors
    /// kube-apiserver refused one.
    pub async fn populate(&self, group: &str, count: usize, clouds: Clouds) -> Result<()> {
        let (client, path) = (self.client(), requests::services(&self.test.namespace));
        each(&format!("creating {count} Services"), count, |index| {
            let name = name(group, index);
            let service = service(&self.test.prefix, &name, clouds.of(index));
            let (client, path) = (&client, &path);
            async move { requests::create(client, path, &service).await }
        })
        .await?;
        let shown = |seen: &crate::sightings::Counts| seen.created;
        self.sightings
            .until(group, "the watch to show them", count, shown)
            .await?;
        Ok(())
    }

    /// Deletes the first Services of a group, and does not wait until they are gone.
    ///
    /// # Errors
    /// kube-apiserver refused one.
    pub async fn delete_first(&self, group: &str, count: usize) -> Result<()> {
        let (client, path) = (self.client(), requests::services(&self.test.namespace));
        each(&format!("deleting {count} Services"), count, |index| {
            let path = format!("{path}/{}", name(group, index));
            let client = &client;
            async move { requests::delete(client, &path).await }
        })
        .await
    }

    /// Gives a Service another bandwidth, as a user may.
    ///
    /// # Errors
    /// kube-apiserver refused it.
    pub fn edit_bandwidth(
        &self,
        name: &str,
        bandwidth: &str,
    ) -> impl Future<Output = Result<()>> + Send + 'static {
        let path = format!("{}/{name}", requests::services(&self.test.namespace));
        let annotation = format!("{}/lb-bandwidth", self.test.prefix);
        let patch = json!({"metadata": {"annotations": {annotation: bandwidth}}});
        let client = self.client();
        async move { requests::merge_patch(&client, &path, &patch).await }
    }
}
