//! The annotations `node-selector` and `node-address-type`: which Nodes are back ends, and
//! with which address.

use std::net::IpAddr;

use anyhow::{Context, Result, ensure};
use testbed::Environment;
use testbed::cloud::CloudSimulator;
use testbed::nodes::{NewNode, delete_node, label_node, set_node_addresses};

use super::{back_ends, ip, until_back_ends_on};

fn external(last: u8) -> IpAddr {
    IpAddr::from([127, 10, 3, last])
}

/// Nodes with both addresses: `n1` and `n2` of the pool edge, `n3` and `n4` of the pool core.
pub async fn with_two_pools(name: &str) -> Result<Environment> {
    let test = Environment::own(name).await?;
    for (number, pool) in [(1, "edge"), (2, "edge"), (3, "core"), (4, "core")] {
        NewNode::new(&format!("n{number}"), ip(number))
            .external_ip(external(number))
            .label("pool", pool)
            .create(&test.client())
            .await?;
    }
    Ok(test)
}

/// The number of creates and updates that a cloud has seen.
fn mutations(cloud: &CloudSimulator) -> usize {
    cloud.mutations().len()
}

#[tokio::test]
async fn the_selected_nodes_are_back_ends_and_an_edit_selects_others_at_once() -> Result<()> {
    let test = with_two_pools("choice-edit").await?;
    let _replica = test.sole_replica().await?;
    let (edge, all) = ("edge", "all");
    let chooses = test.service(edge).provider("cloud1");
    chooses.ours("node-selector", "pool=edge").create().await?;
    test.service(all).provider("cloud2").create().await?;
    test.until_ready(edge).await?;
    test.until_ready(all).await?;
    ensure!(back_ends(&test.cloud1) == [1, 2].map(ip).into());
    ensure!(mutations(&test.cloud1) == 1, "created with its back ends");
    ensure!(back_ends(&test.cloud2) == [1, 2, 3, 4].map(ip).into());

    let selects = async |selector: Option<&str>, expected: &[u8]| {
        let selector = [("node-selector", selector)];
        test.annotate(edge, &selector).await?;
        until_back_ends_on(&test.cloud1, expected.iter().copied().map(ip)).await
    };
    selects(Some("pool in (core), !gone"), &[3, 4]).await?;
    selects(Some("kubernetes.io/hostname notin (n1,n4)"), &[2, 3]).await?;
    selects(Some(" "), &[1, 2, 3, 4]).await?;
    selects(Some("pool==edge"), &[1, 2]).await?;
    selects(None, &[1, 2, 3, 4]).await?;
    test.until_ready(edge).await?;
    ensure!(
        mutations(&test.cloud2) == 1,
        "the other Service has nothing to do"
    );
    Ok(())
}

#[tokio::test]
async fn a_change_of_labels_or_addresses_takes_effect_at_once() -> Result<()> {
    let test = with_two_pools("choice-nodes").await?;
    let _replica = test.sole_replica().await?;
    let chooses = test.service("edge").provider("cloud1");
    let chooses = chooses.ours("node-selector", "pool=edge");
    chooses
        .ours("node-address-type", "external")
        .create()
        .await?;
    test.service("all").provider("cloud2").create().await?;
    test.until_ready("edge").await?;
    test.until_ready("all").await?;
    ensure!(back_ends(&test.cloud1) == [1, 2].map(external).into());

    let client = test.client();
    label_node(&client, "n3", "pool", Some("edge")).await?;
    until_back_ends_on(&test.cloud1, [1, 2, 3].map(external)).await?;
    label_node(&client, "n1", "pool", None).await?;
    until_back_ends_on(&test.cloud1, [2, 3].map(external)).await?;
    let moved = [("InternalIP", "127.10.1.2"), ("ExternalIP", "127.10.3.9")];
    set_node_addresses(&client, "n2", &moved).await?;
    until_back_ends_on(&test.cloud1, [3, 9].map(external)).await?;
    let node = NewNode::new("n5", ip(5)).external_ip(external(5));
    node.label("pool", "edge").create(&client).await?;
    until_back_ends_on(&test.cloud1, [3, 5, 9].map(external)).await?;
    delete_node(&client, "n3").await?;
    until_back_ends_on(&test.cloud1, [5, 9].map(external)).await?;
    until_back_ends_on(&test.cloud2, [1, 2, 4, 5].map(ip)).await?;

    // The same Nodes by the address of the configuration.
    test.annotate("edge", &[("node-address-type", None)])
        .await?;
    until_back_ends_on(&test.cloud1, [2, 5].map(ip)).await
}

