//! The leader is asked to end.

use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::jiff::Timestamp;

use super::SOON;
use super::failover::{between, first_write, manifest, unchanged};
use crate::lease::next_holder;
use crate::stage::{Stage, seconds};
use crate::world::World;
use crate::{inventory, services};

const SERVICE: &str = "made-in-a-handover";
const QUICK: Duration = Duration::from_secs(1);
/// A look at a probe.
const PROBE: Duration = Duration::from_secs(1);

/// # Errors
/// Nobody takes over, or a load balancer suffers.
pub async fn play(stage: &mut Stage, world: &mut World) -> Result<()> {
    stage.open("The new leader is asked to end (SIGTERM), as in a rolling update");
    let (client, before) = (world.client(), inventory::load_balancers(&world.clouds));
    let leader = next_holder(stage, &client, None, SOON).await?;
    let asked = world.replicas.get(leader.pod())?;
    let probe = format!("{}/readyz", asked.admin_url());
    stage.line(&format!("$ kill {}   ({})", asked.id(), leader.pod()));
    let asked_at = Timestamp::now();
    asked.terminate()?;
    // At the same time, for the next leader may be there before the Service is.
    let (next, applied) = tokio::join!(
        next_holder(stage, &client, Some(&leader), SOON),
        apply_unseen(stage, world, &probe),
    );
    applied?;
    let next = next?;
    let took = between(asked_at, next.since)?;
    stage.fact(
        "next leader after",
        format_args!("{}: {}", seconds(took), next.pod()),
    );
    world.facts.measured("handover: next leader", took, QUICK);
    let wrote = first_write(stage, &world.clouds, SERVICE, asked_at).await?;
    stage.fact("first cloud write after", seconds(wrote));
    world
        .facts
        .measured("handover: first cloud write", wrote, QUICK);
    let status = world.replicas.get(leader.pod())?.wait_exit(SOON).await?;
    stage.fact("the old one ended", format_args!("{status}"));
    ensure!(status.success(), "{} ended with {status}", leader.pod());
    services::until_ready(stage, &client, SERVICE, SOON).await?;
    world.replicas.start_again(stage, leader.pod()).await?;
    world.replicas.until_leads(stage, next.pod()).await?;
    unchanged(stage, world, &before)?;
    stage.fact("started again", leader.pod());
    world.replicas.show(stage).await
}

/// Creates the Service once the old leader takes no new work, so that it is
/// the next one's to do.
async fn apply_unseen(stage: &Stage, world: &mut World, probe: &str) -> Result<()> {
    let http = reqwest::Client::builder()
        .timeout(PROBE)
        .no_proxy()
        .build()?;
    stage
        .until("the old leader to take no new work", SOON, async || {
            let ready = http
                .get(probe)
                .send()
                .await
                .and_then(|answer| answer.error_for_status());
            // Not ready, or gone.
            Ok(ready.is_err().then_some(()))
        })
        .await?;
    services::apply(world, &manifest(SERVICE, "cloud2")).await?;
    Ok(())
}
