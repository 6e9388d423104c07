//! Services in one of each kind of trouble, and what must not come of it.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use kube::ResourceExt;
use serde_json::json;
use testbed::cloud::{CloudSimulator, Event, Verb};
use testbed::environment::{SHARED_NODES, SOON};
use testbed::interposer::Interposer;
use testbed::oracle::verify;
use testbed::{Environment, Replica, eventually};

/// So that an old view is acted upon soon, and what looks like an orphan is soon due.
pub const QUICK: &str = "driftInterval: 200ms\nsweepInterval: 200ms\norphanGracePeriod: 1s";

/// Looks of the sweep until something that looks like an orphan is long due.
const LOOKS: usize = 12;

/// A test's surroundings, with an interposer.
pub async fn stage(test: &str) -> Result<(Environment, Arc<Interposer>)> {
    let mut test = Environment::shared(test).await?;
    test.extra_config = QUICK.into();
    let interposer = test.interpose().await?;
    Ok((test, interposer))
}

/// Creates Services on cloud1 and waits until they are ready.
pub async fn ready(test: &Environment, names: &[&str]) -> Result<()> {
    for name in names {
        test.service(name).provider("cloud1").create().await?;
    }
    for name in names {
        test.until_ready(name).await?;
    }
    Ok(())
}

/// The UID of a Service.
pub async fn uid(test: &Environment, name: &str) -> Result<String> {
    test.get(name).await?.uid().context("a UID")
}

/// The user wants this port instead.
pub async fn set_port(test: &Environment, name: &str, port: u16) -> Result<()> {
    let ports = json!([{"name": "http", "port": port}]);
    test.edit(name, json!({"spec": {"ports": ports}})).await?;
    Ok(())
}

/// The user wants no load balancer any more, or wants one again.
pub async fn set_type(test: &Environment, name: &str, kind: &str) -> Result<()> {
    test.edit(name, json!({"spec": {"type": kind}})).await?;
    Ok(())
}

/// The user moves it.
pub async fn set_provider(test: &Environment, name: &str, cloud: &str) -> Result<()> {
    test.annotate(name, &[("provider", Some(cloud))]).await?;
    Ok(())
}

/// The user switches it off, or on again.
pub async fn set_enabled(test: &Environment, name: &str, enabled: Option<&str>) -> Result<()> {
    test.annotate(name, &[("enable", enabled)]).await?;
    Ok(())
}

/// Waits until every Service that the replica sees was looked at again and
/// again, and every orphan that it believes in is long due.
pub async fn acted_upon(test: &Environment, replica: &Replica) -> Result<()> {
    let reconciles = async || replica.total("mycloud_lb_reconcile_total").await;
    let lists = |cloud: &CloudSimulator| {
        let events = cloud.events();
        events
            .iter()
            .filter(|event| event.verb == Verb::List && event.finished_micros.is_some())
            .count()
    };
    let services = test.services().list(&Default::default()).await?.items.len();
    let (enough, looks) = (
        reconciles().await? + (4 * services) as f64,
        [lists(&test.cloud1), lists(&test.cloud2)].map(|so_far| so_far + LOOKS),
    );
    eventually("the view to be acted upon", SOON, async || {
        let is_so = reconciles().await? >= enough
            && lists(&test.cloud1) >= looks[0]
            && lists(&test.cloud2) >= looks[1];
        Ok(is_so.then_some(()))
    })
    .await
}

/// Waits until the clouds have what the living Services ask for.
pub async fn settled(test: &Environment) -> Result<()> {
    let nodes = SHARED_NODES
        .iter()
        .map(|address| address.parse())
        .collect::<Result<_, _>>()?;
    let what = "the clouds to have what living Services ask for";
    eventually(what, SOON, async || {
        verify(test, &nodes, &[]).await.map(Some)
    })
    .await
}

/// The mutating calls of both clouds from some moment on.
pub struct Since([u64; 2]);

impl Since {
    /// From now on.
    pub fn now(test: &Environment) -> Self {
        let last = |cloud: &CloudSimulator| cloud.events().last().map_or(0, |last| last.sequence);
        Self([last(&test.cloud1), last(&test.cloud2)])
    }

    /// Up to now, each with its cloud's number.
    pub fn mutations(&self, test: &Environment) -> Vec<(usize, Event)> {
        let clouds = [&test.cloud1, &test.cloud2];
        let calls = clouds.iter().zip(self.0).zip(1..);
        let mutations = calls.flat_map(|((cloud, last), number)| {
            let calls = cloud.events_after(last).into_iter();
            calls.map(move |call| (number, call))
        });
        mutations
            .filter(|(_, call)| call.verb.is_mutation())
            .collect()
    }

    /// Fails if there was any.
    pub fn ensure_none(&self, test: &Environment) -> Result<()> {
        let mutations = self.mutations(test);
        ensure!(mutations.is_empty(), "{mutations:?}");
        Ok(())
    }
}
