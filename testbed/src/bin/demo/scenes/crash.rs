//! The leader is killed.

use std::time::Duration;

use anyhow::Result;
use k8s_openapi::jiff::Timestamp;

use super::SOON;
use super::failover::{between, first_write, manifest, unchanged};
use crate::lease::next_holder;
use crate::replicas::TIMING;
use crate::stage::{Stage, seconds};
use crate::world::World;
use crate::{inventory, services};

const SERVICE: &str = "made-in-a-crash";

/// # Errors
/// Nobody takes over, or a load balancer suffers.
pub async fn play(stage: &mut Stage, world: &mut World) -> Result<()> {
    stage.open("The leader crashes (SIGKILL), and a Service is created meanwhile");
    let (client, before) = (world.client(), inventory::load_balancers(&world.clouds));
    let leader = next_holder(stage, &client, None, SOON).await?;
    let victim = world.replicas.get(leader.pod())?;
    stage.line(&format!("$ kill -9 {}   ({})", victim.id(), leader.pod()));
    let killed = Timestamp::now();
    victim.kill();
    services::apply(world, &manifest(SERVICE, "cloud1")).await?;
    let next = next_holder(stage, &client, Some(&leader), TIMING.lease_duration + SOON).await?;
    let took = between(killed, next.since)?;
    stage.fact(
        "next leader after",
        format_args!("{}: {}", seconds(took), next.pod()),
    );
    let second = Duration::from_secs(1);
    world
        .facts
        .measured("crash: next leader", took, TIMING.lease_duration + second);
    let wrote = first_write(stage, &world.clouds, SERVICE, killed).await?;
    stage.fact("first cloud write after", seconds(wrote));
    world.facts.measured(
        "crash: first cloud write",
        wrote,
        TIMING.lease_duration + second,
    );
    services::until_ready(stage, &client, SERVICE, SOON).await?;
    world.replicas.start_again(stage, leader.pod()).await?;
    world.replicas.until_leads(stage, next.pod()).await?;
    unchanged(stage, world, &before)?;
    stage.fact("started again", leader.pod());
    world.replicas.show(stage).await
}
