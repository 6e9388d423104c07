//! A Node is added and begins to answer.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::SOON;
use super::examples::OURS;
use crate::inventory::load_balancers;
use crate::services;
use crate::stage::{Stage, seconds};
use crate::traffic;
use crate::world::World;

/// Changes of Nodes are collected for a second of quiet.
const ANSWERS: Duration = Duration::from_secs(3);

/// # Errors
/// It does not answer through both load balancers.
pub async fn play(stage: &mut Stage, world: &mut World) -> Result<()> {
    stage.open("A Node is added");
    let started = Instant::now();
    let (name, address) = world.add_node().await?;
    stage.fact("Node", format_args!("{name}, {address}"));
    let what = format!("{name} ({address}) to be a back end at both clouds");
    stage
        .until(&what, SOON, async || {
            let all = load_balancers(&world.clouds);
            let mut ours = all.iter().filter(|(_, entry)| entry.owner.is_some());
            let everywhere = ours.all(|(_, entry)| entry.settings.nodes.contains(&address));
            Ok(everywhere.then_some(()))
        })
        .await?;
    stage.fact("back end at both after", seconds(started.elapsed()));
    for service in OURS {
        let service = services::get(&world.client(), service).await?;
        services::until_answering(stage, world, &service).await?;
        traffic::show(stage, world, &service).await?;
    }
    world.facts.measured(
        format!("{name} answers through both"),
        started.elapsed(),
        ANSWERS,
    );
    Ok(())
}
