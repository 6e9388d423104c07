//! The sweep: finds load balancers whose Service is gone and deletes them, a
//! few at a time.
//!
//! Our finalizer keeps a Service until its load balancer is gone. What this
//! cannot exclude is a create that takes effect late, after the Service went:
//! only a look at what the cloud really has finds that.
//!
//! Every doubt protects the load balancer: it must be ours by owner and name,
//! its Service gone (or no longer ours, without our finalizer) by a live read,
//! and both so at every look for the whole grace period. At most [`MAX_PER_SWEEP`] go at once, so that one wrong
//! belief (a cloned cluster, an emptied API server) never deletes many.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::{ObjectReference, Service};
use kube::ResourceExt;
use tokio::time::Instant;

use super::Context;
use super::cloud_handle::CloudHandle;
use super::error::ReconcileError;
use super::trace;
use crate::cloud::{Priority, Which};
use crate::config::Orphans;
use crate::kubernetes::MetadataKeys;
use crate::kubernetes::events::EventReason;
use crate::kubernetes::service::view;
use crate::plan::load_balancer::{LoadBalancer, State};
use crate::plan::naming::{CloudName, ClusterId, LoadBalancerId, Owner, ServiceKey, ServiceUid};
use crate::plan::orphan::suspect;
use crate::plan::{Clouds, Desired, desired};
use crate::telemetry::traces;

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
    suspects: Mutex<HashMap<LoadBalancerId, Suspect>>,
}

#[derive(Clone, Copy, Debug)]
struct Suspect {
    /// Since when it is seen as an orphan, by this process's own clock.
    since: Instant,
    /// When it was last tried to delete it.
    tried: Option<Instant>,
    /// Whether an Event spoke of it.
    reported: bool,
}

impl Sweep {
    /// Looks through a fresh list.
    pub async fn run(
        &self,
        name: &CloudName,
        cloud: &CloudHandle,
        found: &[LoadBalancer],
        settings: SweepSettings,
        context: &Context,
    ) {
        if !*context.services_listed.borrow() {
            return;
        }
        let services = keepers(context);
        let mut orphans = Vec::new();
        let mut all_known = true;
        for load_balancer in found {
            let Some(owner) = suspect(load_balancer, &context.cluster, &services) else {
                continue;
            };
            match is_gone(owner, context).await {
                Ok(true) => orphans.push((load_balancer, owner)),
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(cloud = %name, id = %load_balancer.id, %error, "whether this is an orphan is not known");
                    all_known = false;
                }
            }
        }
        // Else an API server that is away would make orphans vanish from the metrics.
        if all_known {
            let inventory = &context.metrics.inventory;
            inventory.orphans(name.as_str(), orphans.len());
        }
        for (load_balancer, owner) in self.due(orphans, settings) {
            let handled = self.handle(name, cloud, load_balancer, owner, settings, context);
            trace::clean_up(owner, context).run(handled).await;
        }
    }

    /// Keeps count of how long each is one; gives those to handle now: past
    /// their grace, and those first that were not tried for the longest, so that
    /// a few that cannot be deleted do not shield the others.
    fn due<'a>(
        &self,
        orphans: Vec<(&'a LoadBalancer, &'a Owner)>,
        settings: SweepSettings,
    ) -> Vec<(&'a LoadBalancer, &'a Owner)> {
        let now = Instant::now();
        let mut suspects = self.suspects();
        suspects.retain(|id, _| orphans.iter().any(|(found, _)| found.id == *id));
        let mut due = Vec::new();
        for (found, owner) in orphans {
            let new = Suspect {
                since: now,
                tried: None,
                reported: false,
            };
            let suspect = *suspects.entry(found.id.clone()).or_insert(new);
            // What is on its way out needs nobody to send it.
            if now.duration_since(suspect.since) >= settings.grace && found.state != State::Deleting
            {
                due.push((suspect.tried, found, owner));
            }
        }
        due.sort_by_key(|(tried, ..)| *tried);
        let budget = match settings.orphans {
            Orphans::Delete => MAX_PER_SWEEP,
            Orphans::Report => due.len(),
        };
        let due = due.into_iter().take(budget);
        due.map(|(_, found, owner)| (found, owner)).collect()
    }

    /// Notes that it is handled now; gives whether an Event speaks of it for the first time.
    fn handled(&self, id: &LoadBalancerId) -> bool {
        let mut suspects = self.suspects();
        suspects.get_mut(id).is_some_and(|suspect| {
            suspect.tried = Some(Instant::now());
            !std::mem::replace(&mut suspect.reported, true)
        })
    }

    /// Notes that it is none: should it be seen as one again, all begins anew.
    fn clear_suspect(&self, id: &LoadBalancerId) {
        self.suspects().remove(id);
    }

    fn suspects(&self) -> MutexGuard<'_, HashMap<LoadBalancerId, Suspect>> {
        self.suspects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn handle(
        &self,
        name: &CloudName,
        cloud: &CloudHandle,
        found: &LoadBalancer,
        owner: &Owner,
        settings: SweepSettings,
        context: &Context,
    ) {
        let id = &found.id;
        let is_news = self.handled(id);
        let say = |note: String| {
            if is_news {
                let reason = EventReason::OrphanedLoadBalancer;
                context.events.emit_for(reference(owner), reason, note);
            }
        };
        let service = format!("{}/{}", owner.namespace, owner.name);
        tracing::warn!(cloud = %name, %id, service, uid = %owner.uid, "an orphan: its Service is gone or no longer ours");
        match settings.orphans {
            Orphans::Report => say(format!(
                "load balancer {id} on {name} has no Service any more; orphans are only reported (configuration: orphans)"
            )),
            Orphans::Delete => match delete(cloud, found, owner, context).await {
                Ok(()) => {
                    context
                        .metrics
                        .inventory
                        .orphan_deleted(name.as_str(), "success");
                    say(format!(
                        "load balancer {id} on {name} has no Service any more: it is deleted"
                    ));
                }
                // Of what has a Service after all, nothing is said.
                Err(ReconcileError::Changed) => {
                    tracing::info!(cloud = %name, %id, "no orphan any more: it is left alone");
                    self.clear_suspect(id);
                }
                Err(failure) => {
                    traces::fail(failure.reason(), failure.to_string());
                    context
                        .metrics
                        .inventory
                        .orphan_deleted(name.as_str(), "error");
                    say(format!(
                        "load balancer {id} on {name} has no Service any more and could not be deleted, which is tried again: {failure}"
                    ));
                    tracing::warn!(cloud = %name, %id, error = %failure, "the orphan was not deleted; a later sweep tries again");
                }
            },
        }
    }
}

