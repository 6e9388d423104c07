//! The ports of a Service: their protocols, their numbers and how many there are.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testbed::Environment;
use testbed::cloud::{Capabilities, CloudSimulator, Protocol};

/// Protocol and number of each port of a cloud's only load balancer, in order.
fn listeners(cloud: &CloudSimulator) -> Vec<(Protocol, u16)> {
    let inventory = cloud.inventory();
    let listeners = inventory
        .first()
        .map(|found| found.settings.listeners.clone());
    let listeners = listeners.unwrap_or_default().into_iter();
    let mut listeners: Vec<_> = listeners.map(|one| (one.protocol, one.port)).collect();
    listeners.sort_unstable();
    listeners
}

fn port(name: &str, protocol: &str, number: u16) -> Value {
    json!({"name": name, "protocol": protocol, "port": number})
}

/// The simulator takes SCTP without a data plane.
#[tokio::test]
async fn sctp_goes_to_clouds_that_tell_it_and_is_unsupported_elsewhere() -> Result<()> {
    let test = Environment::own("ports-sctp").await?.with_node().await?;
    test.cloud2.set_capabilities(Some(Capabilities::all()));
    let _replica = test.sole_replica().await?;
    // Beside a port that works it would be an error of that port alone.
    let ports = json!([port("a", "SCTP", 80), port("b", "SCTP", 81)]);
    let service = test.service("web").provider("cloud1");
    service.field("ports", ports).create().await?;
    let message = test.until_reason("web", "Unsupported").await?;
    for part in [
        "spec.ports[1].protocol is \"SCTP\"",
        "cloud1 does not",
        "cloud2 can",
    ] {
        ensure!(message.contains(part), "{message}");
    }
    ensure!(test.cloud1.inventory().is_empty(), "no call is made");

    test.annotate("web", &[("provider", Some("cloud2"))])
        .await?;
    test.until_ready("web").await?;
    ensure!(listeners(&test.cloud2) == [(Protocol::Sctp, 80), (Protocol::Sctp, 81)]);
    ensure!(test.cloud2.mutations().len() == 1, "in one call");
    Ok(())
}

#[tokio::test]
async fn tcp_and_udp_may_have_one_number_and_a_service_two_hundred_ports() -> Result<()> {
    let test = Environment::own("ports-many").await?.with_node().await?;
    let _replica = test.sole_replica().await?;
    let dns = json!([port("udp", "UDP", 10_053), port("tcp", "TCP", 10_053)]);
    let service = test.service("dns").provider("cloud1");
    service.field("ports", dns).create().await?;
    test.until_ready("dns").await?;
    ensure!(listeners(&test.cloud1) == [(Protocol::Tcp, 10_053), (Protocol::Udp, 10_053)]);

    let many = (0..200_u16).map(|index| port(&format!("p{index}"), "TCP", 11_000 + index));
    let service = test.service("many").provider("cloud2");
    service.field("ports", many.collect()).create().await?;
    test.until_ready("many").await?;
    let expected: Vec<_> = (11_000..11_200).map(|port| (Protocol::Tcp, port)).collect();
    ensure!(listeners(&test.cloud2) == expected);
    ensure!(test.cloud2.mutations().len() == 1, "in one call");
    Ok(())
}
