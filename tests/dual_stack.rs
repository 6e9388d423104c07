//! Services with both IP families.

use std::collections::BTreeSet;
use std::net::IpAddr;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testbed::cloud::{Capabilities, CloudSimulator};
use testbed::environment::{SOON, addresses};
use testbed::nodes::{create_node, set_node_addresses};
use testbed::{Environment, eventually};

/// Nodes `n1` and `n2` with addresses of both families, and cloud1 with dual stack.
async fn environment(name: &str) -> Result<Environment> {
    let test = Environment::own(name).await?;
    test.cloud1.set_capabilities(Some(Capabilities::all()));
    let single = Capabilities::all().without("dualStack");
    test.cloud2.set_capabilities(Some(single));
    for number in [1, 2] {
        let client = test.client();
        let name = format!("n{number}");
        let [four, six] = node(number);
        create_node(&client, &name, four, &[]).await?;
        let both = [four, six].map(|ip| ip.to_string());
        let both = both.each_ref().map(|ip| ("InternalIP", ip.as_str()));
        set_node_addresses(&client, &name, &both).await?;
    }
    Ok(test)
}

fn node(number: u8) -> [IpAddr; 2] {
    let six = [0xfd00, 0, 0, 0, 0, 0, 0, u16::from(number)];
    [[127, 10, 6, number].into(), six.into()]
}

fn both_of(numbers: &[u8]) -> BTreeSet<IpAddr> {
    numbers.iter().flat_map(|number| node(*number)).collect()
}

fn back_ends(cloud: &CloudSimulator) -> BTreeSet<IpAddr> {
    let inventory = cloud.inventory();
    let nodes = inventory.first().map(|found| found.settings.nodes.clone());
    nodes.unwrap_or_default().into_iter().collect()
}

fn shown(cloud: &CloudSimulator) -> Vec<String> {
    let inventory = cloud.inventory();
    let ips = inventory.first().map(|found| found.ips());
    let ips = ips.unwrap_or_default().into_iter();
    ips.map(|ip| ip.to_string()).collect()
}

#[tokio::test]
async fn a_service_with_both_families_has_an_address_and_back_ends_of_each() -> Result<()> {
    let test = environment("dual-both").await?;
    let _replica = test.sole_replica().await?;
    let dual = test.service("web").provider("cloud1");
    dual.field("ipFamilyPolicy", json!("RequireDualStack"))
        .create()
        .await?;
    let service = test.until_ready("web").await?;
    let published = addresses(&service);
    ensure!(published.len() == 2, "{published:?}");
    ensure!(published == shown(&test.cloud1), "{published:?}");
    ensure!(back_ends(&test.cloud1) == both_of(&[1, 2]));
    ensure!(test.cloud1.mutations().len() == 1, "in one call");

    // A Node without IPv6 is a back end by its other address.
    let one = node(2)[0].to_string();
    set_node_addresses(&test.client(), "n2", &[("InternalIP", &one)]).await?;
    let mut left = both_of(&[1, 2]);
    left.remove(&node(2)[1]);
    eventually("the back ends to follow", SOON, async || {
        Ok((back_ends(&test.cloud1) == left).then_some(()))
    })
    .await?;

    // One family from now on.
    test.edit("web", json!({"spec": {"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4"], "clusterIPs": null}}))
        .await
        .context("one family")?;
    let is_single = |service: &_| addresses(service).len() == 1;
    test.until("web", "one address", is_single).await?;
    ensure!(back_ends(&test.cloud1).iter().all(IpAddr::is_ipv4));

    // And both again, which the cloud has.
    let both = json!({"spec": {"ipFamilyPolicy": "PreferDualStack"}});
    test.edit("web", both).await.context("both families")?;
    let is_dual = |service: &_| addresses(service).len() == 2;
    let service = test.until("web", "both addresses", is_dual).await?;
    ensure!(addresses(&service) == published, "they are the same");
    eventually("the back ends of both", SOON, async || {
        Ok((back_ends(&test.cloud1) == left).then_some(()))
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn what_a_cloud_lacks_is_told_if_required_and_left_out_if_preferred() -> Result<()> {
    let test = environment("dual-lacking").await?;
    let _replica = test.sole_replica().await?;
    for (name, policy) in [
        ("prefers", "PreferDualStack"),
        ("requires", "RequireDualStack"),
    ] {
        let service = test.service(name).provider("cloud2");
        service
            .field("ipFamilyPolicy", json!(policy))
            .create()
            .await?;
    }
    let service = test.until_ready("prefers").await?;
    ensure!(addresses(&service).len() == 1);
    ensure!(back_ends(&test.cloud2) == [node(1)[0], node(2)[0]].into());
    let message = test.until_reason("requires", "Unsupported").await?;
    for part in [
        "spec.ipFamilyPolicy",
        "cloud2 does not support dual stack (cloud1 can)",
    ] {
        ensure!(message.contains(part), "{message}");
    }
    ensure!(test.cloud2.inventory().len() == 1, "no create for it");

    test.annotate("requires", &[("provider", Some("cloud1"))])
        .await?;
    let service = test.until_ready("requires").await?;
    ensure!(addresses(&service).len() == 2);
    ensure!(back_ends(&test.cloud1) == both_of(&[1, 2]));
    Ok(())
}
