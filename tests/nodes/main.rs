//! Nodes that come and go reach every load balancer, in few updates.
//!
//! [`never_empty`]: never by mistake as "none"; [`addresses`]: with an address that clouds
//! can reach; [`choice`]: those that a Service chooses; [`crowded`]: of more choices
//! than there may be; [`follow`]: whatever else is wrong with the Service or its cloud.

mod addresses;
mod choice;
mod crowded;
mod follow;
mod never_empty;

use std::collections::BTreeSet;
use std::net::IpAddr;

use anyhow::{Context, Result, ensure};
use testbed::cloud::{CloudSimulator, Event, Verb};
use testbed::environment::SOON;
use testbed::nodes::{create_node, delete_node, label_node, taint_node};
use testbed::{Environment, eventually};

const EXCLUDE: &str = "node.kubernetes.io/exclude-from-external-load-balancers";
const LEAVING: &str = "ToBeDeletedByClusterAutoscaler";

fn ip(last: u8) -> IpAddr {
    IpAddr::from([127, 10, 1, last])
}

async fn create_nodes(test: &Environment, numbers: impl Iterator<Item = u8>) -> Result<()> {
    for number in numbers {
        create_node(&test.client(), &format!("n{number}"), ip(number), &[]).await?;
    }
    Ok(())
}

/// The back ends of a cloud's only load balancer.
fn back_ends(cloud: &CloudSimulator) -> BTreeSet<IpAddr> {
    let inventory = cloud.inventory();
    let nodes = inventory.first().map(|found| found.settings.nodes.clone());
    nodes.unwrap_or_default().into_iter().collect()
}

/// Waits until both clouds' load balancers have exactly these back ends.
async fn until_back_ends(
    test: &Environment,
    wanted: impl IntoIterator<Item = IpAddr>,
) -> Result<()> {
    let wanted: BTreeSet<IpAddr> = wanted.into_iter().collect();
    for cloud in test.clouds() {
        until_back_ends_on(cloud, wanted.iter().copied()).await?;
    }
    Ok(())
}

async fn until_back_ends_on(
    cloud: &CloudSimulator,
    wanted: impl IntoIterator<Item = IpAddr>,
) -> Result<()> {
    let wanted: BTreeSet<IpAddr> = wanted.into_iter().collect();
    let what = format!("the back ends {wanted:?} on {}", cloud.name());
    eventually(&what, SOON, async || {
        let found = back_ends(cloud);
        ensure!(found == wanted, "{found:?}");
        Ok(Some(()))
    })
    .await
}

/// Waits until cloud1's load balancer has this back end, among others.
async fn until_back_end(test: &Environment, address: IpAddr) -> Result<()> {
    eventually(&format!("back end {address}"), SOON, async || {
        Ok(back_ends(&test.cloud1).contains(&address).then_some(()))
    })
    .await
}

/// Waits until cloud1's load balancer does not have this back end.
async fn until_no_back_end(test: &Environment, address: IpAddr) -> Result<()> {
    eventually(&format!("no back end {address}"), SOON, async || {
        Ok((!back_ends(&test.cloud1).contains(&address)).then_some(()))
    })
    .await
}

/// Edits a Service and waits until its cloud has the edit. Returns the update, which shows
/// the back ends that are wanted by then.
async fn edit_reaches(test: &Environment, cloud: &CloudSimulator, name: &str) -> Result<Event> {
    let seen = cloud.last_sequence();
    test.annotate(name, &[("lb-bandwidth", Some("77M"))])
        .await?;
    eventually("the edit to reach the cloud", SOON, async || {
        let events = cloud.events_after(seen);
        let is_edit = |event: &Event| {
            event.verb == Verb::Update
                && event.request["bandwidth"] == "77M"
                && event.finished_micros.is_some()
        };
        Ok(events.into_iter().find(is_edit))
    })
    .await
}

/// The back ends that a create or an update asks for.
fn requested(event: &Event) -> Result<BTreeSet<IpAddr>> {
    let nodes = event.request["nodes"].clone();
    serde_json::from_value(nodes).context("back ends")
}

/// Whether no call has taken the back ends of a load balancer away.
fn ensure_never_emptied(test: &Environment) -> Result<()> {
    for cloud in test.clouds() {
        for call in cloud.mutations() {
            let is_empty = call.request["nodes"] == serde_json::json!([]);
            ensure!(call.verb != Verb::Update || !is_empty, "{call:?}");
        }
    }
    Ok(())
}

fn updates(cloud: &CloudSimulator) -> usize {
    let events = cloud.events();
    events
        .iter()
        .filter(|event| event.verb == Verb::Update)
        .count()
}

async fn on_both_clouds(test: &Environment) -> Result<()> {
    for (name, cloud) in [("one", "cloud1"), ("two", "cloud2")] {
        test.service(name).provider(cloud).create().await?;
    }
    test.until_ready("one").await?;
    test.until_ready("two").await?;
    Ok(())
}

#[tokio::test]
async fn nodes_that_come_and_go_reach_every_load_balancer() -> Result<()> {
    let test = Environment::own("nodes").await?;
    let client = test.client();
    create_nodes(&test, 1..=2).await?;
    let _replica = test.sole_replica().await?;
    on_both_clouds(&test).await?;
    until_back_ends(&test, [ip(1), ip(2)]).await?;

    create_node(&client, "n3", ip(3), &[]).await?;
    until_back_ends(&test, [1, 2, 3].map(ip)).await?;
    test.until_event("one", "UpdatedLoadBalancer").await?;

    label_node(&client, "n1", EXCLUDE, Some("")).await?;
    until_back_ends(&test, [ip(2), ip(3)]).await?;
    label_node(&client, "n1", EXCLUDE, None).await?;
    until_back_ends(&test, [1, 2, 3].map(ip)).await?;

    taint_node(&client, "n2", LEAVING, "NoSchedule").await?;
    until_back_ends(&test, [ip(1), ip(3)]).await?;

    delete_node(&client, "n3").await?;
    until_back_ends(&test, [ip(1)]).await?;

    // Many at once are few updates.
    let before = [updates(&test.cloud1), updates(&test.cloud2)];
    create_nodes(&test, 11..=20).await?;
    until_back_ends(&test, std::iter::once(1).chain(11..=20).map(ip)).await?;
    for (cloud, before) in [&test.cloud1, &test.cloud2].into_iter().zip(before) {
        let updates = updates(cloud) - before;
        ensure!(updates <= 2, "{updates} updates on {}", cloud.name());
    }

    // What says nothing new about back ends causes no call.
    let before = updates(&test.cloud1);
    label_node(&client, "n11", "example.com/rack", Some("a")).await?;
    testbed::nodes::set_node_ready(&client, "n12", false).await?;
    delete_node(&client, "n20").await?;
    until_back_ends(&test, std::iter::once(1).chain(11..=19).map(ip)).await?;
    ensure!(updates(&test.cloud1) == before + 1, "the Node that went");
    Ok(())
}
