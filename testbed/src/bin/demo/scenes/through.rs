//! Traffic through both load balancers.

use anyhow::Result;

use super::examples::OURS;
use crate::demo::Demo;
use crate::services;
use crate::stage::Stage;
use crate::traffic;

/// # Errors
/// A Node does not answer through one of them.
pub async fn play(stage: &mut Stage, demo: &mut Demo) -> Result<()> {
    stage.open("Traffic flows through both clouds to the Nodes");
    for name in OURS {
        let service = demo.environment.get(name).await?;
        services::until_answering(stage, demo, &service).await?;
        traffic::show(stage, demo, &service).await?;
    }
    Ok(())
}
