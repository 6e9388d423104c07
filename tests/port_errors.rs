//! A port that a cloud cannot have is told in the status, and the other ports work.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde_json::{Value, json};
use testbed::cloud::{Capabilities, Protocol};
use testbed::environment::SOON;
use testbed::{Environment, eventually};

const KIND: &str = "LoadBalancerPortsError";

fn condition(service: &Service) -> Option<&Condition> {
    let status = service.status.as_ref()?;
    let mut conditions = status.conditions.iter().flatten();
    conditions.find(|condition| condition.type_ == KIND)
}

fn ingress(service: &Service) -> Result<Value> {
    let status = service.status.clone().context("a status")?;
    Ok(serde_json::to_value(status.load_balancer)?["ingress"].clone())
}

fn ports() -> Value {
    json!([{"name": "web", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP"}])
}

#[tokio::test]
async fn the_other_ports_work_until_the_cloud_can_have_all() -> Result<()> {
    let mut test = Environment::shared("port-errors").await?;
    test.extra_config = "sweepInterval: 200ms\ndriftInterval: 200ms".into();
    test.cloud1.set_capabilities(Some(Capabilities {
        protocols: Some(vec![Protocol::Tcp]),
        ..Capabilities::all()
    }));
    test.cloud2.set_capabilities(Some(Capabilities::all()));
    let _replica = test.sole_replica().await?;
    let service = test.service("mixed").provider("cloud1,cloud2");
    service.field("ports", ports()).create().await?;
    let service = test.until_ready("mixed").await?;

    let found = condition(&service).context("the condition")?;
    let says = "spec.ports[1].protocol is \"UDP\": cloud1 does not support the protocol UDP \
                (cloud2 can)";
    ensure!(
        found.status == "True" && found.message.contains(says),
        "{found:?}"
    );
    let (one, two) = (test.cloud1.inventory(), test.cloud2.inventory());
    ensure!(one[0].settings.listeners.len() == 1 && two[0].settings.listeners.len() == 2);
    let shown = ingress(&service)?;
    let at = |ip: Option<std::net::Ipv4Addr>| {
        let ip = ip.map(|ip| ip.to_string()).unwrap_or_default();
        let mut entries = shown.as_array().into_iter().flatten();
        entries
            .find(|entry| entry["ip"] == *ip)
            .map(|entry| &entry["ports"])
    };
    let expected = json!([
        {"port": 80, "protocol": "TCP"},
        {"port": 53, "protocol": "UDP", "error": format!("{}/UnsupportedProtocol", test.prefix)},
    ]);
    ensure!(at(one[0].ip) == Some(&expected), "{shown:#}");
    ensure!(at(two[0].ip) == Some(&Value::Null), "{shown:#}");

    // Passes of drift that find nothing write nothing.
    let seen = test.cloud1.last_sequence();
    eventually("three more lists", SOON, async || {
        Ok((test.cloud1.events_after(seen).len() >= 3).then_some(()))
    })
    .await?;
    let later = test.get("mixed").await?;
    ensure!(
        later.metadata.resource_version == service.metadata.resource_version,
        "it was written again"
    );

    test.cloud1.set_capabilities(Some(Capabilities::all()));
    eventually("all ports to work", SOON, async || {
        let service = test.get("mixed").await?;
        let is_well =
            condition(&service).is_none() && !ingress(&service)?.to_string().contains("ports");
        let listeners = test.cloud1.inventory()[0].settings.listeners.len();
        Ok((is_well && listeners == 2).then_some(()))
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_port_that_worked_stays_and_nothing_is_left_of_a_service_that_is_released() -> Result<()>
{
    let mut test = Environment::shared("port-lost").await?;
    test.extra_config = "sweepInterval: 200ms\ndriftInterval: 200ms".into();
    test.cloud1.set_capabilities(Some(Capabilities::all()));
    let replica = test.sole_replica().await?;
    let service = test.service("mixed").provider("cloud1");
    service.field("ports", ports()).create().await?;
    test.until_ready("mixed").await?;
    let has = "mycloud_lb_cloud_capabilities{capability=\"UDP\",cloud=\"cloud1\"}";
    test.cloud1.set_capabilities(Some(Capabilities {
        protocols: Some(vec![Protocol::Tcp]),
        ..Capabilities::all()
    }));
    replica.until(has, |value| value == 0.0).await?;
    test.service("later")
        .provider("cloud1")
        .field("ports", ports())
        .create()
        .await?;
    let later = test.until_ready("later").await?;
    ensure!(condition(&later).is_some());
    ensure!(condition(&test.get("mixed").await?).is_none(), "it works");
    let listeners = |name: &str| {
        let all = test.cloud1.inventory();
        let its = all
            .iter()
            .find(|found| found.owner.as_ref().is_some_and(|owner| owner.name == name));
        its.map(|found| found.settings.listeners.len())
    };
    ensure!(listeners("mixed") == Some(2) && listeners("later") == Some(1));

    test.annotate("later", &[("enable", Some("false"))]).await?;
    eventually("nothing of ours to be left", SOON, async || {
        let service = test.get("later").await?;
        Ok((condition(&service).is_none() && test.ensure_unmarked(&service).is_ok()).then_some(()))
    })
    .await
}

#[tokio::test]
async fn an_annotation_for_one_port_that_the_cloud_cannot_have_leaves_the_others() -> Result<()> {
    let test = Environment::shared("port-annotation").await?;
    let without = Capabilities::all().without("proxyProtocol");
    test.cloud1.set_capabilities(Some(without));
    let _replica = test.sole_replica().await?;
    let ports = json!([{"name": "web", "port": 80}, {"name": "tls", "port": 443}]);
    let service = test.service("web").provider("cloud1").field("ports", ports);
    service.ours("tls.proxy-protocol", "v2").create().await?;
    let service = test.until_ready("web").await?;

    let found = condition(&service).context("the condition")?;
    let says = "tls.proxy-protocol is \"v2\": cloud1 does not support the PROXY protocol";
    ensure!(
        found.reason == "UnsupportedAnnotation" && found.message.contains(says),
        "{found:?}"
    );
    let error = format!("{}/UnsupportedAnnotation", test.prefix);
    let shown = &ingress(&service)?[0]["ports"];
    let expected = json!([
        {"port": 80, "protocol": "TCP"},
        {"port": 443, "protocol": "TCP", "error": error},
    ]);
    ensure!(*shown == expected, "{shown:#}");
    ensure!(test.cloud1.inventory()[0].settings.listeners.len() == 1);

    test.annotate("web", &[("tls.proxy-protocol", None)])
        .await?;
    eventually("both ports to work", SOON, async || {
        let is_well = condition(&test.get("web").await?).is_none();
        let listeners = test.cloud1.inventory()[0].settings.listeners.len();
        Ok((is_well && listeners == 2).then_some(()))
    })
    .await
}
