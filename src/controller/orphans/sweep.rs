//! The sweep: finds load balancers whose Service is gone and deletes them, a
//! few at a time, or releases them if their Service has said that they are to be retained.
//!
//! Our finalizer keeps a Service until its load balancer is gone. The exception is
//! a create that takes effect late, after the Service was removed: only the cloud's
//! own list shows that load balancer.
//!
//! A load balancer is deleted only if it is ours by owner and name, every sweep of the
//! grace period has found that no Service has it, and live looks confirm that right
//! before that. A Service that exists has it if this installation manages the
//! Service, or if any installation has a mark on it: see [`Claim`]. At most
//! [`MAX_PER_SWEEP`] are deleted or released at once, so that a wrong observation (a cloned cluster,
//! an emptied API server) never deletes many.
//!
//! A load balancer that others made and that is attached to a Service which is gone, or no longer
//! asks for it, is found by the same rules. It is never deleted: the listeners of the Service and
//! our owner are taken off.

mod attachment;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{OrphanPolicy, reference, why_kept};
use crate::cloud::{CloudError, Listed, Which};
use crate::controller::Context;
use crate::controller::cloud_handle::CloudHandle;
use crate::controller::context::uid;
use crate::controller::error::{ReconcileError, Unfinished};
use crate::controller::report::spans;
use crate::kubernetes::events::EventReason;
use crate::plan::load_balancer::{LoadBalancer, State};
use crate::plan::naming::{CloudName, LoadBalancerId, Owner};
use crate::plan::orphan::{Claim, Fate, Shown, Suspicion, service_owner, suspect};
use crate::priority::Priority;
use crate::telemetry::traces;

/// The most orphans that one sweep of one cloud deletes or releases.
pub const MAX_PER_SWEEP: usize = 5;

/// The most Services that one sweep of one cloud reads from the API server to confirm
/// suspicions. A cloud that lists thousands of load balancers with owners that it made up
/// must not cause as many requests; twenty sweeps delete no more.
pub const MAX_LIVE_READS: usize = 100;

/// How orphans are handled.
#[derive(Clone, Copy, Debug)]
pub struct SweepSettings {
    pub policy: OrphanPolicy,
    /// The time for which a load balancer must be an orphan before it is deleted or released.
    pub grace: Duration,
}

/// The sweep of one cloud; remembers its suspects from one list to the next.
pub struct Sweep<'a> {
    name: &'a CloudName,
    cloud: &'a CloudHandle,
    settings: SweepSettings,
    context: &'a Context,
    suspects: Mutex<Suspects>,
}

type Suspects = HashMap<LoadBalancerId, Suspect>;

#[derive(Clone, Copy, Debug, Default)]
struct Suspect {
    /// The first live read that confirmed the suspicion, by this process's own clock.
    since: Option<Instant>,
    /// The last live read.
    read: Option<Instant>,
    /// The last attempt to delete or release it.
    tried: Option<Instant>,
    /// The fate that the last Event told.
    told: Option<Fate>,
}

