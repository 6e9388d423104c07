//! Requests through the clouds' load balancers.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;

use crate::services::external_ip;
use crate::stage::Stage;
use crate::world::World;

/// An answer takes a millisecond; this is for a busy machine.
const ANSWER: Duration = Duration::from_secs(3);
const ALL_ANSWER: Duration = Duration::from_secs(20);

/// The URL that a user of the Service has.
///
/// # Errors
/// It has no address or no port.
pub fn url(world: &World, service: &Service) -> Result<String> {
    let name = service.name_any();
    let ip = external_ip(service).with_context(|| format!("Service {name} has no EXTERNAL-IP"))?;
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_deref());
    let port = ports.and_then(|ports| ports.first()).map(|port| port.port);
    let port = u16::try_from(port.with_context(|| format!("Service {name} has no port"))?)?;
    let port = match port {
        0..1024 => port.saturating_add(world.addresses.low_port_offset),
        port => port,
    };
    Ok(match port {
        80 => format!("http://{ip}/"),
        port => format!("http://{ip}:{port}/"),
    })
}

/// Asks twice as often as there are Nodes, each time on a new connection, and
/// again until every Node has answered; prints who did.
///
/// # Errors
/// A Node never answered.
pub async fn show(stage: &Stage, world: &World, service: &Service) -> Result<()> {
    let url = url(world, service)?;
    let everybody: BTreeSet<&str> = world.nodes.iter().map(|(name, _)| name.as_str()).collect();
    let what = format!("answers of {} from {url}", join(&everybody));
    let answers = stage
        .until(&what, ALL_ANSWER, async || {
            let mut answers = Vec::new();
            for _ in 0..2 * everybody.len() {
                answers.push(ask(&url).await?);
            }
            let heard: BTreeSet<&str> = answers.iter().map(String::as_str).collect();
            ensure!(heard == everybody, "only {} answered", join(&heard));
            Ok(Some(answers))
        })
        .await?;
    stage.line(&format!("$ curl {url:<30} {}", answers.join(", ")));
    Ok(())
}

/// One request on a connection of its own; gives the name of the Node that answered.
///
/// # Errors
/// Nobody answered.
pub async fn ask(url: &str) -> Result<String> {
    let client = reqwest::Client::builder()
        .timeout(ANSWER)
        .no_proxy()
        .pool_max_idle_per_host(0)
        .build()?;
    let answer = client
        .get(url)
        .send()
        .await?
        .error_for_status()?
        .text()
        .await?;
    let node = answer.split_whitespace().next();
    Ok(node.context("an empty answer")?.to_owned())
}

fn join(names: &BTreeSet<&str>) -> String {
    names.iter().copied().collect::<Vec<_>>().join(", ")
}
