//! no-leak, no-hijack: what has no Service any more is found and deleted, a
//! few at a time; what is not provably an orphan is never touched.
//!
//! [`orphans`]: what is one and what is not; [`doubt`]: what seemed to be one;
//! [`grace`]: when, and how many at once; [`told`]: what a person reads;
//! [`installations`]: two in one cluster; [`duplicates`]: two load balancers of one
//! Service; [`made_up`]: what a cloud may claim.

mod doubt;
mod duplicates;
mod grace;
mod installations;
mod made_up;
mod orphans;
mod told;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, ResourceExt};
use my_cloud_controller_manager::plan::naming::{ClusterId, Owner, ServiceUid};
use testbed::cloud::{self, CloudSimulator, Event, LoadBalancer, Plant, Verb};
use testbed::environment::SOON;
use testbed::{Environment, eventually};

const QUICK: &str = "sweepInterval: 300ms\norphanGracePeriod: 1s";

fn owner(test: &Environment, cluster: &str, uid: &str) -> Owner {
    Owner {
        cluster: ClusterId::new(cluster),
        namespace: test.namespace.clone(),
        name: "gone".into(),
        uid: ServiceUid::new(uid),
    }
}

/// What a cluster is called that has no `clusterId`.
async fn cluster(test: &Environment) -> Result<String> {
    let namespaces = Api::<Namespace>::all(test.client());
    let uid = namespaces.get("kube-system").await?.uid();
    uid.context("a UID")
}

/// What a create that took effect late would have left.
fn left_by(owner: &Owner) -> Plant {
    Plant {
        name: owner.load_balancer_name().as_str().to_owned(),
        owner: Some(cloud::Owner {
            cluster: owner.cluster.as_str().to_owned(),
            namespace: owner.namespace.clone(),
            name: owner.name.clone(),
            uid: owner.uid.as_str().to_owned(),
        }),
        ..Plant::default()
    }
}

/// An orphan on cloud1.
async fn orphan(test: &Environment) -> Result<LoadBalancer> {
    let owner = owner(test, &test.namespace, "uid-of-a-service-that-is-gone");
    test.cloud1.plant(left_by(&owner)).await
}

/// What looks like an orphan on cloud1 and is not: another cluster's, one that
/// has no owner, one that has a name that we never gave.
async fn not_ours(test: &Environment) -> Result<[LoadBalancer; 3]> {
    let theirs = left_by(&owner(test, "another-cluster", "uid"));
    let mut unowned = left_by(&owner(test, &test.namespace, "uid-2"));
    unowned.owner = None;
    let mut by_hand = left_by(&owner(test, &test.namespace, "uid-3"));
    by_hand.name = "made-by-hand".into();
    Ok([
        test.cloud1.plant(theirs).await?,
        test.cloud1.plant(unowned).await?,
        test.cloud1.plant(by_hand).await?,
    ])
}

/// The lists that were answered after this call, oldest first.
fn lists_after(cloud: &CloudSimulator, sequence: u64) -> Vec<Event> {
    let mut lists = cloud.events_after(sequence);
    lists.retain(|event| event.verb == Verb::List && event.finished_micros.is_some());
    lists
}

/// Waits until the sweep has looked this many more times.
async fn looks(cloud: &CloudSimulator, more: usize) -> Result<()> {
    let before = lists_after(cloud, 0).len();
    eventually("more looks of the sweep", SOON, async || {
        Ok((lists_after(cloud, 0).len() >= before + more).then_some(()))
    })
    .await
}

/// Waits until this load balancer is gone.
async fn until_deleted(cloud: &CloudSimulator, id: &str) -> Result<()> {
    eventually("the orphan to be deleted", SOON, async || {
        let inventory = cloud.inventory();
        Ok(inventory.iter().all(|found| found.id != id).then_some(()))
    })
    .await
}

/// The deletes that were asked for.
fn deletes(cloud: &CloudSimulator) -> Vec<Event> {
    let mut deletes = cloud.mutations();
    deletes.retain(|event| event.verb == Verb::Delete);
    deletes
}
