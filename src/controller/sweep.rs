//! The sweep: finds load balancers whose Service is gone and deletes them, a
//! few at a time.
//!
//! Our finalizer keeps a Service until its load balancer is gone. What this
//! cannot exclude is a create that takes effect late, after the Service went:
//! only a look at what the cloud really has finds that.
//!
//! Every doubt protects the load balancer: it must be ours by owner and name,
//! its Service gone by a live read, and both so at every look for the whole
//! grace period. At most [`MAX_PER_SWEEP`] go at once, so that one wrong
//! belief (a cloned cluster, an emptied API server) never deletes many.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::ResourceExt;
use tokio::time::Instant;

use super::Context;
use super::failure::Failure;
use super::inventories::CloudInHand;
use crate::cloud::{Priority, Which};
use crate::config::Orphans;
use crate::kubernetes::events::EventReason;
use crate::plan::load_balancer::LoadBalancer;
use crate::plan::naming::{CloudName, LoadBalancerId, Owner, ServiceKey, ServiceUid};
use crate::plan::orphan::suspect;

/// Orphans deleted in one sweep of one cloud.
pub const MAX_PER_SWEEP: usize = 5;

/// What the sweep is told to do.
#[derive(Clone, Copy, Debug)]
pub struct SweepSettings {
    /// Whether orphans are deleted or only reported.
    pub orphans: Orphans,
    /// How long something must have been an orphan before it is deleted.
    pub grace: Duration,
}

/// The orphans of one cloud.
#[derive(Default)]
pub struct Sweep {
    /// Since when each is seen as an orphan, by this process's own clock.
    since: Mutex<HashMap<LoadBalancerId, Instant>>,
}

impl Sweep {
    /// Looks through a fresh list.
    pub async fn look(
        &self,
        name: &CloudName,
        cloud: &CloudInHand,
        found: &[LoadBalancer],
        settings: SweepSettings,
        context: &Context,
    ) {
        if !*context.services_listed.borrow() {
            return;
        }
        let services: BTreeSet<ServiceUid> = context
            .services_store
            .state()
            .iter()
            .filter_map(|service| service.uid())
            .map(ServiceUid::new)
            .collect();
        let mut orphans = Vec::new();
        for load_balancer in found {
            let Some(owner) = suspect(load_balancer, &context.cluster, &services) else {
                continue;
            };
            match is_gone(owner, context).await {
                Ok(true) => orphans.push((load_balancer, owner)),
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(cloud = %name, id = %load_balancer.id, %error, "whether this is an orphan is not known");
                }
            }
        }
        context.metrics.orphans(name.as_str(), orphans.len());
        let due = self.due(&orphans, settings.grace);
        for (load_balancer, owner) in orphans
            .into_iter()
            .filter(|(found, _)| due.contains(&found.id))
            .take(MAX_PER_SWEEP)
        {
            self.handle(name, cloud, load_balancer, owner, settings, context)
                .await;
        }
    }

    /// Keeps count of how long each is one; gives those whose grace is over.
    fn due(
        &self,
        orphans: &[(&LoadBalancer, &Owner)],
        grace: Duration,
    ) -> BTreeSet<LoadBalancerId> {
        let now = Instant::now();
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.retain(|id, _| orphans.iter().any(|(found, _)| found.id == *id));
        for (found, _) in orphans {
            since.entry(found.id.clone()).or_insert(now);
        }
        let is_over = |then: &Instant| now.duration_since(*then) >= grace;
        since
            .iter()
            .filter(|(_, then)| is_over(then))
            .map(|(id, _)| id.clone())
            .collect()
    }

    async fn handle(
        &self,
        name: &CloudName,
        cloud: &CloudInHand,
        found: &LoadBalancer,
        owner: &Owner,
        settings: SweepSettings,
        context: &Context,
    ) {
        let id = &found.id;
        let service = ServiceKey {
            namespace: owner.namespace.clone(),
            name: owner.name.clone(),
        };
        tracing::warn!(cloud = %name, %id, %service, uid = %owner.uid, "an orphan: its Service is gone");
        let event = |note: String| {
            context
                .events
                .say_about(reference(owner), EventReason::OrphanedLoadBalancer, note)
        };
        match settings.orphans {
            Orphans::Report => event(format!(
                "load balancer {id} on {name} has no Service any more; orphans are only reported (configuration: orphans)"
            )),
            Orphans::Delete => match delete(cloud, found, owner, context).await {
                Ok(()) => {
                    context.metrics.orphan_deleted(name.as_str(), "success");
                    event(format!(
                        "load balancer {id} on {name} had no Service any more and is deleted"
                    ));
                }
                Err(failure) => {
                    context.metrics.orphan_deleted(name.as_str(), "error");
                    tracing::warn!(cloud = %name, %id, error = %failure, "the orphan was not deleted; the next sweep tries again");
                }
            },
        }
    }
}

/// Whether the Service is gone: asked of the API server, never of the cache.
async fn is_gone(owner: &Owner, context: &Context) -> Result<bool, Failure> {
    let key = ServiceKey {
        namespace: owner.namespace.clone(),
        name: owner.name.clone(),
    };
    let live = context.services.get(&key).await?;
    Ok(live
        .and_then(|live| live.uid())
        .is_none_or(|uid| uid != owner.uid.as_str()))
}

/// Deletes it, if the cloud still says that it is what it was and the API
/// server still says that its Service is gone.
async fn delete(
    cloud: &CloudInHand,
    found: &LoadBalancer,
    owner: &Owner,
    context: &Context,
) -> Result<(), Failure> {
    let leadership = context.leadership().ok_or(Failure::Stopping)?;
    let live = cloud
        .client
        .query(Which::Id(&found.id), Priority::Background)
        .await?;
    let unchanged = live.is_none_or(|live| live.name == found.name && live.owner == found.owner);
    if !unchanged || !is_gone(owner, context).await? {
        return Err(Failure::Changed);
    }
    let permit = leadership.permit()?;
    cloud.client.delete(&permit, &found.id).await?;
    cloud.inventory.forget(&found.id);
    Ok(())
}

fn reference(owner: &Owner) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".into()),
        kind: Some("Service".into()),
        namespace: Some(owner.namespace.clone()),
        name: Some(owner.name.clone()),
        uid: Some(owner.uid.as_str().to_owned()),
        ..ObjectReference::default()
    }
}
