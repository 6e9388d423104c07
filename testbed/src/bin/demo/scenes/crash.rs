//! The leader is killed.

use std::time::Duration;

use anyhow::Result;
use k8s_openapi::jiff::Timestamp;

use super::SOON;
use super::failover::{Failover, manifest};
use crate::demo::Demo;
use crate::lease::next_holder;
use crate::replicas::TIMING;
use crate::services;
use crate::stage::Stage;

const SERVICE: &str = "made-in-a-crash";

/// # Errors
/// No standby takes over, or a load balancer changes.
pub async fn play(stage: &mut Stage, demo: &mut Demo) -> Result<()> {
    stage.open("The leader crashes (SIGKILL), and a Service is created meanwhile");
    let failover = Failover::begin(stage, demo, "crash", SERVICE).await?;
    let (leader, victim) = (&failover.leader, &mut demo.replicas[failover.index]);
    stage.line(&format!("$ kill -9 {}   ({})", victim.id(), leader.pod()));
    let killed = Timestamp::now();
    victim.kill();
    services::apply(demo, &manifest(SERVICE, "cloud1")).await?;
    let (client, expiry) = (demo.environment.client(), TIMING.lease_duration);
    let next = next_holder(stage, &client, Some(leader), expiry + SOON).await?;
    let aim = expiry + Duration::from_secs(1);
    failover.finish(stage, demo, (killed, next), aim).await
}
