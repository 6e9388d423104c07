//! The sweep: finds load balancers whose Service is gone and deletes them, a
//! few at a time.
//!
//! Our finalizer keeps a Service until its load balancer is gone. The exception is
//! a create that takes effect late, after the Service was removed: only the cloud's
//! own list shows that load balancer.
//!
//! A load balancer is deleted only if it is ours by owner and name, and a live read
//! shows that its Service is gone (or no longer managed, without our finalizer), and
//! every sweep of the grace period has found both. At most [`MAX_PER_SWEEP`] are
//! deleted at once, so that a wrong observation (a cloned cluster, an emptied API
//! server) never deletes many.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{OrphanPolicy, reference};
use crate::cloud::Which;
use crate::controller::Context;
use crate::controller::cloud_handle::CloudHandle;
use crate::controller::context::uid;
use crate::controller::error::{ReconcileError, Unfinished};
use crate::controller::report::spans;
use crate::kubernetes::events::EventReason;
use crate::plan::load_balancer::{LoadBalancer, State};
use crate::plan::naming::{CloudName, LoadBalancerId, Owner, ServiceUid};
use crate::plan::orphan::suspect;
use crate::priority::Priority;
use crate::telemetry::traces;

/// The most orphans that one sweep of one cloud deletes.
pub const MAX_PER_SWEEP: usize = 5;

/// How orphans are handled.
#[derive(Clone, Copy, Debug)]
pub struct SweepSettings {
    pub policy: OrphanPolicy,
    /// The time for which a load balancer must be an orphan before it is deleted.
    pub grace: Duration,
}

/// The sweep of one cloud; remembers its suspects from one list to the next.
pub struct Sweep<'a> {
    name: &'a CloudName,
    cloud: &'a CloudHandle,
    settings: SweepSettings,
    context: &'a Context,
    suspects: Mutex<HashMap<LoadBalancerId, Suspect>>,
}

#[derive(Clone, Copy, Debug)]
struct Suspect {
    /// The first sweep that found the orphan, by this process's own clock.
    since: Instant,
    /// The last attempt to delete it.
    tried: Option<Instant>,
    reported: bool,
}

/// A load balancer without a Service.
#[derive(Clone, Copy)]
struct Orphan<'a> {
    found: &'a LoadBalancer,
    owner: &'a Owner,
}

impl<'a> Sweep<'a> {
    pub fn new(
        name: &'a CloudName,
        cloud: &'a CloudHandle,
        settings: SweepSettings,
        context: &'a Context,
    ) -> Self {
        let suspects = Mutex::default();
        Self {
            name,
            cloud,
            settings,
            context,
            suspects,
        }
    }

    /// Searches a fresh list for orphans and handles those that are due.
    pub async fn run(&self, list: &[LoadBalancer]) {
        if !*self.context.watched.services_listed.borrow() {
            return;
        }
        let orphans = self.orphans(list).await;
        for orphan in self.due(orphans) {
            let span = spans::of_orphan(orphan.owner, self.context);
            span.run(self.handle(orphan)).await;
        }
    }

