//! Which address of a Node is its back end.

use std::net::IpAddr;

use anyhow::{Context, Result, ensure};
use testbed::Environment;
use testbed::nodes::{NewNode, create_node, set_node_addresses};

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

    set_node_addresses(&client, "odd", &[("InternalIP", "127.10.1.9")]).await?;
    until_back_ends(&test, [1, 7, 9].map(ip)).await?;
    replica.until(unusable, |count| count == 2.0).await?;
    Ok(())
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
