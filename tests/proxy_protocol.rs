//! The PROXY protocol and the application protocol of the ports of a Service.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testbed::cloud::{Capabilities, Listener, ProxyProtocol};
use testbed::environment::{SOON, calls};
use testbed::{Environment, eventually};

fn listeners(test: &Environment) -> Result<Vec<Listener>> {
    let there = test.cloud1.inventory();
    let found = there.first().context("a load balancer")?;
    Ok(found.settings.listeners.clone())
}

async fn until_headers(test: &Environment, wanted: [ProxyProtocol; 3]) -> Result<()> {
    let what = format!("the headers {wanted:?}");
    eventually(&what, SOON, async || {
        let found = listeners(test)?;
        let found = found.iter().map(|listener| listener.proxy_protocol);
        Ok(found.eq(wanted).then_some(()))
    })
    .await
}

#[tokio::test]
async fn each_port_has_its_header_and_follows_edits() -> Result<()> {
    let test = Environment::shared("proxyprotocol").await?;
    test.cloud1.set_capabilities(Some(Capabilities::all()));
    let _replica = test.sole_replica().await?;
    let ports = json!([
        {"name": "http", "port": 80, "appProtocol": "kubernetes.io/h2c"},
        {"name": "tls", "port": 443},
        {"name": "dns", "port": 53, "protocol": "UDP"},
    ]);
    let service = test.service("web").provider("cloud1").field("ports", ports);
    let service = service.ours("proxy-protocol", "v2");
    service.ours("tls.proxy-protocol", "v1").create().await?;
    test.until_ready("web").await?;
    let [v1, v2, none] = [ProxyProtocol::V1, ProxyProtocol::V2, ProxyProtocol::None];
    until_headers(&test, [v2, v1, none]).await?;
    ensure!(calls(&test.cloud1).len() == 1, "{:?}", calls(&test.cloud1));
    let names: Vec<String> = listeners(&test)?
        .into_iter()
        .map(|listener| listener.app_protocol)
        .collect();
    ensure!(names == ["kubernetes.io/h2c", "", ""], "{names:?}");

    test.annotate("web", &[("tls.proxy-protocol", Some("none"))])
        .await?;
    until_headers(&test, [v2, none, none]).await?;
    for (name, value, says) in [
        ("dns.proxy-protocol", "v2", "only a connection over TCP"),
        ("proxy-protocol", "v3", "it must be 'v1', 'v2' or 'none'"),
    ] {
        test.annotate("web", &[(name, Some(value))]).await?;
        let message = test.until_reason("web", "InvalidConfiguration").await?;
        ensure!(message.contains(says), "{message}");
        until_headers(&test, [v2, none, none]).await?;
        test.annotate("web", &[(name, None)]).await?;
        test.until_ready("web").await?;
    }
    // The header of the whole Service was removed last.
    until_headers(&test, [none, none, none]).await?;
    Ok(())
}

#[tokio::test]
async fn a_cloud_without_it_is_told_of_neither_and_refuses_only_the_header() -> Result<()> {
    let test = Environment::shared("noproxyprotocol").await?;
    let without = Capabilities::all();
    let without = without.without("proxyProtocol").without("appProtocol");
    test.cloud1.set_capabilities(Some(without));
    test.cloud2.set_capabilities(Some(Capabilities::all()));
    let _replica = test.sole_replica().await?;
    let asking = test.service("asking").provider("cloud1");
    asking.ours("proxy-protocol", "v1").create().await?;
    let message = test.until_reason("asking", "Unsupported").await?;
    let says = "proxy-protocol is \"v1\": cloud1 does not support the PROXY protocol (cloud2 can)";
    ensure!(message.contains(says), "{message}");
    ensure!(test.cloud1.inventory().is_empty());

    let ports = json!([{"port": 80, "appProtocol": "http"}]);
    let plain = test.service("plain").provider("cloud1");
    let plain = plain.field("ports", ports).ours("proxy-protocol", "none");
    plain.create().await?;
    test.until_ready("plain").await?;
    let found = listeners(&test)?;
    ensure!(found[0].app_protocol.is_empty(), "{found:?}");
    Ok(())
}
