//! A Service that names other clouds: its users never lose their address.

mod moves {
    pub mod client;
    mod one_account;
    mod unused_cloud;
}

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Service;
use serde_json::json;
use testbed::back_end::BackEnd;
use testbed::cloud::{
    CloudSimulator, CloudSimulatorOptions, Effect, Event, Fault, FaultKind, Protocol, Verb,
};
use testbed::environment::{History, SHARED_NODES, SOON, addresses};
use testbed::{Environment, eventually};

use moves::client::{Client, PATIENCE};

/// Whoever looked up the old address just before a delete has their answer
/// before it is done, even if they had to be as patient as they are.
const DELETE: Duration = PATIENCE.saturating_add(Duration::from_secs(1));

fn address(cloud: &CloudSimulator) -> Result<String> {
    let inventory = cloud.inventory();
    ensure!(inventory.len() == 1, "{inventory:?}");
    Ok(inventory[0].ip.context("an address")?.to_string())
}

/// Waits until exactly these clouds have a load balancer on record and all is well.
async fn until_on(test: &Environment, clouds: &str) -> Result<Service> {
    let is_there = |service: &Service| {
        let ready = test
            .condition(service)
            .is_some_and(|(status, _, _)| status == "True");
        // A create that is only announced has no id.
        let is_made = |ids: &str| ids.split(',').all(|id| !id.is_empty());
        ready
            && test
                .record(service)
                .is_some_and(|(ids, recorded)| recorded == clouds && is_made(ids))
    };
    test.until("web", &format!("web to be on {clouds}"), is_there)
        .await
}

fn executed(cloud: &CloudSimulator, effect: Effect) -> Vec<Event> {
    let mut events = cloud.events();
    events.retain(|event| event.effect == Some(effect));
    events
}

#[tokio::test]
async fn a_move_makes_before_it_breaks() -> Result<()> {
    let slow = |cloud: &mut CloudSimulatorOptions| cloud.provisioning = Duration::from_millis(500);
    let test = Environment::shared_with("moves", slow).await?;
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    let before = test.until_ready("web").await?;
    let old = address(&test.cloud1)?;

    // The delete takes long enough to see what there is while it is under way.
    let slow = Fault::new(FaultKind::Latency { millis: 1_500 }).on(Verb::Delete);
    test.cloud1.set_fault(slow);
    let history = History::since(&test, &before).await?;
    test.annotate("web", &[("provider", Some("cloud2"))])
        .await?;
    eventually("the delete on cloud1 to be under way", SOON, async || {
        let events = test.cloud1.events();
        Ok(events
            .iter()
            .any(|event| event.verb == Verb::Delete)
            .then_some(()))
    })
    .await?;
    let during = test.get("web").await?;
    let new = address(&test.cloud2)?;
    ensure!(
        address(&test.cloud1)? == old,
        "the old one is there until the delete is done"
    );
    ensure!(
        addresses(&during) == [new.clone()],
        "only the new one is published by then"
    );
    ensure!(
        test.record(&during)
            .is_some_and(|(_, clouds)| clouds == "cloud1,cloud2")
    );

    let after = until_on(&test, "cloud2").await?;
    ensure!(addresses(&after) == std::slice::from_ref(&new));
    ensure!(
        test.cloud1.inventory().is_empty(),
        "{:?}",
        test.cloud1.inventory()
    );
    for state in history.until(&after).await? {
        let addresses = addresses(&state);
        let known = |address: &String| [&old, &new].contains(&address);
        ensure!(
            !addresses.is_empty() && addresses.iter().all(known),
            "{addresses:?}"
        );
    }
    ensure!(executed(&test.cloud2, Effect::Created).len() == 1);
    ensure!(executed(&test.cloud1, Effect::Deleted).len() == 1);
    Ok(())
}

/// There and back, with real traffic.
#[tokio::test]
async fn whoever_uses_a_service_notices_no_move() -> Result<()> {
    const PORT: u16 = 8080;
    let real = |cloud: &mut CloudSimulatorOptions| {
        cloud.data_plane = true;
        cloud.provisioning = Duration::from_millis(300);
    };
    let mut test = Environment::shared_with("moves-traffic", real).await?;
    test.request_timeout = format!("{}s", 2 * DELETE.as_secs());
    let _replica = test.sole_replica().await?;
    let millis = u64::try_from(DELETE.as_millis())?;
    for cloud in [&test.cloud1, &test.cloud2] {
        cloud.set_fault(Fault::new(FaultKind::Latency { millis }).on(Verb::Delete));
    }
    let service = test.service("web").provider("cloud1");
    let service = service.field("ports", json!([{"name": "http", "port": PORT}]));
    let created = service.create().await?;
    let ports = created.spec.and_then(|spec| spec.ports).unwrap_or_default();
    let node_port = u16::try_from(ports[0].node_port.context("a node port")?)?;
    let mut back_ends = Vec::new();
    for node in SHARED_NODES {
        back_ends.push(BackEnd::start(node.parse()?, node_port, Protocol::Tcp, node).await?);
    }
    test.until_ready("web").await?;

    let client = Client::of(test.services(), "web", PORT)?;
    let often = async |client: &Client| {
        let before = client.requests().len();
        eventually("the client to have asked often", SOON, async || {
            Ok((client.requests().len() > before + 50).then_some(()))
        })
        .await
    };
    let mut published = vec![address(&test.cloud1)?];
    often(&client).await?;
    let moves = [(&test.cloud1, &test.cloud2), (&test.cloud2, &test.cloud1)];
    for (from, to) in moves {
        let loyal = Client::at(address(from)?, PORT)?;
        test.annotate("web", &[("provider", Some(to.name()))])
            .await?;
        until_on(&test, to.name()).await?;
        published.push(address(to)?);
        ensure_served_until_deleted(&loyal, from, to)?;
        often(&client).await?;
    }
    let requests = client.requests();
    let failed: Vec<_> = requests
        .iter()
        .filter(|request| request.failure.is_some())
        .collect();
    ensure!(
        failed.is_empty(),
        "{} of {}: {failed:?}",
        failed.len(),
        requests.len()
    );
    let mut used: Vec<_> = requests
        .into_iter()
        .map(|request| request.address)
        .collect();
    used.dedup();
    ensure!(used == published, "{used:?}, not {published:?}");
    Ok(())
}

