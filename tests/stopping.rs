//! A replica that is told to end ends soon and well, whatever the clouds do.

use std::time::Duration;

use anyhow::{Result, ensure};
use testbed::cloud::{Fault, FaultKind, Verb};
use testbed::environment::{SOON, calls};
use testbed::{Environment, eventually};

/// Far less than the request timeout of the hanging call would need.
const PROMPT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_hanging_cloud_does_not_hold_up_the_end() -> Result<()> {
    let mut test = Environment::shared("hung-end").await?;
    test.request_timeout = "5m".into();
    test.cloud1
        .set_fault(Fault::new(FaultKind::Hang { after_effect: true }).on(Verb::Create));
    let mut replica = test.sole_replica().await?;
    test.service("stuck").provider("cloud1").create().await?;
    eventually("the create to hang", SOON, async || {
        Ok((!test.cloud1.mutations().is_empty()).then_some(()))
    })
    .await?;
    replica.terminate()?;
    let status = replica.wait_exit(PROMPT).await?;
    ensure!(status.success(), "{status}");

    // What the call that was given up did is found out by the next one.
    test.cloud1.clear_faults();
    let _next = test.sole_replica().await?;
    test.until_ready("stuck").await?;
    ensure!(test.cloud1.inventory().len() == 1);
    Ok(())
}

#[tokio::test]
async fn calls_that_wait_for_their_turn_are_not_sent_any_more() -> Result<()> {
    const SERVICES: usize = 60;
    const IN_FLIGHT: usize = 16;
    let test = Environment::shared("queued-end").await?;
    test.cloud1
        .set_fault(Fault::new(FaultKind::Latency { millis: 3_000 }).on(Verb::Create));
    let mut replica = test.sole_replica().await?;
    for index in 0..SERVICES {
        test.service(&format!("web-{index}"))
            .provider("cloud1")
            .create()
            .await?;
    }
    eventually("creates to be in flight", SOON, async || {
        Ok((calls(&test.cloud1).len() >= IN_FLIGHT).then_some(()))
    })
    .await?;
    let before = calls(&test.cloud1).len();
    replica.terminate()?;
    let status = replica.wait_exit(PROMPT).await?;
    ensure!(status.success(), "{status}");
    let after = calls(&test.cloud1).len();
    ensure!(
        after <= before + IN_FLIGHT,
        "{after} calls after {before}: the queue went on"
    );
    ensure!(after < SERVICES);
    Ok(())
}
