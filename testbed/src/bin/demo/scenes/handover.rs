//! The leader gets SIGTERM.

use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::jiff::Timestamp;

use super::SOON;
use super::failover::{Failover, manifest};
use crate::demo::Demo;
use crate::lease::next_holder;
use crate::services;
use crate::stage::Stage;

const SERVICE: &str = "made-in-a-handover";
const QUICK: Duration = Duration::from_secs(1);
/// The timeout of a probe.
const PROBE: Duration = Duration::from_secs(1);

/// # Errors
/// No standby takes over, or a load balancer changes.
pub async fn play(stage: &mut Stage, demo: &mut Demo) -> Result<()> {
    stage.open("The new leader is asked to end (SIGTERM), as in a rolling update");
    let failover = Failover::begin(stage, demo, "handover", SERVICE).await?;
    let (leader, replica) = (&failover.leader, &mut demo.replicas[failover.index]);
    let probe = format!("{}/readyz", replica.admin_url());
    stage.line(&format!("$ kill {}   ({})", replica.id(), leader.pod()));
    let terminated = Timestamp::now();
    replica.terminate()?;
    let client = demo.environment.client();
    // At the same time, for the next leader may be there before the Service is.
    let (next, applied) = tokio::join!(
        next_holder(stage, &client, Some(leader), SOON),
        apply_unseen(stage, demo, &probe),
    );
    applied?;
    let status = demo.replicas[failover.index].wait_exit(SOON).await?;
    stage.fact("the old one ended", format_args!("{status}"));
    ensure!(status.success(), "{} ended with {status}", leader.pod());
    failover
        .finish(stage, demo, (terminated, next?), QUICK)
        .await
}

/// Creates the Service once the old leader takes no new work, so that only the
/// next leader can create its load balancer.
async fn apply_unseen(stage: &Stage, demo: &mut Demo, probe: &str) -> Result<()> {
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
    services::apply(demo, &manifest(SERVICE, "cloud2")).await?;
    Ok(())
}
