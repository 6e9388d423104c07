//! A load balancer's life: created as asked, published, changed, deleted.

use std::time::Duration;

use anyhow::{Result, ensure};
use kube::ResourceExt;
use serde_json::{Value, json};
use testbed::cloud::{Capabilities, CloudSimulatorOptions, Verb};
use testbed::environment::{SHARED_NODES, SOON, addresses, calls};
use testbed::{Environment, eventually};

#[tokio::test]
async fn a_fresh_service_is_provisioned_with_one_cloud_call_and_two_writes() -> Result<()> {
    let test = Environment::shared("fresh").await?;
    let _replica = test.sole_replica().await?;
    test.service("web")
        .provider("cloud1")
        .ours("lb-bandwidth", "10M")
        .create()
        .await?;
    let service = test.until_ready("web").await?;

    let calls = calls(&test.cloud1);
    ensure!(
        calls.len() == 1 && calls[0].verb == Verb::Create,
        "one create: {calls:?}"
    );
    let request = &calls[0].request;
    let node_port = service
        .spec
        .as_ref()
        .and_then(|spec| spec.ports.as_ref()?[0].node_port);
    let name = request["name"].as_str().unwrap_or_default();
    ensure!(
        name.starts_with(&format!("{}-web-", test.namespace)),
        "{name}"
    );
    let expected = json!({
        "name": name, "nodes": SHARED_NODES, "port": 80, "nodePort": node_port,
        "spec": "standard", "bandwidth": "10M", "algorithm": "round-robin",
        "listeners": [{"name": "http", "protocol": "TCP", "port": 80, "nodePort": node_port}],
        "owner": {"cluster": test.namespace, "namespace": test.namespace, "name": "web", "uid": service.uid()},
    });
    for (field, value) in expected.as_object().into_iter().flatten() {
        ensure!(
            request[field] == *value,
            "{field}: {} instead of {value}",
            request[field]
        );
    }
    ensure!(
        test.cloud2.mutations().is_empty(),
        "cloud2 has nothing to do with it"
    );

    let made = &test.cloud1.inventory()[0];
    ensure!(
        addresses(&service)
            == made
                .ip
                .map(|ip| ip.to_string())
                .into_iter()
                .collect::<Vec<_>>()
    );
    ensure!(test.record(&service) == Some((made.id.as_str(), "cloud1")));
    ensure!(service.finalizers().contains(&test.finalizer()));

    let mut writes = test.writes()?;
    writes.retain(|write| write.resource != "events");
    ensure!(
        writes.len() == 2 && writes.iter().all(|write| write.resource == "services"),
        "finalizer, then record with status, and nothing else: {writes:?}"
    );
    Ok(())
}

/// What a Service asks for, and what its clouds tell, costs no further call and no further write.
#[tokio::test]
async fn a_fresh_service_that_asks_for_everything_costs_one_query_more() -> Result<()> {
    let test = Environment::shared("fresh-full").await?;
    test.cloud1.set_capabilities(Some(Capabilities::all()));
    let _replica = test.sole_replica().await?;
    eventually("the cloud to have told what it can do", SOON, async || {
        let told = test.cloud1.questions_after(0);
        Ok((!told.is_empty()).then_some(()))
    })
    .await?;
    let told = test.cloud1.questions_after(0).len();
    let service = test.service("web").provider("cloud1");
    let service = service.ours("internal", "true").ours("tags", "team=web");
    let service = service
        .ours("idle-timeout", "90s")
        .ours("proxy-protocol", "v2");
    let service = service.ours("health-check-interval", "10s");
    service
        .field("externalTrafficPolicy", json!("Local"))
        .field(
            "ports",
            json!([
                {"name": "http", "port": 80, "appProtocol": "http"},
                {"name": "dns", "port": 53, "protocol": "UDP"},
                {"name": "diameter", "port": 3868, "protocol": "SCTP"},
            ]),
        )
        .create()
        .await?;
    test.until_ready("web").await?;

    // The answer to the create does not say that it is internal, and an address that may be public
    // is not published.
    let calls: Vec<Verb> = calls(&test.cloud1).iter().map(|call| call.verb).collect();
    ensure!(calls == [Verb::Create, Verb::Query], "{calls:?}");
    let asked = test.cloud1.questions_after(0).len();
    ensure!(asked == told, "it was asked again what it can do");
    let made = &test.cloud1.inventory()[0].settings;
    ensure!(made.internal && made.listeners.len() == 3, "{made:?}");
    let mut writes = test.writes()?;
    writes.retain(|write| write.resource != "events");
    ensure!(writes.len() == 2, "{writes:?}");
    Ok(())
}

