//! Nodes that come and go reach every load balancer, in few updates, and never
//! by mistake as "none".

use std::collections::BTreeSet;
use std::net::IpAddr;

use anyhow::{Result, ensure};
use testbed::cloud::{CloudSimulator, Verb};
use testbed::environment::SOON;
use testbed::nodes::{NewNode, create_node, delete_node, label_node, taint_node};
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
    eventually(&format!("the back ends {wanted:?}"), SOON, async || {
        let found = [back_ends(&test.cloud1), back_ends(&test.cloud2)];
        ensure!(found.iter().all(|found| *found == wanted), "{found:?}");
        Ok(Some(()))
    })
    .await
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

#[tokio::test]
async fn external_addresses_are_used_where_they_are_asked_for() -> Result<()> {
    let mut test = Environment::own("nodes-external").await?;
    let client = test.client();
    let external = |last| IpAddr::from([127, 10, 2, last]);
    let node = |name: &str, last| NewNode::new(name, ip(last));
    node("n1", 1)
        .external_ip(external(1))
        .create(&client)
        .await?;
    node("n2", 2)
        .external_ip(external(2))
        .create(&client)
        .await?;
    node("internal-only", 3).create(&client).await?;
    test.extra_config = "nodeAddressType: external".into();
    let _replica = test.sole_replica().await?;
    on_both_clouds(&test).await?;
    until_back_ends(&test, [external(1), external(2)]).await
}

/// Times at which a replica listed the Nodes beside its watch.
fn live_lists(test: &Environment) -> Result<usize> {
    let events = test.control_plane.audit_events()?;
    let lists = events.iter().filter(|event| {
        event.resource == "nodes" && event.verb == "list" && event.user.contains("cloud-controller")
    });
    Ok(lists.count())
}

#[tokio::test]
async fn that_there_is_no_node_is_believed_only_when_it_is_seen_twice() -> Result<()> {
    let test = Environment::own("nodes-none").await?;
    let client = test.client();
    create_nodes(&test, 1..=2).await?;
    let _replica = test.sole_replica().await?;
    on_both_clouds(&test).await?;
    until_back_ends(&test, [ip(1), ip(2)]).await?;

    // Gone at the first look, back at the second.
    let before = live_lists(&test)?;
    delete_node(&client, "n1").await?;
    delete_node(&client, "n2").await?;
    eventually("the Nodes to be listed live", SOON, async || {
        Ok((live_lists(&test)? > before).then_some(()))
    })
    .await?;
    create_nodes(&test, 3..=3).await?;
    until_back_ends(&test, [ip(3)]).await?;
    for cloud in [&test.cloud1, &test.cloud2] {
        for call in cloud.mutations() {
            ensure!(call.request["nodes"] != serde_json::json!([]), "{call:?}");
        }
    }
    ensure!(
        test.events("one", "UnAvailableLoadBalancer")
            .await?
            .is_empty()
    );

    // Gone for good.
    delete_node(&client, "n3").await?;
    until_back_ends(&test, []).await?;
    ensure!(
        test.cloud1.inventory().len() == 1,
        "it stays, with its address"
    );
    for name in ["one", "two"] {
        let note = test.until_event(name, "UnAvailableLoadBalancer").await?;
        ensure!(note.contains("no eligible Node"), "{note}");
    }

    // A Service that comes now has a load balancer too, and hears why nothing answers.
    test.service("late").provider("cloud1").create().await?;
    test.until_ready("late").await?;
    test.until_event("late", "UnAvailableLoadBalancer").await?;
    create_nodes(&test, 4..=4).await?;
    until_back_ends(&test, [ip(4)]).await
}
