//! The steps of the demo, in order.

pub mod start;

mod crash;
mod deletion;
mod election;
mod examples;
mod failover;
mod handover;
mod local;
mod node;
mod plan;
mod summary;
mod through;

use std::time::Duration;

use anyhow::{Error, Result, anyhow};
use tokio::time::timeout;

use crate::demo::Demo;
use crate::services;
use crate::stage::Stage;

/// The longest that a scene waits for anything that takes moments.
const SOON: Duration = Duration::from_secs(20);
/// The longest that the search for conditions may take.
const EXPLANATION: Duration = Duration::from_secs(2);

/// Plays all scenes after the start.
///
/// # Errors
/// A step failed: the message has the conditions of the Services that are not ready.
pub async fn play(stage: &mut Stage, demo: &mut Demo) -> Result<()> {
    match play_all(stage, demo).await {
        Ok(()) => Ok(()),
        Err(error) => Err(explained(error, demo).await),
    }
}

async fn play_all(stage: &mut Stage, demo: &mut Demo) -> Result<()> {
    election::play(stage, demo).await?;
    examples::play(stage, demo).await?;
    through::play(stage, demo).await?;
    local::play(stage, demo).await?;
    plan::play(stage, demo).await?;
    node::play(stage, demo).await?;
    crash::play(stage, demo).await?;
    handover::play(stage, demo).await?;
    deletion::play(stage, demo).await?;
    summary::play(stage, demo).await
}

/// Adds the conditions of the Services that are not ready, unless the error has them.
async fn explained(error: Error, demo: &Demo) -> Error {
    let found = timeout(EXPLANATION, services::not_ready(&demo.environment)).await;
    let Ok(Ok(mut not_ready)) = found else {
        return error;
    };
    let message = format!("{error:#}");
    not_ready.retain(|(_, condition)| !message.contains(condition));
    if not_ready.is_empty() {
        return error;
    }
    let lines = not_ready
        .into_iter()
        .map(|(name, condition)| format!("Service {name}: {condition}"));
    anyhow!(lines.collect::<Vec<_>>().join("\n")).context(message)
}
