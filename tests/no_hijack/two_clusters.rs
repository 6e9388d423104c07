//! Two clusters on one account of one cloud, each with a Service of the same
//! namespace and name.

use anyhow::{Result, ensure};
use kube::ResourceExt;
use serde_json::json;
use testbed::cloud::{LoadBalancer, Verb};
use testbed::environment::SOON;
use testbed::{Environment, Replica, eventually};

use super::{Theirs, ensure_own, made_for};

const QUICK: &str = "sweepInterval: 300ms\norphanGracePeriod: 1s\ndriftInterval: 300ms";

/// A cluster and its Service `web` on cloud1.
struct Cluster {
    test: Environment,
    _replica: Replica,
    own: LoadBalancer,
}

impl Cluster {
    async fn new(mut test: Environment) -> Result<Self> {
        test.extra_config = QUICK.into();
        let replica = test.sole_replica().await?;
        test.service("web").provider("cloud1").create().await?;
        let ready = test.until_ready("web").await?;
        let own = ensure_own(&test, &test.cloud1, &ready)?;
        Ok(Self {
            test,
            _replica: replica,
            own,
        })
    }

    fn theirs(&self) -> Theirs {
        Theirs::new(&self.test.cloud1, self.own.clone())
    }
}

/// Waits until both clusters' replicas have listed cloud1 this many more times.
async fn lists(test: &Environment, more: usize) -> Result<()> {
    let lists = || {
        let mut events = test.cloud1.events();
        events.retain(|event| event.verb == Verb::List && event.finished_micros.is_some());
        let cluster = |event: &testbed::cloud::Event| event.request["owner"]["cluster"].to_string();
        let mut counts = std::collections::BTreeMap::<String, usize>::new();
        for event in &events {
            *counts.entry(cluster(event)).or_default() += 1;
        }
        counts
    };
    let before = lists();
    ensure!(before.len() == 2, "two clusters list: {before:?}");
    eventually("both clusters to look again", SOON, async || {
        let now = lists();
        let is_enough = before.iter().all(|(who, count)| now[who] >= count + more);
        Ok(is_enough.then_some(()))
    })
    .await
}

#[tokio::test]
async fn clusters_leave_each_others_load_balancers_alone() -> Result<()> {
    let one = Environment::own("two-clusters").await?.with_node().await?;
    let other = one.beside("two-clusters-other").await?.with_node().await?;
    ensure!(one.namespace == other.namespace);
    let (one, other) = (Cluster::new(one).await?, Cluster::new(other).await?);
    ensure!(one.own.id != other.own.id && one.own.name != other.own.name);
    let owners = [&one.own, &other.own].map(|own| own.owner.clone().unwrap_or_default());
    ensure!(owners[0].cluster != owners[1].cluster, "{owners:?}");
    let (ones, others) = (one.theirs(), other.theirs());

    // Both sweep and repair, and find nothing of their own to do.
    lists(&one.test, 6).await?;
    ones.ensure_untouched()?;
    others.ensure_untouched()?;

    // One claims the other's, for a Service that has its own and for a new one.
    let (id, cloud) = (others.id(), "cloud1");
    let claim = [("lb-id", Some(id)), ("lb-cloud", Some(cloud))];
    one.test.annotate("web", &claim).await?;
    let is_own = |service: &_| ensure_own(&one.test, &one.test.cloud1, service).is_ok();
    one.test
        .until("web", "the record to be restored", is_own)
        .await?;
    let claims = one.test.service("claims").provider(cloud);
    let claims = claims.ours("lb-id", id).ours("lb-cloud", cloud);
    claims.create().await?;
    let ready = one.test.until_ready("claims").await?;
    ensure_own(&one.test, &one.test.cloud1, &ready)?;
    let note = one
        .test
        .until_event("claims", "LoadBalancerNotOwned")
        .await?;
    ensure!(note.contains(id), "{note}");
    others.ensure_untouched()?;
    one.test.delete("claims").await?;
    one.test.until_gone("claims").await?;

    // One's Service goes by force, and its sweep follows; the other's stays.
    let service = one.test.get("web").await?;
    one.test
        .edit(
            "web",
            json!({"metadata": {"annotations": {"mycloud.com/enable": null}, "finalizers": null}}),
        )
        .await?;
    one.test.delete("web").await?;
    one.test.until_gone("web").await?;
    let what = "what one's Service left to be deleted";
    eventually(what, SOON, async || {
        Ok(made_for(&one.test.cloud1, &service)
            .is_empty()
            .then_some(()))
    })
    .await?;
    lists(&one.test, 6).await?;
    others.ensure_untouched()?;
    let still = other.test.get("web").await?;
    ensure_own(&other.test, &other.test.cloud1, &still)?;
    ensure!(
        still.metadata.deletion_timestamp.is_none(),
        "{}",
        still.name_any()
    );

    // And the other's goes as it should.
    other.test.delete("web").await?;
    other.test.until_gone("web").await?;
    ensure!(one.test.cloud1.inventory().is_empty());
    Ok(())
}