/// The Services that may have a load balancer: those with our finalizer, and
/// those that are about to get it.
fn keepers(context: &Context) -> BTreeSet<ServiceUid> {
    let services = context.services_store.state();
    let keeping = services.iter().filter(|service| is_kept(service, context));
    keeping
        .filter_map(|service| service.uid())
        .map(ServiceUid::new)
        .collect()
}

fn is_kept(service: &Service, context: &Context) -> bool {
    keeps(
        service,
        &context.metadata_keys,
        &context.cluster,
        &context.capabilities,
    )
}

/// Whether a Service may have load balancers of ours.
pub fn keeps(
    service: &Service,
    metadata_keys: &MetadataKeys,
    cluster: &ClusterId,
    clouds: &Clouds,
) -> bool {
    view(service, metadata_keys)
        .is_some_and(|view| !matches!(desired(&view, cluster, clouds), Desired::Unmanaged(_)))
}

/// Whether the Service is gone or no longer ours: asked of the API server,
/// never of the cache.
pub(super) async fn is_gone(owner: &Owner, context: &Context) -> Result<bool, ReconcileError> {
    let key = ServiceKey {
        namespace: owner.namespace.clone(),
        name: owner.name.clone(),
    };
    let live = context.services.get(&key).await?;
    let live = live.filter(|live| live.uid().as_deref() == Some(owner.uid.as_str()));
    Ok(live.is_none_or(|live| !is_kept(&live, context)))
}

/// Deletes it, if the cloud still says that it is what it was and the API
/// server still says that its Service is gone.
async fn delete(
    cloud: &CloudHandle,
    found: &LoadBalancer,
    owner: &Owner,
    context: &Context,
) -> Result<(), ReconcileError> {
    let leadership = context.leadership().ok_or(ReconcileError::Stopping)?;
    let live = cloud
        .client
        .query(Which::Id(&found.id), Priority::Background)
        .await?;
    let unchanged = live.is_none_or(|live| live.name == found.name && live.owner == found.owner);
    if !unchanged || !is_gone(owner, context).await? {
        return Err(ReconcileError::Changed);
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