/// A load balancer that no Service has.
#[derive(Clone)]
struct Orphan<'a> {
    found: &'a LoadBalancer,
    /// The Service that does not have it.
    owner: Cow<'a, Owner>,
    suspicion: Suspicion,
    fate: Fate,
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
    pub async fn run(&self, list: &Listed) {
        if !*self.context.watched.services_listed.borrow() {
            return;
        }
        let shown = Shown::new(self.name, list.iter());
        let mut orphans = self.suspected(list, &shown);
        self.keep_only(&orphans);
        // An unreachable API server must not remove orphans from the metrics.
        if self.confirm(&mut orphans, &shown).await {
            let inventory = &self.context.metrics.inventory;
            inventory.orphans(self.name.as_str(), self.confirmed());
        }
        for orphan in self.due(orphans) {
            let span = spans::of_orphan(&orphan.owner, self.context);
            span.run(self.handle(orphan)).await;
        }
        let orphans = self.confirmed();
        if self.settings.policy == OrphanPolicy::Report && orphans > 0 {
            tracing::info!(cloud = %self.name, orphans, "there are orphaned load balancers, which are kept because of the configuration (orphans: report)");
        }
    }

    /// The suspects by the watch's store, without a request.
    fn suspected<'list>(&self, list: &'list Listed, shown: &Shown<'_>) -> Vec<Orphan<'list>> {
        let cluster = &self.context.cluster;
        let services = self.context.watched.services.state();
        let services = services
            .iter()
            .filter_map(|service| Some((uid(service)?, service)));
        let services: HashMap<_, _> = services.collect();
        let suspected = |found: &'list LoadBalancer| {
            let owner = service_owner(found, cluster)?;
            let claim = services.get(&owner.uid);
            let claim = claim.map(|service| self.context.claim(service));
            let suspicion = suspect(found, cluster, claim.as_ref(), shown)?;
            let fate = self.fate((found, &suspicion), &owner, claim.as_ref());
            Some(Orphan {
                found,
                owner,
                suspicion,
                fate,
            })
        };
        list.iter().filter_map(suspected).collect()
    }

    /// Forgets the suspects of earlier sweeps that are none now: their grace period
    /// starts anew.
    fn keep_only(&self, orphans: &[Orphan<'_>]) {
        let found: HashSet<_> = orphans.iter().map(|orphan| &orphan.found.id).collect();
        self.suspects.lock().retain(|id, _| found.contains(id));
    }

    /// Confirms the suspicions by live reads, [`MAX_LIVE_READS`] at most, and removes those
    /// that are refuted. The longest unread come first, so that each has its turn. Returns
    /// false if the API server did not respond.
    async fn confirm(&self, orphans: &mut Vec<Orphan<'_>>, shown: &Shown<'_>) -> bool {
        let last_read = |orphan: &Orphan<'_>, suspects: &Suspects| {
            suspects.get(&orphan.found.id).and_then(|known| known.read)
        };
        {
            let suspects = self.suspects.lock();
            orphans.sort_by_key(|orphan| last_read(orphan, &suspects));
        }
        let (mut refuted, mut responds) = (HashSet::new(), true);
        for Orphan { found, owner, .. } in orphans.iter().take(MAX_LIVE_READS) {
            let claim = match self.context.live_claim(owner).await {
                Ok(claim) => claim,
                Err(error) => {
                    // The others would fail in the same way. A delete needs a read of
                    // its own.
                    tracing::warn!(cloud = %self.name, id = %found.id, %error, "cannot check whether the Service of a load balancer exists; the next sweep will retry");
                    responds = false;
                    break;
                }
            };
            let cluster = &self.context.cluster;
            let is_confirmed = suspect(found, cluster, claim.as_ref(), shown).is_some();
            self.mark_read(&found.id, is_confirmed);
            if !is_confirmed {
                refuted.insert(found.id.clone());
            }
        }
        let unread = orphans.len().saturating_sub(MAX_LIVE_READS);
        if unread > 0 {
            tracing::info!(cloud = %self.name, unread, "there are more suspected orphans than live reads in a sweep; the next sweeps will check the others");
        }
        orphans.retain(|orphan| !refuted.contains(&orphan.found.id));
        responds
    }

    /// Records a live read, which begins the grace period or ends it.
    fn mark_read(&self, id: &LoadBalancerId, is_confirmed: bool) {
        let now = Instant::now();
        let mut suspects = self.suspects.lock();
        let suspect = suspects.entry(id.clone()).or_default();
        suspect.read = Some(now);
        if is_confirmed {
            suspect.since.get_or_insert(now);
        } else {
            suspect.since = None;
        }
    }

    fn confirmed(&self) -> usize {
        let suspects = self.suspects.lock();
        suspects
            .values()
            .filter(|known| known.since.is_some())
            .count()
    }

    /// The orphans to handle now: those past their grace period, the longest untried
    /// first, so that a few that cannot be deleted do not starve the others. Those that are
    /// kept are told of once: a cloud must not fill the log.
    fn due<'list>(&self, orphans: Vec<Orphan<'list>>) -> Vec<Orphan<'list>> {
        let now = Instant::now();
        let suspects = self.suspects.lock();
        let mut due = Vec::new();
        for orphan in orphans {
            let known = suspects.get(&orphan.found.id).copied();
            let Some(Suspect {
                since: Some(since),
                read: _,
                tried,
                told,
            }) = known
            else {
                continue;
            };
            let is_deleting = orphan.found.state == State::Deleting;
            let is_told = match (self.settings.policy, orphan.fate) {
                (OrphanPolicy::Report, _) => told.is_some(),
                (OrphanPolicy::Delete, Fate::Keep(_)) => told == Some(orphan.fate),
                (OrphanPolicy::Delete, Fate::Delete | Fate::Release | Fate::Detach) => false,
            };
            if now.duration_since(since) >= self.settings.grace && !is_deleting && !is_told {
                due.push((tried, orphan));
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
        let (name, id, owner) = (self.name, &orphan.found.id, orphan.owner.clone());
        let what = match orphan.found.existing_owner() {
            Some(_) => {
                format!("The attachment to load balancer {id} on {name}, which others made,")
            }
            None => format!("Load balancer {id} on {name}"),
        };
        let why = explain(&orphan.suspicion);
        let fate = orphan.fate;
        let is_new = self.mark_tried(id, fate);
        let emit = |note: String| {
            if is_new {
                let reason = EventReason::OrphanedLoadBalancer;
                self.context
                    .events
                    .emit_for(reference(&owner), reason, note);
            }
        };
        let service = format!("{}/{}", owner.namespace, owner.name);
        tracing::warn!(cloud = %name, %id, service, uid = %owner.uid, "found an orphan: {what} has no Service: {why}");
        if self.settings.policy == OrphanPolicy::Report {
            return emit(format!(
                "{what} is orphaned: {why}; it is kept because of the configuration (orphans: report)"
            ));
        }
        if let Fate::Keep(kept) = fate {
            let kept = why_kept(kept, name);
            tracing::warn!(cloud = %name, %id, service, "an orphan is left as it is: {kept}");
            return emit(format!("{what} is orphaned: {why}; {kept}"));
        }
        let inventory = &self.context.metrics.inventory;
        match (self.end(orphan).await, fate) {
            (Ok(()), Fate::Release) => self.context.report_retained(name, id, &owner, &why),
            (Ok(()), Fate::Detach) => self.context.report_detached(name, id, &owner, &why),
            (Ok(()), _) => {
                inventory.orphan_deleted(name.as_str(), "success");
                emit(format!(
                    "Deleting orphaned load balancer {id} on {name}: {why}"
                ));
            }
            // The load balancer has a Service after all, or what is to become of it has
            // changed. If a later sweep finds it orphaned again, the grace period starts anew.
            (Err(ReconcileError::Changed), _) => {
                tracing::info!(cloud = %name, %id, "the load balancer is not the orphan that it was and is left alone");
                self.suspects.lock().remove(id);
            }
            (Err(error), _) => {
                traces::fail(
                    Unfinished::Failed(&error).reason().as_str(),
                    error.to_string(),
                );
                let (doing, aim) = match fate {
                    Fate::Release => ("releasing", "take the owner off"),
                    Fate::Detach => ("detaching from", "take what is ours off"),
                    Fate::Delete | Fate::Keep(_) => {
                        inventory.orphan_deleted(name.as_str(), "error");
                        ("deleting", "delete")
                    }
                };
                emit(format!(
                    "Error {doing} orphaned load balancer {id} on {name} (will retry): {error}"
                ));
                tracing::warn!(cloud = %name, %id, %error, "failed to {aim} an orphaned load balancer; a later sweep will retry");
            }
        }
    }

    /// Records an attempt to handle an orphan. Returns whether no Event has told this fate of
    /// the orphan before.
    fn mark_tried(&self, id: &LoadBalancerId, fate: Fate) -> bool {
        let mut suspects = self.suspects.lock();
        suspects.get_mut(id).is_some_and(|suspect| {
            suspect.tried = Some(Instant::now());
            suspect.told.replace(fate) != Some(fate)
        })
    }

    /// Deletes, releases or detaches from an orphan, by its fate.
    ///
    /// # Errors
    /// [`ReconcileError::Changed`] if the cloud no longer shows it as it was listed,
    /// or live looks no longer confirm its fate.
    async fn end(&self, orphan: Orphan<'_>) -> Result<(), ReconcileError> {
        let Orphan {
            found,
            owner,
            suspicion: _,
            fate,
        } = orphan;
        let leadership = self.context.leadership().ok_or(ReconcileError::Stopping)?;
        let live = self.query(&found.id).await?;
        let unchanged = match &live {
            Some(live) => live.name == found.name && live.owner == found.owner,
            // Nothing is left to release.
            None => fate == Fate::Delete,
        };
        let live = live.as_ref().unwrap_or(found);
        if !unchanged || self.live_fate(live, &owner).await? != Some(fate) {
            return Err(ReconcileError::Changed);
        }
        let permit = leadership.permit()?;
        match fate {
            Fate::Keep(_) => {}
            Fate::Release => {
                let which = (&found.id, &*owner);
                let priority = Priority::Background;
                let released = self.cloud.release(self.name, &permit, which, priority);
                released.await?;
            }
            Fate::Detach => self.detach(found, &leadership).await?,
            Fate::Delete => {
                self.cloud.client.delete(&permit, &found.id).await?;
                self.cloud.inventory.forget(&found.id);
            }
        }
        Ok(())
    }

    /// What becomes of a load balancer if no Service has it, by live looks at its Service and at
    /// the load balancer that the Service has instead; `None` if a Service has it.
    async fn live_fate(
        &self,
        found: &LoadBalancer,
        owner: &Owner,
    ) -> Result<Option<Fate>, ReconcileError> {
        let recorded = |claim: &Claim| claim.record.get(self.name).cloned();
        let claim = self.context.live_claim(owner).await?;
        let instead = match claim.as_ref().and_then(recorded) {
            Some(id) if id != found.id => self.query(&id).await?,
            _ => None,
        };
        let shown = Shown::new(self.name, &instead);
        let cluster = &self.context.cluster;
        let suspicion = suspect(found, cluster, claim.as_ref(), &shown);
        Ok(suspicion.map(|suspicion| self.fate((found, &suspicion), owner, claim.as_ref())))
    }

    fn fate(
        &self,
        suspected: (&LoadBalancer, &Suspicion),
        owner: &Owner,
        claim: Option<&Claim>,
    ) -> Fate {
        self.context.fate(suspected, owner, claim, self.name)
    }

    async fn query(&self, id: &LoadBalancerId) -> Result<Option<LoadBalancer>, CloudError> {
        let which = Which::Id(id);
        self.cloud.client.query(which, Priority::Background).await
    }
}

fn explain(suspicion: &Suspicion) -> String {
    match suspicion {
        Suspicion::NoService => "its Service is gone or no longer managed".into(),
        Suspicion::Duplicate { recorded } => {
            format!("its Service has load balancer {recorded} there")
        }
        Suspicion::NotAskedFor => "its Service does not ask for it any more".into(),
    }
}
