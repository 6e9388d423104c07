//! A Service with `paused: "true"` stays as it is, whatever its user, its Nodes or its cloud do,
//! and costs its clouds no call; its deletion is carried out all the same.

use std::net::IpAddr;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testbed::cloud::{Code, Event, Failure, Fault, FaultKind, Plant, Verb};
use testbed::environment::{SOON, addresses, calls};
use testbed::nodes::{create_node, delete_node};
use testbed::{Environment, eventually};

const QUICK: &str = "driftInterval: 300ms\nsweepInterval: 300ms\norphanGracePeriod: 300ms";
const ON: [(&str, Option<&str>); 1] = [("paused", Some("true"))];
const OFF: [(&str, Option<&str>); 1] = [("paused", None)];

/// The last event of cloud1.
fn last(test: &Environment) -> Result<u64> {
    let last = test.cloud1.events().pop().context("an event")?;
    Ok(last.sequence)
}

/// The calls about single load balancers after this event.
fn calls_since(test: &Environment, sequence: u64) -> Vec<Event> {
    let mut calls = calls(&test.cloud1);
    calls.retain(|call| call.sequence > sequence);
    calls
}

/// Waits until both clouds were listed twice more, and a new Service got what it asked for.
async fn until_others_are_served(test: &Environment, barrier: &str) -> Result<()> {
    let lists = || {
        let events = test.cloud1.events();
        let lists = events.iter().filter(|event| event.verb == Verb::List);
        lists.count()
    };
    let before = lists();
    test.service(barrier).provider("cloud2").create().await?;
    test.until_ready(barrier).await?;
    eventually("two more lists", SOON, async || {
        Ok((lists() >= before + 2).then_some(()))
    })
    .await
}

#[tokio::test]
async fn nothing_of_a_paused_service_changes_until_it_goes_on() -> Result<()> {
    let mut test = Environment::shared("paused").await?;
    test.extra_config = QUICK.into();
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    let before = test.until_ready("web").await?;
    let made = test.cloud1.inventory().pop().context("a load balancer")?;
    test.annotate("web", &ON).await?;
    let message = test.until_reason("web", "Paused").await?;
    let named = format!("annotation {}/paused", test.prefix);
    ensure!(message.contains(&named), "{message}");
    let since = last(&test)?;

    // Edits, a move, a typing error, drift, and a duplicate for the sweep.
    test.annotate("web", &[("lb-bandwidth", Some("9M"))])
        .await?;
    test.annotate("web", &[("provider", Some("cloud1,cloud2"))])
        .await?;
    test.annotate("web", &[("algorithm", Some("random"))])
        .await?;
    test.cloud1
        .edit(&made.id, |found| found.settings.bandwidth = "1K".into())
        .await?;
    let again = Plant {
        name: made.name.clone(),
        owner: made.owner.clone(),
        settings: made.settings.clone(),
        ..Plant::default()
    };
    let again = test.cloud1.plant(again).await?;
    let changed = test.cloud1.inventory();
    until_others_are_served(&test, "barrier").await?;
    until_others_are_served(&test, "barrier-2").await?;
    let calls = calls_since(&test, since);
    ensure!(calls.is_empty(), "{calls:?}");
    ensure!(test.cloud1.inventory() == changed);
    let paused = test.get("web").await?;
    let (status, reason, _) = test.condition(&paused).context("a condition")?;
    ensure!((&*status, &*reason) == ("False", "Paused"));
    ensure!(addresses(&paused) == addresses(&before));
    ensure!(test.record(&paused) == test.record(&before));
    let notes = test.events("web", "Paused").await?;
    ensure!(notes == [message], "{notes:?}");

    test.annotate("web", &[("algorithm", None), ("paused", Some("off"))])
        .await?;
    let moved = test.until_ready("web").await?;
    ensure!(addresses(&moved).len() == 2, "{:?}", addresses(&moved));
    eventually("what was left undone", SOON, async || {
        let found = test.cloud1.inventory();
        let is_swept = found.iter().all(|found| found.id != again.id);
        let web = found.into_iter().find(|found| found.id == made.id);
        let web = web.context("its load balancer")?;
        Ok((is_swept && web.settings.bandwidth == "9M").then_some(()))
    })
    .await
}

#[tokio::test]
async fn the_back_ends_of_a_paused_service_stay_too() -> Result<()> {
    let test = Environment::own("paused-nodes").await?;
    let address = |last: u8| IpAddr::from([127, 10, 3, last]);
    for number in [1, 2] {
        create_node(&test.client(), &format!("n{number}"), address(number), &[]).await?;
    }
    let replica = test.sole_replica().await?;
    for name in ["web", "other"] {
        test.service(name).provider("cloud1").create().await?;
        test.until_ready(name).await?;
    }
    test.annotate("web", &ON).await?;
    test.until_reason("web", "Paused").await?;
    create_node(&test.client(), "n3", address(3), &[]).await?;
    delete_node(&test.client(), "n1").await?;
    let (old, new) = ([1, 2].map(address), [2, 3].map(address));
    let has = |name: &str, wanted: [IpAddr; 2]| {
        let inventory = test.cloud1.inventory();
        let found = inventory.iter().find(|found| {
            let owner = found.owner.as_ref();
            owner.is_some_and(|owner| owner.name == name)
        });
        let mut nodes = found.map_or(Vec::new(), |found| found.settings.nodes.clone());
        nodes.sort();
        nodes == wanted
    };
    eventually("the other to follow the Nodes", SOON, async || {
        Ok(has("other", new).then_some(()))
    })
    .await?;
    ensure!(has("web", old), "{:?}", test.cloud1.inventory());

    let synced = "mycloud_lb_node_sync_duration_seconds_count{cloud=\"cloud1\"}";
    let counted = replica.value(synced).await?;
    test.annotate("web", &OFF).await?;
    eventually("it to follow the Nodes", SOON, async || {
        Ok(has("web", new).then_some(()))
    })
    .await?;
    test.until_ready("web").await?;
    let not_counted = replica.value(synced).await? == counted;
    ensure!(not_counted, "its pause counts as a slow update");
    Ok(())
}

