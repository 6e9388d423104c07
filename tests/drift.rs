//! What somebody else changed at a cloud is put right: on a timer, at a pace,
//! and after what users wait for.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use kube::ResourceExt;
use kube::api::ListParams;
use my_cloud_controller_manager::controller::memory::drift::{BURST, SPACING};
use testbed::cloud::{Algorithm, CloudSimulator, Effect, Event, LoadBalancer, Verb};
use testbed::environment::{SOON, addresses, calls};
use testbed::{Environment, eventually};

type Edit = fn(&mut LoadBalancer);

const QUICK: &str = "driftInterval: 1s\nsweepInterval: 500ms";

#[tokio::test]
async fn whatever_was_edited_behind_our_back_is_put_right() -> Result<()> {
    let mut test = Environment::shared("drift-edits").await?;
    test.extra_config = QUICK.into();
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    let made = test.cloud1.inventory().pop().context("a load balancer")?;
    let before = test.get("web").await?.resource_version();

    let edits: [(&str, Edit); 6] = [
        ("no back ends", |found| found.settings.nodes.clear()),
        ("a back end less", |found| found.settings.nodes.truncate(1)),
        ("a port", |found| found.settings.listeners[0].port += 1),
        ("a node port", |found| {
            found.settings.listeners[0].node_port += 1
        }),
        ("bandwidth", |found| found.settings.bandwidth = "1K".into()),
        ("algorithm", |found| {
            found.settings.algorithm = Algorithm::SourceHash
        }),
    ];
    for (what, edit) in edits {
        test.cloud1.edit(&made.id, edit).await?;
        eventually(&format!("{what} to be put right"), SOON, async || {
            Ok((test.cloud1.inventory() == [made.clone()]).then_some(()))
        })
        .await?;
    }
    let said = test.until_event("web", "LoadBalancerDrifted").await?;
    ensure!(
        said.contains(&made.id) && said.contains("was changed outside the cluster"),
        "{said}"
    );
    let after = test.get("web").await?.resource_version();
    ensure!(after == before, "nothing about the Service changed");
    Ok(())
}

#[tokio::test]
async fn what_was_deleted_behind_our_back_is_there_again() -> Result<()> {
    let mut test = Environment::shared("drift").await?;
    test.extra_config = QUICK.into();
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    let before = test.until_ready("web").await?;
    let made = test.cloud1.inventory().pop().context("a load balancer")?;

    test.cloud1.remove(&made.id).await?;
    let is_other = |service: &_| {
        let other = test.record(service).is_some_and(|(id, _)| id != made.id);
        other && addresses(service) != addresses(&before)
    };
    let after = test
        .until("web", "another load balancer on record", is_other)
        .await?;
    let again = test.cloud1.inventory();
    ensure!(
        again.len() == 1 && again[0].settings == made.settings,
        "{again:?}"
    );
    let address = again[0].ip.map(|ip| ip.to_string());
    ensure!(
        Some(addresses(&after)) == address.map(|ip| vec![ip]),
        "{:?}",
        addresses(&after)
    );
    test.until_ready("web").await?;
    let said = test.until_event("web", "LoadBalancerDrifted").await?;
    ensure!(said.contains("was deleted outside the cluster"), "{said}");
    Ok(())
}

/// The creates that took effect after this event, in order.
fn creates(cloud: &CloudSimulator, after: u64) -> Vec<Event> {
    let mut creates = calls(cloud);
    creates.retain(|call| call.sequence > after && call.effect == Some(Effect::Created));
    creates
}

#[tokio::test]
async fn a_cloud_that_lost_all_gets_it_back_at_a_pace_and_a_user_goes_first() -> Result<()> {
    let mut test = Environment::shared("drift-pace").await?;
    test.extra_config = QUICK.into();
    let _replica = test.sole_replica().await?;
    let count = BURST as usize + 40;
    let names: Vec<String> = (0..count).map(|index| format!("web-{index}")).collect();
    let create = |name: &String| test.service(name).provider("cloud1").create();
    try_join_all(names.iter().map(create)).await?;
    try_join_all(names.iter().map(|name| test.until_ready(name))).await?;

    let before = test.cloud1.events().pop().context("an event")?;
    let lost = test.cloud1.inventory();
    try_join_all(lost.iter().map(|found| test.cloud1.remove(&found.id))).await?;
    eventually("the first to be there again", SOON, async || {
        let begun = creates(&test.cloud1, before.sequence).len() >= BURST as usize;
        Ok(begun.then_some(()))
    })
    .await?;
    eventually("a Service that says that it waits", SOON, async || {
        let services = test.services().list(&ListParams::default()).await?;
        let reasons = services.iter().filter_map(|one| test.condition(one));
        let mut waiting = reasons.filter(|(_, reason, _)| reason == "Drifted");
        Ok(waiting.next())
    })
    .await?;
    test.service("user").provider("cloud1").create().await?;
    test.until_ready("user").await?;
    eventually("all to be there again", SOON, async || {
        Ok((test.cloud1.inventory().len() == count + 1).then_some(()))
    })
    .await?;

    // Who waits asks nothing meanwhile: once when it is found, once in its turn.
    let mut queries = calls(&test.cloud1);
    queries.retain(|call| call.sequence > before.sequence && call.verb == Verb::Query);
    for found in &lost {
        let by_name = |call: &&Event| call.name.as_ref() == Some(&found.name);
        let times = queries.iter().filter(by_name).count();
        ensure!(times <= 2, "{} was asked for {times} times", found.name);
    }
    let creates = creates(&test.cloud1, before.sequence);
    let known: BTreeSet<_> = lost.iter().map(|found| Some(found.name.clone())).collect();
    let (again, users): (Vec<_>, Vec<_>) = creates
        .iter()
        .partition(|create| known.contains(&create.name));
    ensure!(again.len() == count, "each once: {again:?}");
    let (last, user) = (
        again.last().context("a repair")?,
        users.first().context("a create")?,
    );
    ensure!(
        user.sequence < last.sequence,
        "the user waited for all repairs"
    );
    for (index, repair) in again.iter().enumerate().skip(BURST as usize) {
        let since = Duration::from_micros(repair.started_micros - before.started_micros);
        let turn = SPACING * (index as u32 + 1 - BURST);
        ensure!(
            since >= turn,
            "repair {index} came after {since:?}, not {turn:?}"
        );
    }
    for name in &names {
        test.until_ready(name).await?;
    }
    Ok(())
}
