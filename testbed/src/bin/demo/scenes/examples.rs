//! The examples are applied; two Services get their EXTERNAL-IP.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use testbed::cloud::Verb;

use super::SOON;
use crate::guarantees::kubernetes_writes_to;
use crate::inventory;
use crate::services::{self, external_ip};
use crate::stage::{Stage, seconds};
use crate::world::World;

const FILES: [&str; 4] = [
    "nginx-demo.yaml",
    "nginx-clusterip.yaml",
    "nginx-lb-cloud1.yaml",
    "nginx-lb-cloud2.yaml",
];
/// The Service that is none of our business.
pub const OTHER: &str = "nginx-clusterip";
/// The Services that are.
pub const OURS: [&str; 2] = ["nginx-lb-cloud1", "nginx-lb-cloud2"];
const EXTERNAL_IP: Duration = Duration::from_secs(1);

/// # Errors
/// One has no EXTERNAL-IP in time, or more was done than needed.
pub async fn play(stage: &mut Stage, world: &mut World) -> Result<()> {
    stage.open("The examples are applied: two Services ask for a load balancer");
    let mut before = services::list(&world.client()).await?;
    let mut applied_at = Vec::new();
    for file in FILES {
        stage.line(&format!("$ kubectl apply -f deploy/examples/{file}"));
        let applied = services::apply(world, &services::example(file)?).await?;
        applied_at.extend(
            applied
                .iter()
                .map(|service| (service.name_any(), Instant::now())),
        );
        before.extend(applied);
    }
    before.sort_by_key(ResourceExt::name_any);
    stage.line("$ kubectl get services   (as each was applied)");
    services::show(stage, &before);
    for (name, applied) in applied_at
        .iter()
        .filter(|(name, _)| OURS.contains(&name.as_str()))
    {
        let client = world.client();
        let (service, ready) = services::until_ready(stage, &client, name, SOON).await?;
        let took = ready.saturating_duration_since(*applied);
        let what = format!("EXTERNAL-IP of {name}");
        let ip = external_ip(&service).unwrap_or_default();
        stage.fact(
            name,
            format_args!("EXTERNAL-IP {ip} after {}", seconds(took)),
        );
        world.facts.measured(what, took, EXTERNAL_IP);
        show_effort(stage, world, &service)?;
    }
    stage.line("$ kubectl get services");
    services::show(stage, &services::list(&world.client()).await?);
    show_untouched(stage, world, &before).await?;
    inventory::show(stage, &world.clouds);
    Ok(())
}

/// What it took: writes to kube-apiserver, Events aside, and calls of clouds.
fn show_effort(stage: &Stage, world: &World, service: &Service) -> Result<()> {
    let writes = kubernetes_writes_to(world, &service.name_any())?;
    let calls = calls_about(world, service);
    stage.fact(
        "",
        format_args!("with {writes} writes to kube-apiserver and {calls} cloud call"),
    );
    ensure!(
        writes <= 2 && calls == 1,
        "{} took {writes} writes to kube-apiserver (at most 2) and {calls} cloud calls (1)",
        service.name_any()
    );
    Ok(())
}

async fn show_untouched(stage: &Stage, world: &World, before: &[Service]) -> Result<()> {
    let live = services::api(&world.client()).get(OTHER).await?;
    let applied = before.iter().find(|service| service.name_any() == OTHER);
    let version = |service: &Service| service.resource_version().unwrap_or_default();
    let (then, now) = (applied.map(version).unwrap_or_default(), version(&live));
    let calls = calls_about(world, &live);
    stage.fact(
        OTHER,
        format_args!("resourceVersion {then} as applied, {now} now; {calls} cloud calls"),
    );
    ensure!(then == now && calls == 0, "{OTHER} was not left alone");
    Ok(())
}

/// Calls with the Service's UID in them; lists are of the whole inventory.
fn calls_about(world: &World, service: &Service) -> usize {
    let uid = service.uid().unwrap_or_default();
    let calls = world.clouds.iter().flat_map(|cloud| cloud.events());
    calls
        .filter(|call| call.verb != Verb::List && call.request.to_string().contains(&uid))
        .count()
}
