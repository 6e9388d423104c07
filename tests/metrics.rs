//! explained: the metrics of real replicas after real work. What each family
//! means is tested in `src/telemetry/metrics/`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use testbed::cloud::{Code, Failure, Fault, FaultKind, Plant, Verb};
use testbed::{Environment, Replica};

/// All that a label may be called.
const LABELS: [&str; 21] = [
    "capability",
    "change",
    "cloud",
    "code",
    "controller",
    "error",
    "event",
    "host",
    "kind",
    "le",
    "level",
    "method",
    "name",
    "operation",
    "reason",
    "result",
    "revision",
    "state",
    "type",
    "verb",
    "version",
];

/// Of one replica and two clouds, whatever happened.
const MOST_SERIES: usize = 2_000;

fn labels(series: &str) -> BTreeMap<&str, &str> {
    let inside = series.split_once('{').map_or("", |(_, rest)| rest);
    let pairs = inside.trim_end_matches('}').split("\",");
    pairs
        .filter_map(|pair| pair.split_once("=\""))
        .map(|(name, value)| (name, value.trim_end_matches('"')))
        .collect()
}

#[tokio::test]
async fn series_stay_few_and_name_no_object() -> Result<()> {
    let mut test = Environment::shared("series").await?;
    test.extra_config = "sweepInterval: 300ms\norphanGracePeriod: 1s".into();
    let replica = test.sole_replica().await?;
    test.cloud1.plant(Plant::default()).await?;
    let faults = [
        FaultKind::FailBefore(Failure::code(Code::Unavailable)),
        FaultKind::LoseReply,
        FaultKind::GarbageBody,
    ];
    for (number, kind) in faults.into_iter().enumerate() {
        test.cloud1
            .set_fault(Fault::new(kind).on(Verb::Create).times(1));
        let name = format!("series-{number}");
        test.service(&name)
            .provider("cloud1,cloud2")
            .create()
            .await?;
        test.until_ready(&name).await?;
    }
    test.delete("series-0").await?;
    test.until_gone("series-0").await?;

    let metrics = replica.metrics().await?;
    ensure!(metrics.len() < MOST_SERIES, "{} series", metrics.len());
    let ids: BTreeSet<String> = test
        .cloud1
        .inventory()
        .into_iter()
        .map(|found| found.id)
        .collect();
    for series in metrics.keys() {
        for (name, value) in labels(series) {
            ensure!(LABELS.contains(&name), "{series}");
            let names_an_object =
                value.contains("series-") || value.contains(&test.namespace) || ids.contains(value);
            ensure!(!names_an_object, "{series}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_service_is_counted_from_its_wish_to_its_end() -> Result<()> {
    let test = Environment::shared("counted").await?;
    let replica = test.sole_replica().await?;
    let of = |name: &str| format!("mycloud_lb_{name}{{cloud=\"cloud1\"}}");
    let refusal = Failure::code(Code::QuotaExceeded);
    let full = Fault::new(FaultKind::FailBefore(refusal)).on(Verb::Create);
    test.cloud1.set_fault(full.times(1));
    test.service("web").provider("cloud1").create().await?;
    replica
        .until(&of("provisioning_pending"), |value| value == 1.0)
        .await?;
    let quota = "mycloud_lb_provisioning_failures_total{cloud=\"cloud1\",reason=\"quota\"}";
    replica.until(quota, |value| value == 1.0).await?;
    let retries = "mycloud_lb_cloud_api_retries_total{cloud=\"cloud1\",operation=\"create\",reason=\"quota\"}";
    ensure!(replica.value(retries).await? == 1.0);

    test.until_ready("web").await?;
    replica
        .until(&of("provisioning_pending"), |value| value == 0.0)
        .await?;
    ensure!(replica.value(&of("provisioning_started_total")).await? == 1.0);
    ensure!(
        replica
            .value(&of("provisioning_duration_seconds_count"))
            .await?
            == 1.0
    );

    test.delete("web").await?;
    test.until_gone("web").await?;
    let ended = of("deprovisioning_duration_seconds_count");
    replica.until(&ended, |value| value == 1.0).await?;
    Ok(())
}

fn has_address(service: &Service) -> bool {
    let status = service.status.as_ref();
    let published = status.and_then(|status| status.load_balancer.as_ref());
    published.is_some_and(|published| published.ingress.is_some())
}

/// Somebody else's mistake does not count against the service level.
#[tokio::test]
async fn addresses_that_are_wiped_start_no_clock() -> Result<()> {
    let test = Environment::shared("wiped").await?;
    let replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    let of = |name: &str| format!("mycloud_lb_{name}{{cloud=\"cloud1\"}}");
    let count = of("provisioning_duration_seconds_count");
    replica.until(&count, |value| value == 1.0).await?;

    let wiped = Patch::Merge(json!({"status": {"loadBalancer": null}}));
    let parameters = PatchParams::default();
    let services = test.services();
    services.patch_status("web", &parameters, &wiped).await?;
    test.until("web", "its address to be back", has_address)
        .await?;
    // Its last reconcile comes after the one that mended it.
    test.delete("web").await?;
    test.until_gone("web").await?;
    let ended = of("deprovisioning_duration_seconds_count");
    replica.until(&ended, |value| value == 1.0).await?;
    let counted = replica.value(&count).await?;
    ensure!(counted == 1.0, "{counted} provisionings");
    Ok(())
}

#[tokio::test]
async fn each_cloud_answers_for_its_own_address() -> Result<()> {
    let test = Environment::shared("own-address").await?;
    let replica = test.sole_replica().await?;
    let down = FaultKind::FailBefore(Failure::code(Code::Unavailable));
    test.cloud2.set_fault(Fault::new(down).on(Verb::Create));
    test.service("web")
        .provider("cloud1,cloud2")
        .create()
        .await?;
    let of =
        |name: &str, cloud: &str| format!("mycloud_lb_provisioning_{name}{{cloud=\"{cloud}\"}}");
    let served = |cloud| of("duration_seconds_count", cloud);
    replica
        .until(&served("cloud1"), |count| count == 1.0)
        .await?;
    replica
        .until(&of("pending", "cloud2"), |count| count == 1.0)
        .await?;
    ensure!(replica.value(&of("pending", "cloud1")).await? == 0.0);
    test.cloud2.clear_faults();
    test.until_ready("web").await?;
    replica
        .until(&served("cloud2"), |count| count == 1.0)
        .await?;
    ensure!(replica.value(&served("cloud1")).await? == 1.0, "once");
    Ok(())
}

#[tokio::test]
async fn the_clock_of_the_service_level_outlives_its_leader() -> Result<()> {
    let test = Environment::shared("clock").await?;
    test.allow_election().await?;
    let down = FaultKind::FailBefore(Failure::code(Code::Unavailable));
    test.cloud1.set_fault(Fault::new(down).on(Verb::Create));
    let mut first = Replica::start(test.candidate("first")).await?;
    let asked = Timestamp::now();
    test.service("web").provider("cloud1").create().await?;
    let pending = "mycloud_lb_provisioning_pending{cloud=\"cloud1\"}";
    first.until(pending, |value| value == 1.0).await?;
    first.kill();

    let second = Replica::start(test.candidate("second")).await?;
    second.until(pending, |value| value == 1.0).await?;
    let oldest = "mycloud_lb_provisioning_oldest_pending_seconds{cloud=\"cloud1\"}";
    // A creation time is in whole seconds.
    let since = Timestamp::now().duration_since(asked).as_secs_f64() - 1.0;
    let shown = second.value(oldest).await?;
    ensure!(shown >= since, "{shown} s after {since} s");
    test.cloud1.clear_faults();
    test.until_ready("web").await?;
    let sum = "mycloud_lb_provisioning_duration_seconds_sum{cloud=\"cloud1\"}";
    let took = second.until(sum, |value| value > 0.0).await?;
    ensure!(took >= since, "{took} s after {since} s");
    Ok(())
}