#[tokio::test]
async fn the_end_of_the_management_is_carried_out() -> Result<()> {
    let test = Environment::shared("paused-ends").await?;
    let _replica = test.sole_replica().await?;
    for name in ["deleted", "disabled"] {
        test.service(name).provider("cloud1").create().await?;
        test.until_ready(name).await?;
        test.annotate(name, &ON).await?;
        test.until_reason(name, "Paused").await?;
    }
    test.delete("deleted").await?;
    test.annotate("disabled", &[("enable", None)]).await?;
    test.until_gone("deleted").await?;
    let is_let_go = |service: &_| test.ensure_unmarked(service).is_ok();
    test.until("disabled", "our marks to be gone", is_let_go)
        .await?;
    let left = test.cloud1.inventory();
    ensure!(left.is_empty(), "{left:?}");
    Ok(())
}

#[tokio::test]
async fn a_service_that_begins_paused_gets_nothing_yet() -> Result<()> {
    let test = Environment::shared("paused-new").await?;
    let _replica = test.sole_replica().await?;
    let new = test
        .service("web")
        .provider("cloud1")
        .ours("paused", "true");
    new.create().await?;
    test.until_reason("web", "Paused").await?;
    let service = test.get("web").await?;
    ensure!(service.metadata.finalizers.is_none());
    ensure!(calls(&test.cloud1).is_empty(), "{:?}", calls(&test.cloud1));
    test.annotate("web", &OFF).await?;
    test.until_ready("web").await?;

    let new = test
        .service("gone")
        .provider("cloud1")
        .ours("paused", "true");
    new.create().await?;
    test.until_reason("gone", "Paused").await?;
    test.delete("gone").await?;
    test.until_gone("gone").await?;
    ensure!(test.cloud1.inventory().len() == 1);
    Ok(())
}

#[tokio::test]
async fn a_value_that_is_neither_a_yes_nor_a_no_is_named() -> Result<()> {
    let test = Environment::shared("paused-unclear").await?;
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    let before = test.until_ready("web").await?;
    let made = test.cloud1.inventory();
    for value in ["True", "1", ""] {
        test.annotate("web", &[("paused", Some(value))]).await?;
        let named = format!("/paused is {value:?}: it must be exactly 'true'");
        let is_named = |service: &_| {
            let (_, reason, message) = test.condition(service).unwrap_or_default();
            reason == "InvalidConfiguration" && message.contains(&named)
        };
        let wrong = test.until("web", "the value to be named", is_named).await?;
        ensure!(addresses(&wrong) == addresses(&before), "{value:?}");
    }
    ensure!(test.cloud1.inventory() == made);
    ensure!(test.cloud1.mutations().len() == 1, "only the create");
    test.annotate("web", &OFF).await?;
    test.until_ready("web").await?;
    Ok(())
}

/// Nobody is to be woken for what its user has stopped, also by a leader that finds it so.
#[tokio::test]
async fn a_paused_service_has_no_change_that_is_overdue() -> Result<()> {
    let test = Environment::shared("paused-overdue").await?;
    let replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    let denied = FaultKind::FailBefore(Failure::code(Code::PermissionDenied));
    test.cloud1.set_fault(Fault::new(denied).on(Verb::Update));
    let ports = json!([{"name": "http", "port": 8080, "protocol": "TCP"}]);
    test.edit("web", json!({"spec": {"ports": ports}})).await?;
    let pending = "mycloud_lb_change_pending{change=\"edit\",cloud=\"cloud1\"}";
    replica.until(pending, |pending| pending == 1.0).await?;
    test.annotate("web", &ON).await?;
    test.until_reason("web", "Paused").await?;
    replica.until(pending, |pending| pending == 0.0).await?;
    drop(replica);

    test.cloud1.clear_faults();
    let replica = test.sole_replica().await?;
    test.service("barrier").provider("cloud2").create().await?;
    test.until_ready("barrier").await?;
    ensure!(replica.value(pending).await? == 0.0);
    test.annotate("web", &OFF).await?;
    test.until_ready("web").await?;
    let took = "mycloud_lb_change_duration_seconds_sum{change=\"edit\",cloud=\"cloud1\"}";
    let took = replica.until(took, |took| took > 0.0).await?;
    ensure!(took < 5.0, "the pause is no part of the edit: {took} s");
    Ok(())
}
