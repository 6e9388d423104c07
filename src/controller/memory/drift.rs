//! Drift: differences between a cloud and the Service that no user asked for.
//!
//! Repairs are paced, each cloud by itself, and come after user changes: a
//! cloud that lost everything, or suddenly reports every load balancer in other
//! words, must not get all repairs at once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::per_service::PerService;
use crate::controller::attempt::{ObservedService, Repair, Repairs, SpecHash};
use crate::plan::naming::{CloudName, LoadBalancerId, ServiceUid};
use crate::plan::{Action, Plan, Urgency, Waiting};

/// Repairs of one cloud that start at once.
pub const BURST: u32 = 10;
/// The time between two repairs of one cloud after the burst.
pub const SPACING: Duration = Duration::from_millis(200);

/// Which Services were in sync, and when each repair may start.
#[derive(Default)]
pub struct Drift {
    services: PerService<DriftState>,
    /// When the repairs of a cloud, one each [`SPACING`], are all used up.
    paces: Mutex<HashMap<CloudName, Instant>>,
}

/// Of a Service that was in sync and whose user has asked for nothing since. A
/// new leader has seen none in sync: what differs then may be an edit.
struct DriftState {
    synced: SyncedState,
    /// When the repair on each cloud may start; kept until a plan has none there.
    slots: BTreeMap<CloudName, Instant>,
}

/// A state of the Service, and of the Nodes, that all clouds had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SyncedState {
    spec_hash: SpecHash,
    nodes: u64,
}

/// The repair that an action is.
struct RepairAction<'a> {
    cloud: &'a CloudName,
    changed: Option<&'a LoadBalancerId>,
    /// Back ends that came or went may not wait, whatever is repaired with them.
    may_wait: bool,
}

impl SyncedState {
    /// The repair that an action is, if the user and the Nodes did not ask for it.
    fn repair<'a>(self, action: &'a Action, nodes: u64) -> Option<RepairAction<'a>> {
        let same_nodes = self.nodes == nodes;
        match action {
            Action::Create { cloud, .. } => Some(RepairAction {
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
    /// Records that nothing is left to do for a Service as it is.
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

    /// The repairs in a plan, each with its slot.
    pub fn schedule(&self, plan: &Plan, service: &ObservedService) -> Repairs {
        let mut services = self.services.lock();
        let Some(state) = services.get_mut(&service.view.uid) else {
            return Repairs::new();
        };
        let synced = state.synced;
        if synced.spec_hash != service.spec_hash {
            // The user asked for another state, even if they take that back later.
            services.remove(&service.view.uid);
            return Repairs::new();
        }
        let before = std::mem::take(&mut state.slots);
        let mut repairs = Repairs::new();
        let now = Instant::now();
        for action in &plan.actions {
            let Some(found) = synced.repair(action, service.nodes_version()) else {
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
        // A cloud that does not answer may still need its repair.
        let is_unreachable = |cloud: &CloudName| {
            plan.waiting
                .contains(&Waiting::CloudUnreachable(cloud.clone()))
        };
        let kept = before
            .into_iter()
            .filter(|(cloud, _)| is_unreachable(cloud));
        state.slots.extend(kept);
        repairs
    }

    /// Whether all that is left to do for a Service is a repair, for which no
    /// user waits.
    pub fn is_queued(&self, uid: &ServiceUid, spec_hash: SpecHash) -> bool {
        self.services
            .lock()
            .get(uid)
            .is_some_and(|state| state.synced.spec_hash == spec_hash && !state.slots.is_empty())
    }

    pub fn forget(&self, uid: &ServiceUid) {
        self.services.forget(uid);
    }

    pub fn retain(&self, alive: &HashSet<ServiceUid>) {
        self.services.retain(alive);
    }

    /// Takes a cloud's next slot.
    fn reserve_slot(&self, cloud: &CloudName, now: Instant) -> Instant {
        let mut paces = self.paces.lock();
        let pace = paces.entry(cloud.clone()).or_insert(now);
        *pace = (*pace).max(now) + SPACING;
        (*pace).checked_sub(BURST * SPACING).unwrap_or(now).max(now)
    }
}

#[cfg(test)]
mod tests;