#[tokio::test]
async fn a_deleted_service_takes_its_load_balancer_along() -> Result<()> {
    let test = Environment::shared("deleted").await?;
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud2").create().await?;
    test.until_ready("web").await?;
    ensure!(test.cloud2.inventory().len() == 1);

    test.delete("web").await?;
    test.until_gone("web").await?;
    ensure!(
        test.cloud2.inventory().is_empty(),
        "{:?}",
        test.cloud2.inventory()
    );
    test.until_event("web", "DeletingLoadBalancer").await?;
    test.until_event("web", "DeletedLoadBalancer").await?;
    Ok(())
}

#[tokio::test]
async fn everything_that_a_service_says_reaches_the_cloud_it_names() -> Result<()> {
    let test = Environment::shared("asked").await?;
    let _replica = test.sole_replica().await?;
    test.service("dns")
        .provider("cloud2")
        .ours("lb-spec", "high-performance")
        .ours("lb-bandwidth", "20M")
        .ours("algorithm", "least-connections")
        .field(
            "ports",
            json!([
                {"name": "http", "port": 80, "targetPort": 8080},
                {"name": "https", "port": 443},
                {"name": "dns", "port": 53, "protocol": "UDP"},
            ]),
        )
        .field("sessionAffinity", json!("ClientIP"))
        .field(
            "sessionAffinityConfig",
            json!({"clientIP": {"timeoutSeconds": 600}}),
        )
        .field(
            "loadBalancerSourceRanges",
            json!(["198.51.100.0/24", "192.0.2.0/24"]),
        )
        .create()
        .await?;
    let service = test.until_ready("dns").await?;

    let calls = calls(&test.cloud2);
    ensure!(calls.len() == 1, "{calls:?}");
    let mut request = calls[0].request.clone();
    let name = request["name"].take();
    let spec = serde_json::to_value(&service.spec)?;
    let node_port = |index: usize| spec["ports"][index]["nodePort"].clone();
    let expected = json!({
        "name": null, "nodes": SHARED_NODES, "port": 80, "nodePort": node_port(0),
        "spec": "high-performance", "bandwidth": "20M", "algorithm": "least-connections",
        "listeners": [
            {"name": "http", "protocol": "TCP", "port": 80, "nodePort": node_port(0)},
            {"name": "https", "protocol": "TCP", "port": 443, "nodePort": node_port(1)},
            {"name": "dns", "protocol": "UDP", "port": 53, "nodePort": node_port(2)},
        ],
        "sessionAffinity": {"type": "ClientIP", "timeoutSeconds": 600},
        "sourceRanges": ["192.0.2.0/24", "198.51.100.0/24"],
        "owner": {"cluster": test.namespace, "namespace": test.namespace, "name": "dns", "uid": service.uid()},
    });
    ensure!(
        request == expected,
        "{name}: {request} instead of {expected}"
    );
    ensure!(
        test.cloud1.mutations().is_empty(),
        "{:?}",
        test.cloud1.mutations()
    );
    Ok(())
}