    async fn orphans<'list>(&self, list: &'list [LoadBalancer]) -> Vec<Orphan<'list>> {
        let services = self.services_with_load_balancers();
        let mut orphans = Vec::new();
        let mut all_checked = true;
        for found in list {
            let Some(owner) = suspect(found, &self.context.cluster, &services) else {
                continue;
            };
            match self.context.is_service_gone(owner).await {
                Ok(true) => orphans.push(Orphan { found, owner }),
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(cloud = %self.name, id = %found.id, %error, "cannot check whether the Service of a load balancer exists; the next sweep will retry");
                    all_checked = false;
                }
            }
        }
        // An unreachable API server must not remove orphans from the metrics.
        if all_checked {
            let inventory = &self.context.metrics.inventory;
            inventory.orphans(self.name.as_str(), orphans.len());
        }
        orphans
    }

    /// The Services that may have a load balancer, as the watch shows them.
    fn services_with_load_balancers(&self) -> BTreeSet<ServiceUid> {
        let services = self.context.watched.services.state();
        let candidates = services
            .iter()
            .filter(|service| self.context.may_have_load_balancers(service));
        candidates.filter_map(|service| uid(service)).collect()
    }

    /// The orphans to handle now: those past their grace period, the longest untried
    /// first, so that a few that cannot be deleted do not starve the others.
    fn due<'list>(&self, orphans: Vec<Orphan<'list>>) -> Vec<Orphan<'list>> {
        let now = Instant::now();
        let mut suspects = self.suspects.lock();
        let found: HashSet<_> = orphans.iter().map(|orphan| &orphan.found.id).collect();
        suspects.retain(|id, _| found.contains(id));
        let mut due = Vec::new();
        for orphan in orphans {
            let new = Suspect {
                since: now,
                tried: None,
                reported: false,
            };
            let suspect = *suspects.entry(orphan.found.id.clone()).or_insert(new);
            let is_deleting = orphan.found.state == State::Deleting;
            if now.duration_since(suspect.since) >= self.settings.grace && !is_deleting {
                due.push((suspect.tried, orphan));
            }
        }
        due.sort_by_key(|(tried, _)| *tried);
        let budget = match self.settings.policy {
            OrphanPolicy::Delete => MAX_PER_SWEEP,
            OrphanPolicy::Report => due.len(),
        };
        due.into_iter()
            .take(budget)
            .map(|(_, orphan)| orphan)
            .collect()
    }

    async fn handle(&self, orphan: Orphan<'_>) {
        let (name, id, owner) = (self.name, &orphan.found.id, orphan.owner);
        let is_new = self.mark_tried(id);
        let emit = |note: String| {
            if is_new {
                let reason = EventReason::OrphanedLoadBalancer;
                self.context.events.emit_for(reference(owner), reason, note);
            }
        };
        let service = format!("{}/{}", owner.namespace, owner.name);
        tracing::warn!(cloud = %name, %id, service, uid = %owner.uid, "found an orphaned load balancer: its Service is gone or no longer managed");
        if self.settings.policy == OrphanPolicy::Report {
            return emit(format!(
                "Load balancer {id} on {name} is orphaned: its Service is gone or no longer managed; it is kept because of the configuration (orphans: report)"
            ));
        }
        let inventory = &self.context.metrics.inventory;
        match self.delete(orphan).await {
            Ok(()) => {
                inventory.orphan_deleted(name.as_str(), "success");
                emit(format!(
                    "Deleting orphaned load balancer {id} on {name}: its Service is gone or no longer managed"
                ));
            }
            // The load balancer has a Service after all. If a later sweep finds it
            // orphaned again, the grace period starts anew.
            Err(ReconcileError::Changed) => {
                tracing::info!(cloud = %name, %id, "the load balancer is no longer orphaned and is left alone");
                self.suspects.lock().remove(id);
            }
            Err(error) => {
                traces::fail(
                    Unfinished::Failed(&error).reason().as_str(),
                    error.to_string(),
                );
                inventory.orphan_deleted(name.as_str(), "error");
                emit(format!(
                    "Error deleting orphaned load balancer {id} on {name} (will retry): {error}"
                ));
                tracing::warn!(cloud = %name, %id, %error, "failed to delete an orphaned load balancer; a later sweep will retry");
            }
        }
    }

    /// Records an attempt to handle an orphan. Returns whether no Event about the
    /// orphan was emitted before.
    fn mark_tried(&self, id: &LoadBalancerId) -> bool {
        let mut suspects = self.suspects.lock();
        suspects.get_mut(id).is_some_and(|suspect| {
            suspect.tried = Some(Instant::now());
            !std::mem::replace(&mut suspect.reported, true)
        })
    }

    /// Deletes an orphan.
    ///
    /// # Errors
    /// [`ReconcileError::Changed`] if the cloud no longer shows it as it was listed,
    /// or the API server shows its Service again.
    async fn delete(&self, orphan: Orphan<'_>) -> Result<(), ReconcileError> {
        let Orphan { found, owner } = orphan;
        let leadership = self.context.leadership().ok_or(ReconcileError::Stopping)?;
        let live = self
            .cloud
            .client
            .query(Which::Id(&found.id), Priority::Background)
            .await?;
        let unchanged =
            live.is_none_or(|live| live.name == found.name && live.owner == found.owner);
        if !unchanged || !self.context.is_service_gone(owner).await? {
            return Err(ReconcileError::Changed);
        }
        let permit = leadership.permit()?;
        self.cloud.client.delete(&permit, &found.id).await?;
        self.cloud.inventory.forget(&found.id);
        Ok(())
    }
}
