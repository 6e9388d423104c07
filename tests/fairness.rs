//! A namespace with many Services does not keep another one waiting for a cloud.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{Namespace, Service};
use kube::api::{Api, PostParams};
use serde_json::json;
use testbed::cloud::{CloudSimulatorOptions, Verb};
use testbed::environment::{SOON, addresses};
use testbed::{Environment, eventually};

/// The Services of the large namespace.
const MANY: usize = 200;
/// The limit of calls in flight at the cloud.
const CONCURRENCY: usize = 4;
/// Each call slot has two places, and the Services that hold them go first. As many creates
/// may begin while the new Service is on its way through the watch.
const FEW: usize = 4 * CONCURRENCY;

#[tokio::test(flavor = "multi_thread")]
async fn a_new_service_of_another_namespace_is_among_the_next_few() -> Result<()> {
    let is_slow =
        |cloud: &mut CloudSimulatorOptions| cloud.mutation_latency = Duration::from_millis(200);
    let mut test = Environment::own_with("fairness", is_slow).await?;
    test.concurrency = Some(CONCURRENCY);
    let _replica = test.sole_replica().await?;
    let many = stream::iter(0..MANY).map(|number| {
        let service = test.service(&format!("many-{number}"));
        async move { service.provider("cloud1").create().await }
    });
    many.buffer_unordered(16).try_collect::<Vec<_>>().await?;

    let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": "quiet"}}))?;
    let namespaces = Api::<Namespace>::all(test.client());
    namespaces
        .create(&PostParams::default(), &namespace)
        .await?;
    test.namespace = "quiet".into();
    test.service("web").provider("cloud1").create().await?;
    let creates = || {
        let mut events = test.cloud1.events();
        events.retain(|event| event.verb == Verb::Create);
        events
    };
    let before = creates().len();
    ensure!(before + 4 * FEW < MANY, "most still wait: {before}");
    let position = eventually("the create for the other namespace", SOON, async || {
        let is_its = |owner: &serde_json::Value| owner["namespace"] == "quiet";
        let all = creates();
        Ok(all.iter().position(|event| is_its(&event.request["owner"])))
    })
    .await?;
    ensure!(
        position <= before + FEW,
        "it came {position}th of {MANY}, after {before}"
    );
    let is_served = |service: &Service| !addresses(service).is_empty();
    test.until("web", "its address", is_served).await?;
    test.stop().await;
    Ok(())
}
