//! A Node is added and begins to answer.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::SOON;
use super::examples::OURS;
use crate::demo::Demo;
use crate::inventory::load_balancers;
use crate::services;
use crate::stage::{Stage, seconds};
use crate::traffic;

/// Changes of Nodes are collected for a second of quiet.
const ANSWERS: Duration = Duration::from_secs(3);

/// # Errors
/// It does not answer through both load balancers.
pub async fn play(stage: &mut Stage, demo: &mut Demo) -> Result<()> {
    stage.open("A Node is added");
    let started = Instant::now();
    let (name, address) = demo.add_node(stage).await?;
    let what = format!("{name} ({address}) to be a back end at both clouds");
    stage
        .until(&what, SOON, async || {
            let all = load_balancers(&demo.environment);
            let mut ours = all.iter().filter(|(_, entry)| entry.owner.is_some());
            let everywhere = ours.all(|(_, entry)| entry.settings.nodes.contains(&address));
            Ok(everywhere.then_some(()))
        })
        .await?;
    stage.fact("back end at both after", seconds(started.elapsed()));
    for service in OURS {
        let service = demo.environment.get(service).await?;
        services::until_answering(stage, demo, &service).await?;
        traffic::show(stage, demo, &service).await?;
    }
    demo.measured(
        format!("{name} answers through both"),
        started.elapsed(),
        ANSWERS,
    );
    Ok(())
}
