//! Three replicas start; one leads.

use std::time::Instant;

use anyhow::Result;

use super::SOON;
use crate::demo::Demo;
use crate::lease::{self, next_holder};
use crate::replicas::{self, TIMING};
use crate::stage::{Stage, seconds};

/// # Errors
/// A replica did not become ready, or none leads.
pub async fn play(stage: &mut Stage, demo: &mut Demo) -> Result<()> {
    stage.open("Three replicas start and elect a leader");
    let started = Instant::now();
    replicas::start(stage, demo).await?;
    stage.fact("three are ready after", seconds(started.elapsed()));
    let holder = next_holder(stage, &demo.environment.client(), None, SOON).await?;
    replicas::until_led_by(stage, demo, holder.pod()).await?;
    let text = format!(
        "{}/{}, held by {}",
        lease::NAMESPACE,
        lease::NAME,
        holder.identity
    );
    stage.fact("Lease", text);
    let times = [
        TIMING.lease_duration,
        TIMING.renew_deadline,
        TIMING.retry_period,
    ];
    let [duration, deadline, period] = times.map(|time| format!("{time:?}"));
    let text = format!(
        "lease {duration}, renew deadline {deadline}, retry {period} (defaults: 15s, 10s, 2s)"
    );
    stage.fact("times of the election", text);
    replicas::show(stage, demo).await
}
