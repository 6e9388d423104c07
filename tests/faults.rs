//! Clouds that fail: tried again, explained, and nothing made twice.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::jiff::Timestamp;
use testbed::cloud::{CloudSimulator, Code, Effect, Event, Failure, Fault, FaultKind, Verb};
use testbed::environment::{SOON, addresses, calls};
use testbed::{Environment, eventually};

fn executed(cloud: &CloudSimulator, effect: Effect) -> Vec<Event> {
    let mut events = cloud.events();
    events.retain(|event| event.effect == Some(effect));
    events
}

/// Creates a Service on cloud1 whose create is struck once, and waits until it
/// is ready all the same, with one load balancer that was made once.
async fn survives_once(test: &Environment, kind: FaultKind) -> Result<()> {
    test.cloud1
        .set_fault(Fault::new(kind).on(Verb::Create).times(1));
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    let note = test.until_event("web", "SyncLoadBalancerFailed").await?;
    ensure!(note.contains("cloud1 create"), "{note}");
    let failed = test.get("web").await?;
    ensure!(addresses(&failed).is_empty(), "{:?}", addresses(&failed));
    let ready = test.until_ready("web").await?;
    let inventory = test.cloud1.inventory();
    ensure!(inventory.len() == 1, "{inventory:?}");
    ensure!(test.record(&ready) == Some((inventory[0].id.as_str(), "cloud1")));
    let created = executed(&test.cloud1, Effect::Created);
    ensure!(created.len() == 1, "{created:?}");
    let announced = test.events("web", "EnsuringLoadBalancer").await?;
    ensure!(announced.len() == 1, "announced once: {announced:?}");
    Ok(())
}

#[tokio::test]
async fn a_create_that_failed_is_tried_again() -> Result<()> {
    let test = Environment::shared("fault-transient").await?;
    let unavailable = Failure::code(Code::Unavailable);
    survives_once(&test, FaultKind::FailBefore(unavailable)).await
}

#[tokio::test]
async fn a_create_whose_answer_is_lost_is_found_again() -> Result<()> {
    let test = Environment::shared("fault-lost").await?;
    survives_once(&test, FaultKind::LoseReply).await
}

#[tokio::test]
async fn a_create_whose_answer_is_garbage_is_found_again() -> Result<()> {
    let test = Environment::shared("fault-garbage").await?;
    survives_once(&test, FaultKind::GarbageBody).await
}

#[tokio::test]
async fn a_create_whose_answer_lacks_the_id_is_found_again() -> Result<()> {
    let test = Environment::shared("fault-no-id").await?;
    let field = "lbId".to_owned();
    survives_once(&test, FaultKind::OmitField { field }).await
}

/// Longer than the calls' timeout, so that no call waits it out in line.
const PAUSE: u64 = 7;

#[tokio::test]
async fn a_cloud_that_asks_for_a_pause_has_it_exactly() -> Result<()> {
    let test = Environment::shared("fault-pause").await?;
    let throttle = FaultKind::Throttle {
        retry_after_seconds: Some(PAUSE),
        as_date: false,
    };
    test.cloud1
        .set_fault(Fault::new(throttle).on(Verb::Create).times(1));
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_event("web", "SyncLoadBalancerFailed").await?;
    // Neither an edit nor another Service is a reason to call earlier.
    test.annotate("web", &[("lb-bandwidth", Some("20M"))])
        .await?;
    test.service("other").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    test.until_ready("other").await?;

    let calls = calls(&test.cloud1);
    let throttled = calls.first().context("a call")?;
    ensure!(throttled.code() == Some(Code::Throttled), "{throttled:?}");
    let asked = throttled.finished_micros.context("an answer")?;
    let next = calls.get(1).context("another call")?.started_micros;
    let waited = Duration::from_micros(next - asked);
    let pause = Duration::from_secs(PAUSE);
    ensure!(waited >= pause, "called after {waited:?}");
    ensure!(
        waited < pause + Duration::from_secs(2),
        "called only after {waited:?}"
    );
    Ok(())
}

