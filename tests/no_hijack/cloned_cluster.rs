//! A cluster that was cloned with its ids: the cloud refuses the one with the lower term,
//! which says why, and changes nothing of the other.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, PostParams};
use testbed::cloud::{Effect, Verb};
use testbed::environment::SOON;
use testbed::{Environment, Replica, eventually};

const CLUSTER: &str = "the-id-of-both";
/// Writes that put the terms of one cluster above those of the other.
const WRITES: usize = 300;

async fn replica(test: &Environment) -> Result<Replica> {
    let mut options = test.replica_options("sole");
    options.extra_args.push("--leader-elect=false".into());
    let (none, both) = ("clusterId: \"\"", format!("clusterId: {CLUSTER}"));
    ensure!(
        options.config_yaml.contains(none),
        "{}",
        options.config_yaml
    );
    options.config_yaml = options.config_yaml.replace(none, &both);
    Replica::start(options).await
}

/// Makes the `resourceVersion` of this cluster the greater one.
async fn grow_older(test: &Environment) -> Result<()> {
    let maps = Api::<ConfigMap>::namespaced(test.client(), &test.namespace);
    for number in 0..WRITES {
        let mut map = ConfigMap::default();
        map.metadata.name = Some(format!("write-{number}"));
        maps.create(&PostParams::default(), &map).await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_cluster_with_the_lower_term_changes_nothing_and_says_why() -> Result<()> {
    let mut one = Environment::own("cloned-original")
        .await?
        .with_node()
        .await?;
    let mut other = one.beside("cloned-copy").await?.with_node().await?;
    for test in [&mut one, &mut other] {
        test.extra_config =
            "sweepInterval: 300ms\norphanGracePeriod: 1s\ndriftInterval: 300ms".into();
    }
    grow_older(&one).await?;
    let _original = replica(&one).await?;
    one.service("web").provider("cloud1").create().await?;
    one.until_ready("web").await?;
    let there = one.cloud1.inventory();

    let copy = replica(&other).await?;
    other.service("web").provider("cloud1").create().await?;
    let message = other.until_reason("web", "SyncFailed").await?;
    for part in [
        "FailedPrecondition",
        "same cluster id",
        "clusterId",
        "restored",
    ] {
        ensure!(message.contains(part), "{part}: {message}");
    }
    // To the copy, the load balancer of the original is an orphan.
    eventually("the copy to try to delete it", SOON, async || {
        let calls = other.cloud1.mutations();
        Ok(calls
            .iter()
            .any(|call| call.verb == Verb::Delete && call.finished_micros.is_some())
            .then_some(()))
    })
    .await?;
    let calls = other.cloud1.mutations().into_iter();
    for call in calls.filter(|call| call.finished_micros.is_some()) {
        let is_refused = matches!(call.effect, Some(Effect::Refused(_)));
        ensure!(is_refused || call.verb == Verb::Create, "{call:?}");
    }
    ensure!(one.cloud1.inventory() == there);
    let fenced = "mycloud_lb_reconcile_errors_total{controller=\"service\",reason=\"fenced\"}";
    ensure!(copy.value(fenced).await? >= 1.0);
    let log = std::fs::read_to_string(copy.log_path())?;
    ensure!(log.contains("same cluster id"), "the log says so too");
    Ok(())
}
