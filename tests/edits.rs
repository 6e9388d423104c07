//! Edits of a Service change its load balancer, and nothing else about it.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use serde_json::{Value, json};
use testbed::cloud::{Effect, Event, Verb};
use testbed::environment::{SOON, addresses, calls};
use testbed::{Environment, eventually};

/// A Service that is ready, and the number of the cloud's last call for it.
async fn ready(test: &Environment) -> Result<(Service, u64)> {
    test.service("web").provider("cloud1").create().await?;
    let service = test.until_ready("web").await?;
    let last = calls(&test.cloud1).last().map(|call| call.sequence);
    Ok((service, last.context("a create")?))
}

/// Waits until the cloud has carried out an update; gives it, and makes sure
/// that it was the only call.
async fn the_update(test: &Environment, after: u64) -> Result<Event> {
    let is_done = |call: &Event| call.effect == Some(Effect::Updated);
    eventually("an update of the load balancer", SOON, async || {
        Ok(calls(&test.cloud1).iter().any(is_done).then_some(()))
    })
    .await?;
    test.until_ready("web").await?;
    // What would come after it comes before this Service is ready.
    test.service("barrier").provider("cloud2").create().await?;
    test.until_ready("barrier").await?;
    let mut calls = calls(&test.cloud1);
    calls.retain(|call| call.sequence > after);
    // Before it, because the answer to the create proves nothing; after it, because its own
    // answer does not show what was changed.
    let queries = calls.iter().filter(|call| call.verb == Verb::Query).count();
    ensure!(queries <= 2, "{queries} queries: {calls:?}");
    calls.retain(|call| call.verb != Verb::Query);
    ensure!(
        calls.len() == 1 && calls[0].verb == Verb::Update,
        "one update: {calls:?}"
    );
    calls.pop().context("the update")
}

fn ensure_same_place(test: &Environment, before: &Service, after: &Service) -> Result<()> {
    ensure!(
        addresses(before) == addresses(after),
        "{:?}",
        addresses(after)
    );
    ensure!(
        test.record(before) == test.record(after),
        "{:?}",
        test.record(after)
    );
    ensure!(
        test.cloud1.inventory().len() == 1,
        "{:?}",
        test.cloud1.inventory()
    );
    Ok(())
}

#[tokio::test]
async fn ports_change_in_place() -> Result<()> {
    let test = Environment::shared("edit-ports").await?;
    let _replica = test.sole_replica().await?;
    let (before, last) = ready(&test).await?;

    let ports = json!([
        {"name": "http", "port": 8080, "protocol": "TCP", "nodePort": node_port(&before, 0)},
        {"name": "dns", "port": 53, "protocol": "UDP"},
    ]);
    let edited = test.edit("web", json!({"spec": {"ports": ports}})).await?;
    let update = the_update(&test, last).await?;

    let listeners = json!([
        {"name": "http", "protocol": "TCP", "port": 8080, "nodePort": node_port(&before, 0)},
        {"name": "dns", "protocol": "UDP", "port": 53, "nodePort": node_port(&edited, 1)},
    ]);
    ensure!(
        update.request["listeners"] == listeners,
        "{}",
        update.request
    );
    let after = test.get("web").await?;
    ensure_same_place(&test, &before, &after)?;
    test.until_event("web", "EnsuredLoadBalancer").await?;
    Ok(())
}

#[tokio::test]
async fn settings_change_in_place() -> Result<()> {
    let test = Environment::shared("edit-settings").await?;
    let _replica = test.sole_replica().await?;
    let (before, last) = ready(&test).await?;

    let full = |name: &str| format!("{}/{name}", test.prefix);
    let edit = json!({
        "metadata": {"annotations": {
            full("lb-spec"): "high-performance",
            full("lb-bandwidth"): "1G",
            full("algorithm"): "source-hash",
        }},
        "spec": {"loadBalancerSourceRanges": ["192.0.2.0/24"], "sessionAffinity": "ClientIP"},
    });
    test.edit("web", edit).await?;
    let update = the_update(&test, last).await?;

    let expected = json!({
        "spec": "high-performance", "bandwidth": "1G", "algorithm": "source-hash",
        "sourceRanges": ["192.0.2.0/24"],
        "sessionAffinity": {"type": "ClientIP", "timeoutSeconds": 10_800},
    });
    for (field, value) in expected.as_object().into_iter().flatten() {
        let found = &update.request[field];
        ensure!(found == value, "{field}: {found} instead of {value}");
    }
    let after = test.get("web").await?;
    ensure_same_place(&test, &before, &after)
}

