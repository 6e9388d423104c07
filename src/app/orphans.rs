//! The command `orphans`: what the sweep would find, as a table for a person.

use std::fmt::Write;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Service;
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};

use super::{AppError, api_server, clouds};
use crate::config::Config;
use crate::kubernetes::KubernetesError;
use crate::plan::naming::{CloudName, ClusterId, ServiceUid};
use crate::plan::orphan::suspect;

/// One line for each load balancer of this cluster whose Service is gone, on
/// every configured cloud. Reads only.
///
/// # Errors
/// A cloud or the API server did not answer: the list would not be whole.
pub async fn table(config: &Config) -> Result<String, AppError> {
    let kubernetes = api_server::access(config).await?;
    let client = Client::try_from(kubernetes);
    let client = client.map_err(|error| AppError::KubernetesConfig(error.to_string()))?;
    let cluster = match &config.cluster_id {
        Some(configured) => configured.clone(),
        None => api_server::cluster_id(&client).await,
    };
    let mut rows = Vec::new();
    for (name, cloud) in clouds::clients(config, Arc::new(|_| {}))? {
        // The clouds first: a Service born after its list has nothing in it.
        let found = cloud
            .list(&cluster)
            .await
            .map_err(|error| AppError::Orphans(error.to_string()))?;
        let services = live_services(&client).await?;
        for load_balancer in &found {
            if let Some(owner) = suspect(load_balancer, &cluster, &services) {
                let service = format!("{}/{}", owner.namespace, owner.name);
                rows.push([
                    name.to_string(),
                    load_balancer.id.to_string(),
                    load_balancer.name.to_string(),
                    service,
                    owner.uid.to_string(),
                ]);
            }
        }
    }
    Ok(render(
        &cluster,
        config.clouds.iter().map(|cloud| &cloud.name),
        &rows,
    ))
}

async fn live_services(
    client: &Client,
) -> Result<std::collections::BTreeSet<ServiceUid>, AppError> {
    let services = Api::<Service>::all(client.clone())
        .list(&ListParams::default())
        .await;
    let services =
        services.map_err(|error| AppError::Orphans(KubernetesError::from(error).to_string()))?;
    Ok(services
        .into_iter()
        .filter_map(|service| service.uid())
        .map(ServiceUid::new)
        .collect())
}

const HEADINGS: [&str; 5] = ["CLOUD", "ID", "NAME", "SERVICE", "UID"];

fn render<'a>(
    cluster: &ClusterId,
    clouds: impl Iterator<Item = &'a CloudName>,
    rows: &[[String; 5]],
) -> String {
    if rows.is_empty() {
        let clouds: Vec<&str> = clouds.map(CloudName::as_str).collect();
        return format!("no orphans of cluster {cluster} on {}\n", clouds.join(", "));
    }
    let headings = HEADINGS.map(str::to_owned);
    let widths: [usize; 5] = std::array::from_fn(|column| {
        let cells = rows.iter().chain([&headings]).map(|row| row[column].len());
        cells.max().unwrap_or_default()
    });
    let mut table = String::new();
    for row in [&headings].into_iter().chain(rows) {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        // Writing to a String cannot fail.
        let _ = writeln!(table, "{}", cells.join("  ").trim_end());
    }
    table
}