/// Fails if a request to the old address failed before the old load balancer was
/// deleted, or if none was made while both were there.
fn ensure_served_until_deleted(
    loyal: &Client,
    from: &CloudSimulator,
    to: &CloudSimulator,
) -> Result<()> {
    let last = |cloud, effect| executed(cloud, effect).pop().context("no such event");
    let (created, deleted) = (last(to, Effect::Created)?, last(from, Effect::Deleted)?);
    let created_after = created.finished_micros.context("no end")? - created.started_micros;
    let deleted_after = deleted.effect_micros.context("no end")? - deleted.started_micros;
    let both_from = created.at + Duration::from_micros(created_after);
    // What began before that had ended when the old one went.
    let both_until = deleted.at + Duration::from_micros(deleted_after) - PATIENCE;
    let requests = loyal.requests();
    let before = requests
        .iter()
        .filter(|request| request.began <= both_until);
    let failed: Vec<_> = before
        .clone()
        .filter(|request| request.failure.is_some())
        .collect();
    ensure!(failed.is_empty(), "{failed:?}");
    let beside = before.filter(|request| request.began >= both_from).count();
    ensure!(beside >= 10, "only {beside} requests while both were there");
    Ok(())
}

#[tokio::test]
async fn a_move_to_a_cloud_that_fails_changes_nothing() -> Result<()> {
    let test = Environment::shared("moves-failing").await?;
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    let old = address(&test.cloud1)?;

    let down = testbed::cloud::Failure::code(testbed::cloud::Code::Unavailable);
    test.cloud2
        .set_fault(Fault::new(FaultKind::FailBefore(down)).on(Verb::Create));
    test.annotate("web", &[("provider", Some("cloud2"))])
        .await?;
    let message = test.until_reason("web", "SyncFailed").await?;
    ensure!(message.contains("cloud2"), "{message}");
    let during = test.get("web").await?;
    ensure!(
        addresses(&during) == [old.clone()],
        "{:?}",
        addresses(&during)
    );

    // A change of mind is all it takes to be as before.
    test.annotate("web", &[("provider", Some("cloud1"))])
        .await?;
    let after = test.until_ready("web").await?;
    ensure!(addresses(&after) == [old]);
    ensure!(
        test.cloud1.mutations().len() == 1,
        "{:?}",
        test.cloud1.mutations()
    );
    Ok(())
}

#[tokio::test]
async fn a_service_may_be_on_two_clouds_and_go_back_to_one() -> Result<()> {
    let test = Environment::shared("two-clouds").await?;
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;

    test.annotate("web", &[("provider", Some("cloud1, cloud2"))])
        .await?;
    let both = until_on(&test, "cloud1,cloud2").await?;
    let (first, second) = (address(&test.cloud1)?, address(&test.cloud2)?);
    ensure!(
        addresses(&both) == [first, second.clone()],
        "{:?}",
        addresses(&both)
    );
    let ids = [&test.cloud1, &test.cloud2].map(|cloud| cloud.inventory()[0].id.clone());
    ensure!(test.record(&both) == Some((ids.join(",").as_str(), "cloud1,cloud2")));
    ensure!(
        test.cloud1.mutations().len() == 1,
        "cloud1 has nothing to do with it"
    );

    // A change reaches both.
    test.annotate("web", &[("lb-bandwidth", Some("20M"))])
        .await?;
    eventually("both clouds to have the new bandwidth", SOON, async || {
        let is_new = |cloud: &CloudSimulator| cloud.inventory()[0].settings.bandwidth == "20M";
        Ok((is_new(&test.cloud1) && is_new(&test.cloud2)).then_some(()))
    })
    .await?;

    let history = History::since(&test, &test.get("web").await?).await?;
    let calls = test.cloud2.mutations().len();
    test.annotate("web", &[("provider", Some("cloud2"))])
        .await?;
    let one = until_on(&test, "cloud2").await?;
    ensure!(addresses(&one) == [second.clone()], "{:?}", addresses(&one));
    ensure!(
        test.cloud1.inventory().is_empty(),
        "{:?}",
        test.cloud1.inventory()
    );
    ensure!(
        test.cloud2.mutations().len() == calls,
        "cloud2 has nothing to do with it"
    );
    for state in history.until(&one).await? {
        ensure!(
            addresses(&state).contains(&second),
            "{:?}",
            addresses(&state)
        );
    }

    test.delete("web").await?;
    test.until_gone("web").await?;
    ensure!(
        test.cloud2.inventory().is_empty(),
        "{:?}",
        test.cloud2.inventory()
    );
    Ok(())
}

#[tokio::test]
async fn a_service_on_two_clouds_is_deleted_from_both() -> Result<()> {
    let test = Environment::shared("two-deleted").await?;
    let _replica = test.sole_replica().await?;
    test.service("web")
        .provider("cloud1,cloud2")
        .create()
        .await?;
    until_on(&test, "cloud1,cloud2").await?;
    test.delete("web").await?;
    test.until_gone("web").await?;
    for cloud in [&test.cloud1, &test.cloud2] {
        ensure!(cloud.inventory().is_empty(), "{:?}", cloud.inventory());
    }
    Ok(())
}