/// Users who come from another controller restrict their clients by its annotation.
#[tokio::test]
async fn the_source_ranges_of_other_controllers_are_heeded_where_the_field_is_empty() -> Result<()>
{
    const ANNOTATION: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";
    let test = Environment::shared("edit-ranges").await?;
    let _replica = test.sole_replica().await?;
    let service = test.service("web").provider("cloud1");
    let ranges = "192.0.2.0/24, 198.51.100.0/24";
    service.annotation(ANNOTATION, ranges).create().await?;
    test.until_ready("web").await?;
    let found = || test.cloud1.inventory()[0].settings.source_ranges.clone();
    ensure!(
        found() == ["192.0.2.0/24", "198.51.100.0/24"],
        "{:?}",
        found()
    );
    let until = async |ranges: &[&str]| {
        eventually(&format!("the source ranges {ranges:?}"), SOON, async || {
            Ok((found() == ranges).then_some(()))
        })
        .await
    };
    let field = json!({"spec": {"loadBalancerSourceRanges": ["203.0.113.0/24"]}});
    test.edit("web", field).await?;
    until(&["203.0.113.0/24"]).await?;
    let field = json!({"spec": {"loadBalancerSourceRanges": null}});
    test.edit("web", field).await?;
    until(&["192.0.2.0/24", "198.51.100.0/24"]).await?;
    let none = json!({"metadata": {"annotations": {ANNOTATION: null}}});
    test.edit("web", none).await?;
    until(&[]).await
}

/// The cloud has no business with labels, and we have none with them either.
#[tokio::test]
async fn what_the_cloud_need_not_know_causes_no_call_and_no_write() -> Result<()> {
    let test = Environment::shared("edit-labels").await?;
    let _replica = test.sole_replica().await?;
    let (_, last) = ready(&test).await?;

    let edit = json!({
        "metadata": {"labels": {"team": "web"}, "annotations": {"example.com/note": "hello"}},
        "spec": {"selector": {"app": "web"}},
    });
    let edited = test.edit("web", edit).await?;
    test.service("barrier").provider("cloud2").create().await?;
    test.until_ready("barrier").await?;

    let mut calls = calls(&test.cloud1);
    calls.retain(|call| call.sequence > last);
    ensure!(calls.is_empty(), "{calls:?}");
    let after = test.get("web").await?;
    ensure!(
        after.resource_version() == edited.resource_version(),
        "{after:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_record_that_somebody_edits_is_written_again() -> Result<()> {
    let test = Environment::shared("edit-record").await?;
    let _replica = test.sole_replica().await?;
    let (before, last) = ready(&test).await?;
    let record = test.record(&before).context("a record")?;

    for (id, cloud) in [(None, None), (Some("lb-77"), Some("cloud2"))] {
        test.annotate("web", &[("lb-id", id), ("lb-cloud", cloud)])
            .await?;
        let is_back = |service: &Service| test.record(service) == Some(record);
        test.until("web", "the record to be back", is_back).await?;
    }
    let mut calls = calls(&test.cloud1);
    calls.retain(|call| call.sequence > last);
    ensure!(calls.is_empty(), "{calls:?}");
    ensure!(test.cloud2.mutations().is_empty());
    Ok(())
}

fn node_port(service: &Service, index: usize) -> Value {
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_ref());
    let port = ports.and_then(|ports| ports.get(index)?.node_port);
    json!(port)
}
