//! Requests through the clouds' load balancers.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;

use crate::demo::Demo;
use crate::services::external_ip;
use crate::stage::Stage;

/// An answer takes a millisecond; this is for a busy machine.
const ANSWER: Duration = Duration::from_secs(3);
const ALL_ANSWER: Duration = Duration::from_secs(20);

/// The URL of the Service for its users.
///
/// # Errors
/// It has no address or no port.
pub fn url(demo: &Demo, service: &Service) -> Result<String> {
    let name = service.name_any();
    let ip = external_ip(service).with_context(|| format!("Service {name} has no EXTERNAL-IP"))?;
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_deref());
    let port = ports.and_then(|ports| ports.first()).map(|port| port.port);
    let port = u16::try_from(port.with_context(|| format!("Service {name} has no port"))?)?;
    let port = match port {
        0..1024 => port.saturating_add(demo.addresses.low_port_offset),
        port => port,
    };
    Ok(match port {
        80 => format!("http://{ip}/"),
        port => format!("http://{ip}:{port}/"),
    })
}

/// Sends requests as [`show_answers_of`] does, until every Node has answered.
///
/// # Errors
/// A Node never answered.
pub async fn show(stage: &Stage, demo: &Demo, service: &Service) -> Result<()> {
    let all = demo.nodes.iter().map(|(name, _)| name.as_str()).collect();
    show_answers_of(stage, demo, service, all).await
}

/// Sends twice as many requests as there are Nodes, each on a new connection, and
/// again until exactly these Nodes have answered; prints which Nodes did.
///
/// # Errors
/// One of them never answered, or another one went on answering.
pub async fn show_answers_of(
    stage: &Stage,
    demo: &Demo,
    service: &Service,
    nodes: BTreeSet<&str>,
) -> Result<()> {
    let url = url(demo, service)?;
    let what = format!("answers of {} from {url}", join(&nodes));
    let answers = stage
        .until(&what, ALL_ANSWER, async || {
            let mut answers = Vec::new();
            for _ in 0..2 * demo.nodes.len() {
                answers.push(request(&url).await?);
            }
            let answered: BTreeSet<&str> = answers.iter().map(String::as_str).collect();
            ensure!(answered == nodes, "{} answered", join(&answered));
            Ok(Some(answers))
        })
        .await?;
    stage.line(&format!("$ curl {url:<30} {}", answers.join(", ")));
    Ok(())
}

/// One request on a connection of its own; gives the name of the Node that answered.
///
/// # Errors
/// There was no answer.
pub async fn request(url: &str) -> Result<String> {
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