#[tokio::test]
async fn what_only_a_person_can_mend_is_explained() -> Result<()> {
    let test = Environment::shared_with("fault-quota", |cloud| cloud.quota = Some(1)).await?;
    let _replica = test.sole_replica().await?;
    test.service("first").provider("cloud1").create().await?;
    test.until_ready("first").await?;
    test.service("second").provider("cloud1").create().await?;
    let message = test.until_reason("second", "SyncFailed").await?;
    ensure!(
        message.contains("cloud1") && message.contains("quota"),
        "{message}"
    );
    let note = test.until_event("second", "SyncLoadBalancerFailed").await?;
    ensure!(note == message, "{note} and {message}");

    test.delete("first").await?;
    test.until_gone("first").await?;
    test.until_ready("second").await?;
    Ok(())
}

#[tokio::test]
async fn a_cloud_that_hangs_holds_up_nothing_on_another() -> Result<()> {
    let test = Environment::shared("fault-hang").await?;
    test.cloud1.set_fault(Fault::new(FaultKind::Hang {
        after_effect: false,
    }));
    let _replica = test.sole_replica().await?;
    // More than cloud1 takes at once.
    for number in 0..20 {
        test.service(&format!("stuck-{number}"))
            .provider("cloud1")
            .create()
            .await?;
    }
    let started = Timestamp::now();
    test.service("web").provider("cloud2").create().await?;
    test.until_ready("web").await?;
    test.annotate("web", &[("lb-bandwidth", Some("20M"))])
        .await?;
    eventually("cloud2 to be updated", SOON, async || {
        let bandwidth = test.cloud2.inventory()[0].settings.bandwidth.clone();
        Ok((bandwidth == "20M").then_some(()))
    })
    .await?;
    test.delete("web").await?;
    test.until_gone("web").await?;
    let took = Timestamp::now().duration_since(started);
    let hanging = calls(&test.cloud1);
    let answered = hanging.iter().any(|call| call.code().is_some());
    ensure!(!answered, "cloud1 hung all the time: {hanging:?}");
    // A call on cloud1 ends after 5 s; a whole life on cloud2 is over before.
    ensure!(took.as_secs() < 5, "took {took}");
    Ok(())
}

/// The create is carried out, its answer is lost, and the user changes their
/// mind before the next try: no record names that cloud.
async fn unrecorded_load_balancer(test: &Environment) -> Result<()> {
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    test.cloud2
        .set_fault(Fault::new(FaultKind::LoseReply).on(Verb::Create).times(1));
    test.annotate("web", &[("provider", Some("cloud2"))])
        .await?;
    test.until_reason("web", "SyncFailed").await?;
    ensure!(
        test.cloud2.inventory().len() == 1,
        "{:?}",
        test.cloud2.inventory()
    );
    Ok(())
}

#[tokio::test]
async fn what_a_lost_answer_left_on_a_cloud_no_longer_named_is_deleted() -> Result<()> {
    let test = Environment::shared("fault-left").await?;
    let _replica = test.sole_replica().await?;
    unrecorded_load_balancer(&test).await?;
    test.annotate("web", &[("provider", Some("cloud1"))])
        .await?;
    eventually("cloud2 to be empty", SOON, async || {
        Ok(test.cloud2.inventory().is_empty().then_some(()))
    })
    .await?;
    test.until_ready("web").await?;
    ensure!(test.cloud1.mutations().len() == 1, "only the create");
    Ok(())
}

#[tokio::test]
async fn what_a_lost_answer_left_is_deleted_with_the_service() -> Result<()> {
    let test = Environment::shared("fault-left-deleted").await?;
    let _replica = test.sole_replica().await?;
    unrecorded_load_balancer(&test).await?;
    test.delete("web").await?;
    test.until_gone("web").await?;
    for cloud in [&test.cloud1, &test.cloud2] {
        ensure!(cloud.inventory().is_empty(), "{:?}", cloud.inventory());
    }
    Ok(())
}

#[tokio::test]
async fn a_delete_that_fails_keeps_the_finalizer_until_it_succeeds() -> Result<()> {
    let test = Environment::shared("fault-delete").await?;
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    let failure = FaultKind::FailBefore(Failure::code(Code::Internal));
    test.cloud1
        .set_fault(Fault::new(failure).on(Verb::Delete).times(1));
    test.delete("web").await?;
    let message = test.until_reason("web", "SyncFailed").await?;
    ensure!(message.contains("cloud1 delete"), "{message}");
    ensure!(test.cloud1.inventory().len() == 1);
    test.until_gone("web").await?;
    ensure!(
        test.cloud1.inventory().is_empty(),
        "{:?}",
        test.cloud1.inventory()
    );
    Ok(())
}