#[tokio::test]
async fn the_address_is_published_when_the_cloud_has_one() -> Result<()> {
    let slow = |cloud: &mut CloudSimulatorOptions| cloud.provisioning = Duration::from_secs(2);
    let test = Environment::shared_with("provisioning", slow).await?;
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;

    let made = test
        .until(
            "web",
            "the record of what is being provisioned",
            |service| test.record(service).is_some(),
        )
        .await?;
    ensure!(addresses(&made).is_empty(), "{:?}", addresses(&made));
    let (status, reason, message) = test.condition(&made).unwrap_or_default();
    ensure!(
        (status.as_str(), reason.as_str()) == ("False", "Provisioning"),
        "{status} {reason} {message}"
    );
    ensure!(message.contains("cloud1"), "{message}");

    let ready = test.until_ready("web").await?;
    let address = test.cloud1.inventory()[0].ip.map(|ip| ip.to_string());
    ensure!(Some(addresses(&ready)) == address.map(|ip| vec![ip]));
    ensure!(test.cloud1.mutations().len() == 1, "only the create");
    test.until_event("web", "EnsuringLoadBalancer").await?;
    let ensured = test.until_event("web", "EnsuredLoadBalancer").await?;
    ensure!(ensured.contains("cloud1"), "{ensured}");
    ensure!(
        test.events("web", "SyncLoadBalancerFailed")
            .await?
            .is_empty()
    );
    Ok(())
}

#[tokio::test]
async fn the_finalizer_outlives_a_load_balancer_that_takes_its_time_to_go() -> Result<()> {
    let slow = |cloud: &mut CloudSimulatorOptions| cloud.deletion = Duration::from_secs(2);
    let test = Environment::shared_with("slow-deletion", slow).await?;
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;

    test.delete("web").await?;
    let gone = eventually("Service web to be gone", SOON, async || {
        // In this order: what is still there after the Service is a leak.
        let service = test.services().get_opt("web").await?;
        let left = test.cloud1.inventory();
        let held = service.is_some_and(|service| service.finalizers().contains(&test.finalizer()));
        Ok((!held).then_some(left))
    });
    let left = gone.await?;
    ensure!(left.is_empty(), "leaked: {left:?}");
    test.until_gone("web").await?;
    let deletes = test.cloud1.mutations();
    let deletes: Vec<_> = deletes
        .iter()
        .filter(|call| call.verb == Verb::Delete)
        .collect();
    ensure!(deletes.len() == 1, "asked once, then looked: {deletes:?}");
    Ok(())
}

/// What ends a Service's being ours while it stays.
async fn ends_with_the_service_staying(test: &Environment, how: Value) -> Result<()> {
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    test.edit("web", how).await?;
    let service = test
        .until("web", "our finalizer to be taken off", |service| {
            !service.finalizers().contains(&test.finalizer())
        })
        .await?;
    ensure!(
        test.cloud1.inventory().is_empty(),
        "{:?}",
        test.cloud1.inventory()
    );
    test.ensure_unmarked(&service)?;
    test.until_event("web", "DeletedLoadBalancer").await?;

    // And back again: it gets another load balancer.
    let back = json!({
        "metadata": {"annotations": {format!("{}/enable", test.prefix): "true"}},
        "spec": {"type": "LoadBalancer"},
    });
    test.edit("web", back).await?;
    test.until_ready("web").await?;
    ensure!(test.cloud1.inventory().len() == 1);
    Ok(())
}

#[tokio::test]
async fn a_service_of_another_type_has_no_load_balancer() -> Result<()> {
    let test = Environment::shared("type-changed").await?;
    ends_with_the_service_staying(&test, json!({"spec": {"type": "ClusterIP"}})).await
}

#[tokio::test]
async fn a_service_that_is_no_longer_enabled_has_no_load_balancer() -> Result<()> {
    let test = Environment::shared("disabled").await?;
    let off = json!({"metadata": {"annotations": {format!("{}/enable", test.prefix): null}}});
    ends_with_the_service_staying(&test, off).await
}
