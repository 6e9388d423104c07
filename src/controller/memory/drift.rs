//! Drift: differences between a cloud and a Service that no edit caused.
//!
//! Repairs are rate-limited for each cloud and come after user changes: a cloud that
//! lost all load balancers, or suddenly reports all of them differently, must not
//! get all repairs at once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::per_service::PerService;
use crate::controller::attempt::{ObservedService, Repair, Repairs, SpecHash};
use crate::plan::naming::{CloudName, LoadBalancerId, ServiceUid};
use crate::plan::record::Record;
use crate::plan::{Action, Plan, Urgency, Waiting};

/// The number of repairs on one cloud that start at once.
pub const BURST: u32 = 10;
/// The time between two repairs on one cloud after the burst.
pub const SPACING: Duration = Duration::from_millis(200);

/// The Services that were in sync, and the slots of their repairs.
#[derive(Default)]
pub struct Drift {
    services: PerService<DriftState>,
    /// The time after which a cloud has no reserved slot; each repair adds [`SPACING`].
    reserved_until: Mutex<HashMap<CloudName, Instant>>,
}

/// The state of a Service that was in sync and was not edited since. A new leader
/// has none: a difference that it finds may be an edit.
struct DriftState {
    synced: SyncedState,
    /// The start of the repair on each cloud; kept until a plan has no repair there.
    slots: BTreeMap<CloudName, Instant>,
}

/// The state of the Service and of the Nodes that all clouds had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SyncedState {
    spec_hash: SpecHash,
    nodes: u64,
}

/// An action that is a repair.
struct RepairAction<'a> {
    cloud: &'a CloudName,
    changed: Option<&'a LoadBalancerId>,
    /// False for an update that also brings a change of the Nodes.
    may_wait: bool,
}

impl SyncedState {
    /// The action as a repair; `None` if a change of the Nodes caused it, or if there was nothing
    /// before that could have been changed: what a cloud was too full for is made late.
    fn repair<'a>(
        self,
        action: &'a Action,
        nodes: u64,
        record: &Record,
    ) -> Option<RepairAction<'a>> {
        let same_nodes = self.nodes == nodes;
        match action {
            Action::Create { cloud, .. } if record.get(cloud).is_some() => Some(RepairAction {
                cloud,
                changed: None,
                may_wait: true,
            }),
            Action::Update {
                cloud, id, urgency, ..
            } if same_nodes || *urgency == Urgency::User => Some(RepairAction {
                cloud,
                changed: Some(id),
                may_wait: same_nodes,
            }),
            _ => None,
        }
    }
}

impl Drift {
    /// Records that all clouds have the current state of a Service.
    pub fn mark_in_sync(&self, service: &ObservedService) {
        let synced = SyncedState {
            spec_hash: service.spec_hash,
            nodes: service.nodes_version(),
        };
        let state = DriftState {
            synced,
            slots: BTreeMap::new(),
        };
        self.services.insert(&service.view.uid, state);
    }

    /// The repairs in a plan. Reserves a slot for each new one.
    pub fn schedule(&self, plan: &Plan, service: &ObservedService) -> Repairs {
        let mut services = self.services.lock();
        let Some(state) = services.get_mut(&service.view.uid) else {
            return Repairs::new();
        };
        let synced = state.synced;
        if synced.spec_hash != service.spec_hash {
            // The Service was edited; reverting the edit later is an edit too.
            services.remove(&service.view.uid);
            return Repairs::new();
        }
        let before = std::mem::take(&mut state.slots);
        let mut repairs = Repairs::new();
        let now = Instant::now();
        for action in &plan.actions {
            let Some(found) = synced.repair(action, service.nodes_version(), &service.view.record)
            else {
                continue;
            };
            let reserved = before.get(found.cloud).copied();
            let slot = match reserved {
                _ if !found.may_wait => now,
                Some(slot) => slot,
                None => self.reserve_slot(found.cloud, now),
            };
            state.slots.insert(found.cloud.clone(), slot);
            let repair = Repair {
                changed: found.changed.cloned(),
                is_new: reserved.is_none(),
                wait: (slot > now).then(|| slot - now),
            };
            repairs.insert(found.cloud.clone(), repair);
        }
        // An unreachable cloud may still need its repair.
        let is_unreachable = |cloud: &CloudName| {
            let waits = |waiting| plan.waiting.contains(&waiting);
            waits(Waiting::CloudUnreachable(cloud.clone()))
                || waits(Waiting::Unanswered(cloud.clone()))
        };
        let kept = before
            .into_iter()
            .filter(|(cloud, _)| is_unreachable(cloud));
        state.slots.extend(kept);
        repairs
    }

    /// Whether a Service needs only a repair, for which no user waits.
    pub fn is_queued(&self, uid: &ServiceUid, spec_hash: SpecHash) -> bool {
        self.services
            .lock()
            .get(uid)
            .is_some_and(|state| state.synced.spec_hash == spec_hash && !state.slots.is_empty())
    }

    /// Whether a Service that was in sync was edited since; `None` if this replica has
    /// not seen it in sync.
    pub fn is_edited(&self, uid: &ServiceUid, spec_hash: SpecHash) -> Option<bool> {
        let services = self.services.lock();
        let state = services.get(uid)?;
        Some(state.synced.spec_hash != spec_hash)
    }

    pub fn forget(&self, uid: &ServiceUid) {
        self.services.forget(uid);
    }

    pub fn retain(&self, alive: &HashSet<ServiceUid>) {
        self.services.retain(alive);
    }

    /// Reserves a cloud's next slot.
    fn reserve_slot(&self, cloud: &CloudName, now: Instant) -> Instant {
        let mut all = self.reserved_until.lock();
        let until = all.entry(cloud.clone()).or_insert(now);
        *until = (*until).max(now) + SPACING;
        (*until)
            .checked_sub(BURST * SPACING)
            .unwrap_or(now)
            .max(now)
    }
}

#[cfg(test)]
mod tests;
