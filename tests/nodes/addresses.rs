//! Which address of a Node is its back end.

use std::net::IpAddr;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, ListParams};
use testbed::environment::SOON;
use testbed::nodes::{NewNode, create_node, set_node_addresses};
use testbed::{Environment, eventually};

use super::{create_nodes, ip, on_both_clouds, until_back_ends};

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

/// One such address would make a cloud refuse the whole list, for every Service.
#[tokio::test]
async fn an_address_that_no_cloud_can_reach_is_left_out_and_named() -> Result<()> {
    let test = Environment::own("nodes-unusable").await?;
    let client = test.client();
    create_nodes(&test, 1..=2).await?;
    let replica = test.sole_replica().await?;
    on_both_clouds(&test).await?;
    until_back_ends(&test, [1, 2].map(ip)).await?;

    create_node(&client, "odd", [0, 0, 0, 0].into(), &[]).await?;
    let next = [
        ("InternalIP", "fe80::1"),
        ("InternalIP", "169.254.0.7"),
        ("InternalIP", "::ffff:127.10.1.7"),
        ("InternalIP", "127.10.1.8"),
    ];
    set_node_addresses(&client, "n2", &next).await?;
    until_back_ends(&test, [1, 7].map(ip)).await?;
    let unusable = "mycloud_lb_node_unusable_addresses";
    replica.until(unusable, |count| count == 3.0).await?;
    let log = std::fs::read_to_string(replica.log_path()).context("the log")?;
    let named = |node: &str, address: &str| {
        log.lines()
            .any(|line| line.contains(node) && line.contains(address))
    };
    ensure!(named("odd", "0.0.0.0") && named("n2", "fe80::1"), "{log}");
    let notes = until_told(&test, "odd", 1).await?;
    ensure!(notes[0].contains("0.0.0.0"), "{notes:?}");
    let notes = until_told(&test, "n2", 1).await?;
    let are_both = notes[0].contains("fe80::1") && notes[0].contains("169.254.0.7");
    ensure!(are_both && !notes[0].contains("127.10"), "{notes:?}");

    set_node_addresses(&client, "odd", &[("InternalIP", "127.10.1.9")]).await?;
    until_back_ends(&test, [1, 7, 9].map(ip)).await?;
    replica.until(unusable, |count| count == 2.0).await?;
    // Only a change of such addresses is told again.
    set_node_addresses(&client, "odd", &[("InternalIP", "ff02::1")]).await?;
    let notes = until_told(&test, "odd", 2).await?;
    let is_new = |note: &String| note.contains("ff02::1");
    ensure!(notes.iter().any(is_new), "{notes:?}");
    until_told(&test, "n2", 1).await?;
    until_told(&test, "n1", 0).await?;
    Ok(())
}

/// Waits until there are as many Events about a Node; never more.
async fn until_told(test: &Environment, node: &str, number: usize) -> Result<Vec<String>> {
    let nodes: Api<Node> = Api::all(test.client());
    let uid = nodes.get(node).await?.metadata.uid.context("a UID")?;
    let events: Api<Event> = Api::namespaced(test.client(), "default");
    let what = format!("{number} Events about Node {node}");
    eventually(&what, SOON, async || {
        let all = events.list(&ListParams::default()).await?;
        let about = all.items.into_iter().filter(|event| {
            let object = event.regarding.as_ref();
            object.is_some_and(|object| object.uid.as_ref() == Some(&uid))
        });
        let about: Vec<Event> = about.collect();
        for event in &about {
            let (kind, reason) = (event.type_.as_deref(), event.reason.as_deref());
            ensure!(kind == Some("Warning") && reason == Some("UnusableNodeAddress"));
            let object = event.regarding.clone().unwrap_or_default();
            ensure!(object.kind.as_deref() == Some("Node") && object.name.as_deref() == Some(node));
            ensure!(object.namespace.is_none(), "a Node has no namespace");
            ensure!(event.series.is_none(), "told once: {event:?}");
        }
        ensure!(about.len() <= number, "{about:?}");
        let notes = about.into_iter().filter_map(|event| event.note);
        let notes: Vec<String> = notes.collect();
        Ok((notes.len() == number).then_some(notes))
    })
    .await
}

#[tokio::test]
async fn a_load_balancer_has_back_ends_of_one_family() -> Result<()> {
    let test = Environment::own("nodes-families").await?;
    let client = test.client();
    create_nodes(&test, 1..=2).await?;
    let sixes_first = [("InternalIP", "2001:db8::11"), ("InternalIP", "127.10.1.1")];
    set_node_addresses(&client, "n1", &sixes_first).await?;
    let fours_first = [("InternalIP", "127.10.1.2"), ("InternalIP", "2001:db8::12")];
    set_node_addresses(&client, "n2", &fours_first).await?;
    let _replica = test.sole_replica().await?;
    on_both_clouds(&test).await?;
    until_back_ends(&test, [1, 2].map(ip)).await
}
