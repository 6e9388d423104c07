//! A Service on several clouds: each cloud serves it, whatever the others do.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Service;
use testbed::cloud::{CloudSimulator, Code, Event, Failure, Fault, FaultKind, Verb};
use testbed::environment::{SOON, addresses};
use testbed::{Environment, eventually};

const HANG: FaultKind = FaultKind::Hang {
    after_effect: false,
};
/// Longer than any wait of these tests: no call that hangs ends in time for them.
const TIMEOUT: &str = "300s";

/// The cloud that serves, and the other one.
fn other_than(test: &Environment, failing: usize) -> (&CloudSimulator, &CloudSimulator) {
    let clouds = test.clouds();
    (clouds[1 - failing], clouds[failing])
}

async fn environment(name: &str) -> Result<Environment> {
    let mut test = Environment::shared(name).await?;
    test.request_timeout = TIMEOUT.into();
    Ok(test)
}

fn address(cloud: &CloudSimulator) -> Option<String> {
    let inventory = cloud.inventory();
    Some(inventory.first()?.ip?.to_string())
}

/// Waits until the status has the address of this cloud, and nothing else.
async fn until_published(test: &Environment, cloud: &CloudSimulator) -> Result<Service> {
    let is_published =
        |service: &Service| address(cloud).is_some_and(|ours| addresses(service) == [ours]);
    let what = format!("the address of {} to be published", cloud.name());
    test.until("web", &what, is_published).await
}

async fn until_called(cloud: &CloudSimulator, verb: Verb) -> Result<Event> {
    eventually("the call", SOON, async || {
        let mut events = cloud.events().into_iter();
        Ok(events.find(|event| event.verb == verb))
    })
    .await
}

#[tokio::test]
async fn a_cloud_that_hangs_in_a_create_delays_no_other() -> Result<()> {
    for hanging in [0, 1] {
        let test = environment(&format!("several-create-{hanging}")).await?;
        let _replica = test.sole_replica().await?;
        let (serving, hanging) = other_than(&test, hanging);
        hanging.set_fault(Fault::new(HANG).on(Verb::Create));
        test.service("web")
            .provider("cloud1,cloud2")
            .create()
            .await?;
        let published = until_published(&test, serving).await?;
        let (ids, clouds) = test.record(&published).context("a record")?;
        ensure!(clouds == "cloud1,cloud2", "both are announced: {clouds}");
        ensure!(
            ids.split(',').filter(|id| !id.is_empty()).count() == 1,
            "{ids}"
        );
        let create = until_called(hanging, Verb::Create).await?;
        ensure!(create.finished_micros.is_none(), "it hangs: {create:?}");
        let (status, reason, message) = test.condition(&published).context("a condition")?;
        ensure!(status == "False" && reason == "Provisioning", "{reason}");
        ensure!(message.contains(hanging.name()), "{message}");
    }
    Ok(())
}

#[tokio::test]
async fn a_cloud_that_refuses_delays_no_other() -> Result<()> {
    for refusing in [0, 1] {
        let test = environment(&format!("several-refuse-{refusing}")).await?;
        let _replica = test.sole_replica().await?;
        let (serving, refusing) = other_than(&test, refusing);
        refusing.set_fault(
            Fault::new(FaultKind::FailBefore(Failure::code(Code::QuotaExceeded))).on(Verb::Create),
        );
        test.service("web")
            .provider("cloud1,cloud2")
            .create()
            .await?;
        until_published(&test, serving).await?;
        refusing.clear_faults();
        let [one, two] = test.clouds().map(address);
        ensure!(one.is_some() != two.is_some());
    }
    Ok(())
}

#[tokio::test]
async fn the_calls_to_two_clouds_are_side_by_side() -> Result<()> {
    let test = environment("several-side-by-side").await?;
    let _replica = test.sole_replica().await?;
    for cloud in test.clouds() {
        cloud.set_fault(Fault::new(FaultKind::Latency { millis: 500 }).on(Verb::Create));
    }
    test.service("web")
        .provider("cloud1,cloud2")
        .create()
        .await?;
    test.until_ready("web").await?;
    let [one, two] = test.clouds();
    let creates = [
        until_called(one, Verb::Create).await?,
        until_called(two, Verb::Create).await?,
    ];
    let between = creates[0].at.duration_since(creates[1].at).unsigned_abs();
    ensure!(between < Duration::from_millis(400), "{between:?} apart");
    let mut writes = test.writes()?;
    writes.retain(|write| write.resource == "services");
    ensure!(
        writes.len() <= 3,
        "finalizer, and one publication for each cloud: {writes:#?}"
    );
    Ok(())
}
