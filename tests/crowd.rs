//! Two thousand Services on one leader: work is bounded and in a fair order, and no
//! Event is lost. Nothing here is timed; `make bench` measures.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::events::v1::Event;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use testbed::cloud::{Fault, FaultKind, Verb};
use testbed::environment::{SOON, addresses};
use testbed::nodes::create_node;
use testbed::{Environment, Replica, eventually};

/// On each of two clouds.
const CROWD: usize = 1_000;
/// The limit of calls in flight at each cloud.
const CONCURRENCY: usize = 16;
/// The reconciles that may run: 32 without a place at a cloud, and two for each call.
const ALLOWED: f64 = (32 + 2 * 2 * CONCURRENCY) as f64;
/// A debug build on a busy machine needs its time for thousands of Services.
const LATER: Duration = Duration::from_secs(300);

const ACTIVE: &str = "mycloud_lb_reconcile_active{controller=\"service\"}";

async fn create_crowd(test: &Environment, cloud: &str) -> Result<()> {
    let created = stream::iter(0..CROWD).map(|number| async move {
        let service = test.service(&format!("{cloud}-{number}"));
        service.provider(cloud).create().await
    });
    created.buffer_unordered(16).try_collect::<Vec<_>>().await?;
    Ok(())
}

/// The number of Services of a cloud that have an address.
async fn served(test: &Environment, cloud: &str) -> Result<usize> {
    let all = test.services().list(&ListParams::default()).await?;
    let is_served = |service: &&Service| {
        test.ours(service, "provider") == Some(cloud) && !addresses(service).is_empty()
    };
    Ok(all.iter().filter(is_served).count())
}

/// Waits until all Services of a cloud have an address; meanwhile no more reconciles
/// run than are allowed.
async fn until_served(test: &Environment, replica: &Replica, cloud: &str) -> Result<()> {
    // Judged at the end: what a probe complains of is forgiven at the next look.
    let mut most = 0.0_f64;
    eventually(&format!("all Services on {cloud}"), LATER, async || {
        most = most.max(replica.value(ACTIVE).await?);
        Ok((served(test, cloud).await? >= CROWD).then_some(()))
    })
    .await?;
    ensure!(most <= ALLOWED, "{most} reconciles ran");
    Ok(())
}

async fn events_by_reason(test: &Environment) -> Result<BTreeMap<String, usize>> {
    let events: Api<Event> = Api::namespaced(test.client(), &test.namespace);
    let ours = ListParams::default().fields("reportingController=my-cloud-controller-manager");
    let mut counts = BTreeMap::new();
    for event in events.list(&ours).await? {
        *counts.entry(event.reason.unwrap_or_default()).or_default() += 1;
    }
    Ok(counts)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_services_are_served_in_a_fair_order_and_no_event_is_lost() -> Result<()> {
    let slow = |cloud: &mut testbed::cloud::CloudSimulatorOptions| {
        cloud.latency = Duration::from_millis(20);
    };
    let mut test = Environment::own_with("crowd", slow).await?;
    test.extra_config = "driftInterval: 1h".into();
    let node = |last: u8| IpAddr::from([127, 10, 1, last]);
    create_node(&test.client(), "n1", node(1), &[]).await?;
    let replica = test.sole_replica().await?;

    // A thousand Services wait for a cloud that hangs, and delay none on the other.
    test.cloud1.set_fault(Fault::new(FaultKind::Hang {
        after_effect: false,
    }));
    create_crowd(&test, "cloud1").await?;
    create_crowd(&test, "cloud2").await?;
    until_served(&test, &replica, "cloud2").await?;
    ensure!(served(&test, "cloud1").await? == 0, "cloud1 hangs");
    // A Service that waits for its turn has a condition that says so, and no finalizer.
    let waiting = "mycloud_lb_workqueue_waiting{cloud=\"cloud1\"}";
    replica.until(waiting, |waiting| waiting > 0.0).await?;
    eventually("a condition that explains the wait", SOON, async || {
        let all = test.services().list(&ListParams::default()).await?;
        let explained = |service: &&Service| {
            let condition = test.condition(service);
            let is_waiting = |(_, _, message): (_, _, String)| message.contains("turn at cloud1");
            condition.is_some_and(is_waiting) && service.finalizers().is_empty()
        };
        let found = all.iter().find(explained);
        Ok(found.map(|_| ()))
    })
    .await?;
    test.cloud1.clear_faults();
    until_served(&test, &replica, "cloud1").await?;

    // Each has been told what was done for it. Those that a hanging cloud failed were
    // told that too.
    eventually("the Events", SOON, async || {
        let events = events_by_reason(&test).await?;
        let count = |reason| events.get(reason).copied().unwrap_or_default();
        let (ensuring, ensured) = (count("EnsuringLoadBalancer"), count("EnsuredLoadBalancer"));
        ensure!(ensuring == 2 * CROWD && ensured == 2 * CROWD, "{events:?}");
        Ok(Some(()))
    })
    .await?;

    // A user's edit overtakes the updates that a Node causes.
    let seen = test.cloud1.events().len();
    create_node(&test.client(), "n2", node(2), &[]).await?;
    let updates = || {
        let events = test.cloud1.events().into_iter().skip(seen);
        let updates = events.filter(|event| event.verb == Verb::Update);
        updates.collect::<Vec<_>>()
    };
    eventually("the first updates", SOON, async || {
        Ok((updates().len() > 50).then_some(()))
    })
    .await?;
    let edited = test.annotate("cloud1-500", &[("lb-bandwidth", Some("20M"))]);
    edited.await?;
    let before_edit = updates().len();
    eventually("all updates", LATER, async || {
        Ok((updates().len() >= CROWD).then_some(()))
    })
    .await?;
    let edit = updates()
        .iter()
        .position(|event| event.request["bandwidth"] == "20M");
    let edit = edit.unwrap_or(usize::MAX);
    // Those in flight, and those that started while the edit was on its way.
    ensure!(
        edit <= before_edit + 8 * CONCURRENCY,
        "the edit came {edit}th of {CROWD}, after {before_edit}"
    );
    test.stop().await;
    Ok(())
}