/// Nobody knows which Nodes the author means: none joins, and what is no Node leaves.
#[tokio::test]
async fn a_selector_that_is_none_is_explained_and_changes_no_back_end() -> Result<()> {
    let test = with_two_pools("choice-invalid").await?;
    let _replica = test.sole_replica().await?;
    let chooses = test.service("edge").provider("cloud1");
    chooses.ours("node-selector", "pool=edge").create().await?;
    test.until_ready("edge").await?;

    let bad = [
        ("node-selector", Some("pool in edge")),
        ("node-address-type", Some("public")),
    ];
    test.annotate("edge", &bad[..1]).await?;
    let message = test.until_reason("edge", "InvalidConfiguration").await?;
    for part in [
        "/node-selector is \"pool in edge\"",
        "kubectl get nodes --selector",
        "pool=edge,",
    ] {
        ensure!(message.contains(part), "{message}");
    }
    test.until_event("edge", "InvalidConfiguration").await?;
    label_node(&test.client(), "n3", "pool", Some("edge")).await?;
    delete_node(&test.client(), "n1").await?;
    until_back_ends_on(&test.cloud1, [ip(2)]).await?;

    test.annotate("edge", &bad).await?;
    let is_told = |message: &str| message.contains("/node-address-type is \"public\"");
    let what = "both problems to be told";
    test.until("edge", what, |service| {
        test.condition(service)
            .is_some_and(|(_, _, message)| is_told(&message))
    })
    .await?;
    ensure!(back_ends(&test.cloud1) == [ip(2)].into());
    let good = [
        ("node-selector", Some("pool=edge")),
        ("node-address-type", Some("internal")),
    ];
    test.annotate("edge", &good).await?;
    until_back_ends_on(&test.cloud1, [2, 3].map(ip)).await?;

    // One that was never valid has no load balancer.
    let never = test.service("never").provider("cloud2");
    never
        .ours("node-selector", "pool=")
        .ours("node-address-type", "any")
        .create()
        .await?;
    test.until_reason("never", "InvalidConfiguration").await?;
    ensure!(test.cloud2.inventory().is_empty());
    Ok(())
}

#[tokio::test]
async fn labels_that_no_node_has_empty_nothing_and_are_named() -> Result<()> {
    let mut test = with_two_pools("choice-none").await?;
    test.extra_config = "noNodesGracePeriod: 1s".into();
    let _replica = test.sole_replica().await?;
    let chooses = test.service("edge").provider("cloud1");
    chooses.ours("node-selector", "pool=edge").create().await?;
    let typo = test.service("typo").provider("cloud2");
    typo.ours("node-selector", "pool=egde").create().await?;
    test.until_ready("edge").await?;
    let message = test.until_reason("typo", "NoEligibleNodes").await?;
    ensure!(
        message.contains("No Node has the labels") && message.contains("pool=egde"),
        "{message}"
    );
    ensure!(back_ends(&test.cloud2).is_empty());

    let typo = [("node-selector", Some("pool=egde"))];
    test.annotate("edge", &typo).await?;
    let message = test.until_reason("edge", "NoEligibleNodes").await?;
    ensure!(message.contains("keep the back ends"), "{message}");
    // What comes later than the grace period: another Service loses the Nodes that it had.
    let core = test.service("core").provider("cloud2");
    core.ours("node-selector", "pool=core").create().await?;
    test.until_ready("core").await?;
    for node in ["n3", "n4"] {
        label_node(&test.client(), node, "pool", Some("drained")).await?;
    }
    let core = || {
        let mut all = test.cloud2.inventory().into_iter();
        let name = |found: &testbed::cloud::LoadBalancer| {
            found.owner.as_ref().map(|owner| owner.name.clone())
        };
        all.find(|found| name(found).as_deref() == Some("core"))
    };
    testbed::eventually(
        "the Service core to be emptied",
        testbed::environment::SOON,
        async || {
            let core = core().context("a load balancer of core")?;
            Ok(core.settings.nodes.is_empty().then_some(()))
        },
    )
    .await?;
    ensure!(
        back_ends(&test.cloud1) == [1, 2].map(ip).into(),
        "it was a mistake"
    );

    label_node(&test.client(), "n4", "pool", Some("egde")).await?;
    until_back_ends_on(&test.cloud1, [ip(4)]).await?;
    test.until_ready("typo").await?;
    Ok(())
}

/// A new leader knows of no choice, and waits for none: its watch has the labels already.
#[tokio::test]
async fn a_restart_keeps_the_back_ends_of_each_choice() -> Result<()> {
    let test = with_two_pools("choice-restart").await?;
    let mut replica = test.sole_replica().await?;
    let chooses = test.service("edge").provider("cloud1");
    chooses.ours("node-selector", "pool=edge").create().await?;
    test.until_ready("edge").await?;
    replica.kill();
    let _next = test.sole_replica().await?;
    let node = NewNode::new("n5", ip(5)).label("pool", "edge");
    node.create(&test.client()).await?;
    until_back_ends_on(&test.cloud1, [1, 2, 5].map(ip)).await?;
    for event in test.cloud1.mutations() {
        let nodes = event.request["nodes"].as_array().map_or(0, Vec::len);
        ensure!(nodes >= 2, "never fewer: {event:?}");
    }
    Ok(())
}
