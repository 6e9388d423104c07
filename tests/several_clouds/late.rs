//! Updates and creates that end after their attempt has gone on without them.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Service;
use testbed::cloud::{Code, Event, Failure, Fault, FaultKind, Verb};
use testbed::environment::{History, SOON, addresses};
use testbed::nodes::{create_node, delete_node};
use testbed::{Environment, eventually};

use crate::{HANG, TIMEOUT, create, environment, other_than, until_called, until_published};

/// A failure that comes late is a failure: it is explained, and the next call waits.
#[tokio::test]
async fn a_late_failure_is_explained_and_retried_after_its_backoff() -> Result<()> {
    let test = environment("several-late-failure").await?;
    let _replica = test.sole_replica().await?;
    let (serving, failing) = other_than(&test, 0);
    failing.set_fault(Fault::new(FaultKind::Latency { millis: 2_000 }).on(Verb::Create));
    let full = FaultKind::FailBefore(Failure::code(Code::QuotaExceeded));
    failing.set_fault(Fault::new(full).on(Verb::Create));
    let service = test.service("web").provider("cloud1,cloud2");
    service.create().await?;
    until_published(&test, serving).await?;
    test.until_reason("web", "SyncFailed").await?;
    let creates = eventually("a second create", SOON, async || {
        let mut creates = failing.events();
        creates.retain(|event| event.verb == Verb::Create);
        Ok((creates.len() > 1).then_some(creates))
    })
    .await?;
    let ended = creates[0].finished_micros.context("an end")?;
    let pause = Duration::from_micros(creates[1].started_micros - ended);
    ensure!(pause >= Duration::from_secs(4), "again after {pause:?}");
    Ok(())
}

/// What one cloud gains is published while another still carries out the edit: that it serves
/// proves nothing about the edit, which fails.
#[tokio::test]
async fn nothing_is_ready_before_each_update_has_ended() -> Result<()> {
    let test = environment("several-not-ready").await?;
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    let refuses = FaultKind::FailBefore(Failure::code(Code::InvalidArgument));
    test.cloud1.set_fault(Fault::new(refuses).on(Verb::Update));
    test.annotate("web", &[("lb-bandwidth", Some("7M"))])
        .await?;
    test.until_reason("web", "SyncFailed").await?;
    let slow = FaultKind::Latency { millis: 800 };
    test.cloud1.set_fault(Fault::new(slow).on(Verb::Update));
    let before = test.get("web").await?;
    let history = History::since(&test, &before).await?;
    let edit = [
        ("lb-bandwidth", Some("9M")),
        ("provider", Some("cloud1,cloud2")),
    ];
    test.annotate("web", &edit).await?;
    let has_both = |service: &Service| addresses(service).len() == 2;
    let service = test.until("web", "both addresses", has_both).await?;
    let is_refused = |event: &Event| {
        event.verb == Verb::Update
            && event.finished_micros.is_some()
            && event.request["bandwidth"] == "9M"
    };
    let under_way = test.cloud1.events();
    ensure!(!under_way.iter().any(is_refused), "published meanwhile");
    ensure!(
        test.condition(&service)
            .is_some_and(|(status, ..)| status == "False")
    );
    eventually("the update to fail", SOON, async || {
        Ok(test.cloud1.events().iter().any(is_refused).then_some(()))
    })
    .await?;
    // The next change of the Service comes after all that was written before.
    test.annotate("web", &[("lb-bandwidth", None)]).await?;
    let last = test.until_ready("web").await?;
    let states = history.until(&last).await?;
    let ready = states.iter().filter(|state| {
        let condition = test.condition(state);
        condition.is_some_and(|(status, ..)| status == "True")
    });
    ensure!(
        ready.count() == 1,
        "only the last one is ready: {states:#?}"
    );
    Ok(())
}

/// Other Nodes are another update: it does not wait for the backoff of one that failed late.
#[tokio::test]
async fn node_changes_do_not_wait_for_the_backoff_of_a_late_failure() -> Result<()> {
    let mut test = Environment::own("several-late-nodes").await?;
    test.request_timeout = TIMEOUT.into();
    let node = |last| IpAddr::from([127, 10, 3, last]);
    for (name, last) in [("one", 1), ("two", 2)] {
        create_node(&test.client(), name, node(last), &[]).await?;
    }
    let _replica = test.sole_replica().await?;
    create(&test).await?;
    test.until_ready("web").await?;
    let failing = &test.cloud1;
    failing.set_fault(Fault::new(FaultKind::Latency { millis: 1_500 }).on(Verb::Update));
    let fails = FaultKind::FailBefore(Failure::status(503));
    failing.set_fault(Fault::new(fails).on(Verb::Update));
    create_node(&test.client(), "three", node(3), &[]).await?;
    let updates = |count: usize| {
        eventually("updates that failed", SOON, async move || {
            let mut updates = failing.events();
            updates.retain(|event| event.verb == Verb::Update);
            let ended = updates.iter().filter_map(|event| event.finished_micros);
            Ok((ended.count() >= count).then_some(updates))
        })
    };
    let failed = updates(2).await?;
    delete_node(&test.client(), "one").await?;
    let again = updates(3).await?;
    ensure!(
        again[2].request["nodes"].as_array().map(Vec::len) == Some(2),
        "{:?}",
        again[2]
    );
    // The backoff after two failures is 8 s at least.
    let ended = failed[1].finished_micros.context("an end")?;
    let pause = Duration::from_micros(again[2].started_micros - ended);
    ensure!(pause < Duration::from_secs(7), "again after {pause:?}");
    Ok(())
}

/// The update for the newest Nodes is sent meanwhile, and nobody knows yet how it ends.
#[tokio::test]
async fn a_late_failure_is_explained_although_the_nodes_have_changed() -> Result<()> {
    let mut test = Environment::own("several-outdated")
        .await?
        .with_node()
        .await?;
    test.request_timeout = TIMEOUT.into();
    let replica = test.sole_replica().await?;
    create(&test).await?;
    test.until_ready("web").await?;
    let slow = FaultKind::Latency { millis: 5_000 };
    let fails = FaultKind::FailBefore(Failure::status(503));
    let once = |fault| Fault::new(fault).on(Verb::Update).times(1);
    test.cloud1.set_fault(once(slow));
    test.cloud1.set_fault(once(fails));
    test.cloud1.set_fault(Fault::new(HANG).on(Verb::Update));
    create_node(&test.client(), "second", [127, 10, 3, 2].into(), &[]).await?;
    until_called(&test.cloud1, Verb::Update).await?;
    create_node(&test.client(), "third", [127, 10, 3, 3].into(), &[]).await?;
    let message = test.until_reason("web", "SyncFailed").await?;
    ensure!(message.contains("cloud1 update"), "{message}");
    let mut updates = test.cloud1.events();
    updates.retain(|event| event.verb == Verb::Update);
    let nodes: Vec<_> = updates
        .iter()
        .map(|update| update.request["nodes"].as_array().map(Vec::len))
        .collect();
    ensure!(nodes == [Some(2), Some(3)], "{updates:#?}");
    ensure!(updates[1].finished_micros.is_none(), "it hangs");
    let counted =
        "mycloud_lb_reconcile_errors_total{controller=\"service\",reason=\"cloud_unavailable\"}";
    replica.until(counted, |count| count >= 1.0).await?;
    Ok(())
}
