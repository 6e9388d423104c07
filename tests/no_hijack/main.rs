//! A load balancer that is not provably ours is never adopted, changed or
//! deleted, whatever annotations, status, names or the cloud itself say; and
//! the Service that cannot have it is told.
//!
//! [`claims`]: a Service names it; [`names`]: it has our name, or was given
//! away; [`recreated`]: it was made for a Service of the same name before;
//! [`two_clusters`]: another cluster has a Service of the same name on the same
//! cloud; [`cloned_cluster`]: another cluster has the same id; [`mistaken_cloud`]: the cloud takes it for what was asked for.

mod claims;
mod cloned_cluster;
mod mistaken_cloud;
mod names;
mod recreated;
mod two_clusters;

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use testbed::Environment;
use testbed::cloud::{CloudSimulator, LoadBalancer, Owner, Plant};
use testbed::environment::addresses;

/// A load balancer that nobody here may touch.
struct Theirs {
    cloud: Arc<CloudSimulator>,
    as_it_was: LoadBalancer,
    /// The last call before that.
    since: u64,
}

impl Theirs {
    fn new(cloud: &Arc<CloudSimulator>, as_it_was: LoadBalancer) -> Self {
        let last = cloud.events().last().map(|event| event.sequence);
        Self {
            cloud: cloud.clone(),
            as_it_was,
            since: last.unwrap_or_default(),
        }
    }

    /// Of another cluster, for a Service of the same namespace and name; of
    /// nobody; or whatever the owner says.
    async fn planted(test: &Environment, name: &str, owner: Option<Owner>) -> Result<Self> {
        let plant = Plant {
            name: name.to_owned(),
            owner,
            ..Plant::default()
        };
        Ok(Self::new(&test.cloud1, test.cloud1.plant(plant).await?))
    }

    fn id(&self) -> &str {
        &self.as_it_was.id
    }

    fn address(&self) -> String {
        address(&self.as_it_was)
    }

    /// Fails if it is not as it was, or if anybody tried to change that: a call
    /// that was refused is an attempt all the same.
    fn ensure_untouched(&self) -> Result<()> {
        let inventory = self.cloud.inventory();
        let found = inventory.iter().find(|found| found.id == self.id());
        ensure!(
            found == Some(&self.as_it_was),
            "{:?} became {found:?}",
            self.as_it_was
        );
        for call in self.cloud.events_after(self.since) {
            let about_it = call.id.as_deref() == Some(self.id());
            ensure!(!(about_it && call.verb.is_mutation()), "{call:?}");
        }
        Ok(())
    }
}

/// Of another cluster, for a Service that is called as ours is.
fn another_cluster(test: &Environment) -> Owner {
    Owner {
        cluster: "another-cluster".into(),
        namespace: test.namespace.clone(),
        name: "web".into(),
        uid: "c5d7e9f0-0000-4000-8000-000000000001".into(),
    }
}

fn address(found: &LoadBalancer) -> String {
    found.ip.map(|ip| ip.to_string()).unwrap_or_default()
}

/// The load balancers on a cloud that were made for this very Service.
fn made_for(cloud: &CloudSimulator, service: &Service) -> Vec<LoadBalancer> {
    let uid = service.uid().unwrap_or_default();
    let is_its = |found: &LoadBalancer| found.owner.as_ref().is_some_and(|owner| owner.uid == uid);
    let mut found = cloud.inventory();
    found.retain(is_its);
    found
}

/// Fails unless the Service has one load balancer of its own on this cloud, and
/// says so in record and status; gives it.
fn ensure_own(
    test: &Environment,
    cloud: &CloudSimulator,
    service: &Service,
) -> Result<LoadBalancer> {
    let mut own = made_for(cloud, service);
    ensure!(own.len() == 1, "{own:?} of {}", service.name_any());
    let own = own.remove(0);
    let record = test.record(service).context("a record")?;
    ensure!(record == (own.id.as_str(), cloud.name()), "{record:?}");
    let published = addresses(service);
    ensure!(published == [address(&own)], "{published:?}");
    Ok(own)
}

/// Writes an address into a Service's status, as an administrator can.
async fn forge_status(test: &Environment, name: &str, address: &str) -> Result<()> {
    let patch = json!({"status": {"loadBalancer": {"ingress": [{"ip": address}]}}});
    let forged = test
        .services()
        .patch_status(name, &PatchParams::default(), &Patch::Merge(patch))
        .await;
    forged.with_context(|| format!("forging the status of {name}"))?;
    Ok(())
}
