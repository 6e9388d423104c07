//! Traffic through both load balancers.

use anyhow::Result;

use super::examples::OURS;
use crate::services;
use crate::stage::Stage;
use crate::traffic;
use crate::world::World;

/// # Errors
/// A Node does not answer through one of them.
pub async fn play(stage: &mut Stage, world: &mut World) -> Result<()> {
    stage.open("Traffic flows through both clouds to the Nodes");
    for name in OURS {
        let service = services::get(&world.client(), name).await?;
        services::until_answering(stage, world, &service).await?;
        traffic::show(stage, world, &service).await?;
    }
    Ok(())
}
