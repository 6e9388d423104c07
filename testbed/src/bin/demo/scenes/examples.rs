//! The examples are applied; two Services get their EXTERNAL-IP.

use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;

use super::SOON;
use crate::audit::{Effort, effort};
use crate::demo::Demo;
use crate::inventory;
use crate::services::{self, external_ip};
use crate::stage::{Stage, seconds};

const FILES: [&str; 4] = [
    "nginx-demo.yaml",
    "nginx-clusterip.yaml",
    "nginx-lb-cloud1.yaml",
    "nginx-lb-cloud2.yaml",
];
/// A Service that asks for no load balancer.
const OTHER: &str = "nginx-clusterip";
/// The Services that ask for one.
pub const OURS: [&str; 2] = ["nginx-lb-cloud1", "nginx-lb-cloud2"];
const EXTERNAL_IP: Duration = Duration::from_secs(1);

/// # Errors
/// One has no EXTERNAL-IP in time, or more was done than needed.
pub async fn play(stage: &mut Stage, demo: &mut Demo) -> Result<()> {
    stage.open("The examples are applied: two Services ask for a load balancer");
    let mut before = services::list(&demo.environment).await?;
    for file in FILES {
        stage.line(&format!("$ kubectl apply -f deploy/examples/{file}"));
        let applied = services::apply(demo, &services::example(file)?).await?;
        before.extend(applied);
    }
    before.sort_by_key(ResourceExt::name_any);
    stage.line("$ kubectl get services   (as each was applied)");
    services::show(stage, &before);
    for name in OURS {
        let service = services::until_ready(stage, &demo.environment, name, SOON).await?;
        show_effort(stage, demo, &service)?;
    }
    stage.line("$ kubectl get services");
    services::show(stage, &services::list(&demo.environment).await?);
    show_untouched(stage, demo, &before).await?;
    inventory::show(stage, &demo.environment);
    Ok(())
}

/// Prints what it took, by the audit log and the cloud's log.
fn show_effort(stage: &Stage, demo: &mut Demo, service: &Service) -> Result<()> {
    let (name, ip) = (service.name_any(), external_ip(service).unwrap_or_default());
    let Effort { writes, took } = effort(&demo.environment, &name)?;
    let calls = calls_about(demo, service);
    let text = format!(
        "EXTERNAL-IP {ip} after {}, with {writes} writes to kube-apiserver and {calls} cloud call",
        seconds(took)
    );
    stage.fact(&name, text);
    demo.measured(format!("EXTERNAL-IP of {name}"), took, EXTERNAL_IP);
    ensure!(
        writes <= 2 && calls == 1,
        "{name} took {writes} writes to kube-apiserver (at most 2) and {calls} cloud calls (1)"
    );
    Ok(())
}

async fn show_untouched(stage: &Stage, demo: &Demo, before: &[Service]) -> Result<()> {
    let live = demo.environment.get(OTHER).await?;
    let applied = before.iter().find(|service| service.name_any() == OTHER);
    let version = |service: &Service| service.resource_version().unwrap_or_default();
    let (then, now) = (applied.map(version).unwrap_or_default(), version(&live));
    let calls = calls_about(demo, &live);
    stage.fact(
        OTHER,
        format_args!("resourceVersion {then} as applied, {now} now; {calls} cloud calls"),
    );
    ensure!(then == now && calls == 0, "{OTHER} was not left alone");
    Ok(())
}

/// Calls with the Service's UID in them; lists are of the whole inventory.
fn calls_about(demo: &Demo, service: &Service) -> usize {
    let uid = service.uid().unwrap_or_default();
    let calls = demo.environment.clouds().map(|cloud| cloud.events());
    calls
        .iter()
        .flatten()
        .filter(|call| call.verb.is_about_one() && call.request.to_string().contains(&uid))
        .count()
}
