//! The command `orphans`: prints the load balancers that the sweep would find.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use kube::{Client, ResourceExt};
use tokio_util::sync::CancellationToken;

use super::{AppError, api_server, clouds, reads};
use crate::cloud::ErrorKind;
use crate::config::Config;
use crate::controller::orphans::claim;
use crate::kubernetes::service_object::Service;
use crate::plan::load_balancer::LoadBalancer;
use crate::plan::naming::{CloudName, ClusterId, Owner, ServiceUid};
use crate::plan::orphan::{Claim, Shown, service_owner, suspect};
use crate::telemetry::log_throttle::LogThrottle;

/// Returns a table with a line for each load balancer of this cluster that no Service
/// has, on every configured cloud that has a list. Reads only.
///
/// # Errors
/// A cloud or the API server failed: the list would be incomplete.
pub async fn table(config: &Config) -> Result<String, AppError> {
    let kubernetes = api_server::client_config(config).await?;
    let client = Client::try_from(kubernetes);
    let client = client.map_err(|error| AppError::KubernetesConfig(error.to_string()))?;
    let cluster = api_server::read_cluster_id(config, &client).await;
    let cluster = cluster.map_err(|error| AppError::Orphans(error.to_string()))?;
    let never = CancellationToken::new();
    let (mut rows, mut notes) = (Vec::new(), String::new());
    for (name, cloud) in clouds::clients(config, Arc::new(|_| {}), &LogThrottle::default(), &never)?
    {
        // List the cloud before the Services: a Service created after the list has no
        // load balancer in it.
        let found = match cloud.list(&cluster).await {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                // Writing to a String cannot fail.
                let _ = writeln!(
                    notes,
                    "cloud {name} has no list operation (profile basic): its orphans cannot be found"
                );
                continue;
            }
            Err(error) => return Err(AppError::Orphans(error.to_string())),
        };
        let claims = live_claims(&client, config, &cluster).await?;
        let shown = Shown::new(&name, found.iter());
        let orphans = found.iter().filter_map(|found| {
            let owner = service_owner(found, &cluster)?;
            suspect(found, &cluster, claims.get(&owner.uid), &shown)?;
            Some((found, owner))
        });
        rows.extend(orphans.map(|(found, owner)| row(&name, found, &owner)));
    }
    let clouds = config.clouds.iter().map(|cloud| &cloud.name);
    Ok(render(&cluster, clouds, &rows) + &notes)
}

fn row(cloud: &CloudName, found: &LoadBalancer, owner: &Owner) -> [String; 5] {
    [
        cloud.to_string(),
        found.id.to_string(),
        found.name.to_string(),
        format!("{}/{}", owner.namespace, owner.name),
        owner.uid.to_string(),
    ]
}

/// What the Services that exist claim.
async fn live_claims(
    client: &Client,
    config: &Config,
    cluster: &ClusterId,
) -> Result<HashMap<ServiceUid, Claim>, AppError> {
    let services = reads::list::<Service>(client).await;
    let services = services.map_err(|error| AppError::Orphans(error.to_string()))?;
    // Whether a Service is managed, and whether a cloud has a list, does not depend on what the
    // clouds tell.
    let (metadata_keys, clouds) = (config.metadata_keys(), config.known_clouds().clouds);
    let claims = services.into_iter().filter_map(|service| {
        let uid = ServiceUid::new(service.uid()?);
        Some((uid, claim(&service, &metadata_keys, cluster, &clouds)))
    });
    Ok(claims.collect())
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
