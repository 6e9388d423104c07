//! What happens, in order.

pub mod start;

mod crash;
mod deletion;
mod election;
mod examples;
mod failover;
mod handover;
mod node;
mod summary;
mod through;

use std::time::Duration;

use anyhow::{Error, Result, anyhow};
use tokio::time::timeout;

use crate::services;
use crate::stage::Stage;
use crate::world::World;

/// The longest that a scene waits for anything that takes moments.
const SOON: Duration = Duration::from_secs(20);
/// The longest that the search for a reason may take.
const EXPLANATION: Duration = Duration::from_secs(2);

/// Plays all scenes after the start.
///
/// # Errors
/// What did not happen, and what the Services say of it.
pub async fn play(stage: &mut Stage, world: &mut World) -> Result<()> {
    match play_all(stage, world).await {
        Ok(()) => Ok(()),
        Err(error) => Err(explained(error, world).await),
    }
}

async fn play_all(stage: &mut Stage, world: &mut World) -> Result<()> {
    election::play(stage, world).await?;
    examples::play(stage, world).await?;
    through::play(stage, world).await?;
    node::play(stage, world).await?;
    crash::play(stage, world).await?;
    handover::play(stage, world).await?;
    deletion::play(stage, world).await?;
    summary::play(stage, world).await
}

/// Adds what the Services say, unless the error has it.
async fn explained(error: Error, world: &World) -> Error {
    let client = world.client();
    let found = timeout(EXPLANATION, services::complaints(&client)).await;
    let Ok(Ok(mut complaints)) = found else {
        return error;
    };
    let message = format!("{error:#}");
    complaints.retain(|(_, words)| !message.contains(words));
    if complaints.is_empty() {
        return error;
    }
    let lines = complaints
        .into_iter()
        .map(|(name, words)| format!("Service {name}: {words}"));
    anyhow!(lines.collect::<Vec<_>>().join("\n")).context(message)
}
