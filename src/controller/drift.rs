//! Drift: what changed at a cloud although nobody here asked for it.
//!
//! It is put right at a pace, each cloud at its own, and after what users wait
//! for: a cloud that lost everything, or suddenly words everything otherwise,
//! must not get all of it at once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::error::ReconcileError;
use super::observe::ObservedService;
use super::retry::SpecHash;
use crate::plan::naming::{CloudName, ServiceUid};
use crate::plan::{Action, Plan, Urgency, Waiting, is_edit};

/// Services of one cloud that are repaired at once,
pub const BURST: u32 = 10;
/// and the time between two of them after that.
pub const SPACING: Duration = Duration::from_millis(200);

/// A cloud's part of a plan that puts right what somebody else changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repair {
    /// Whether this is the first attempt at it.
    pub is_new: bool,
    /// Until its turn; `None` when that has come.
    pub wait: Option<Duration>,
}

/// The repairs in a plan, by cloud.
pub type Repairs = BTreeMap<CloudName, Repair>;

/// Which Services had all they asked for, and whose turn it is to be repaired.
#[derive(Default)]
pub struct Drift(Mutex<DriftState>);

#[derive(Default)]
struct DriftState {
    /// Of the Services that have asked for nothing since. A new leader knows of
    /// none: what differs then may be a user's edit.
    synced: HashMap<ServiceUid, SyncedState>,
    /// When the repairs of a cloud, one each [`SPACING`], are all used up.
    paces: HashMap<CloudName, Instant>,
    /// When each may be repaired; kept until a plan has no repair there.
    slots: HashMap<ServiceUid, BTreeMap<CloudName, Instant>>,
}

/// What the clouds had all of: a state of the Service, and of the Nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SyncedState {
    input: SpecHash,
    nodes: u64,
}

impl SyncedState {
    /// The cloud that this action repairs, if it does, and whether that may wait:
    /// back ends that came or went may not, whatever else is to be mended with them.
    fn repair(self, action: &Action, nodes: u64) -> Option<(&CloudName, bool)> {
        let same_nodes = self.nodes == nodes;
        match action {
            Action::Create { cloud, .. } => Some((cloud, true)),
            Action::Update { cloud, urgency, .. } => {
                (same_nodes || *urgency == Urgency::User).then_some((cloud, same_nodes))
            }
            _ => None,
        }
    }
}

impl Drift {
    /// Notes that nothing is left to do for a Service as it is.
    pub fn mark_in_sync(&self, service: &ObservedService) {
        let (uid, mut state) = (&service.view.uid, self.lock());
        let granted = SyncedState {
            input: service.spec_hash,
            nodes: service.nodes_version(),
        };
        state.synced.insert(uid.clone(), granted);
        state.slots.remove(uid);
    }

    /// The repairs in a plan, each with its turn.
    pub fn schedule(&self, plan: &Plan, service: &ObservedService) -> Repairs {
        let uid = &service.view.uid;
        let mut state = self.lock();
        let Some(granted) = state.synced.get(uid).copied() else {
            return Repairs::new();
        };
        if granted.input != service.spec_hash {
            // Whatever the user makes of it later, this was asked for.
            state.synced.remove(uid);
            state.slots.remove(uid);
            return Repairs::new();
        }
        let before = state.slots.remove(uid).unwrap_or_default();
        let mut repairs = Repairs::new();
        let mut turns = BTreeMap::new();
        let now = Instant::now();
        for action in &plan.actions {
            let Some((cloud, may_wait)) = granted.repair(action, service.nodes_version()) else {
                continue;
            };
            let given = before.get(cloud).copied();
            let turn = match given {
                _ if !may_wait => now,
                Some(turn) => turn,
                None => state.reserve_slot(cloud, now),
            };
            turns.insert(cloud.clone(), turn);
            let repair = Repair {
                is_new: given.is_none(),
                wait: (turn > now).then(|| turn - now),
            };
            repairs.insert(cloud.clone(), repair);
        }
        // A cloud that says nothing is no cloud that needs nothing.
        let is_silent = |cloud: &CloudName| {
            plan.waiting
                .contains(&Waiting::CloudUnreachable(cloud.clone()))
        };
        turns.extend(before.into_iter().filter(|(cloud, _)| is_silent(cloud)));
        if !turns.is_empty() {
            state.slots.insert(uid.clone(), turns);
        }
        repairs
    }

    /// Whether nobody waits for what is to be done for a Service, because it is a repair.
    pub fn is_queued(&self, uid: &ServiceUid, input: SpecHash) -> bool {
        let state = self.lock();
        let is_as_it_was = state.synced.get(uid).is_some_and(|one| one.input == input);
        is_as_it_was && state.slots.contains_key(uid)
    }

    /// Drops what is remembered of all Services but these.
    pub fn keep(&self, alive: &HashSet<ServiceUid>) {
        let mut state = self.lock();
        state.synced.retain(|uid, _| alive.contains(uid));
        state.slots.retain(|uid, _| alive.contains(uid));
    }

    /// Drops what is remembered of a Service.
    pub fn forget(&self, uid: &ServiceUid) {
        let mut state = self.lock();
        state.synced.remove(uid);
        state.slots.remove(uid);
    }

    fn lock(&self) -> MutexGuard<'_, DriftState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DriftState {
    /// The next turn of a cloud, which is taken with that.
    fn reserve_slot(&mut self, cloud: &CloudName, now: Instant) -> Instant {
        let pace = self.paces.entry(cloud.clone()).or_insert(now);
        *pace = (*pace).max(now) + SPACING;
        (*pace).checked_sub(BURST * SPACING).unwrap_or(now).max(now)
    }
}

/// A plan without what has to wait for its turn, and that as failures.
pub fn postpone(mut plan: Plan, repairs: &Repairs) -> (Plan, Vec<ReconcileError>) {
    let needs_the_live_service = |action: &Action| {
        matches!(action, Action::Create { .. } | Action::Delete { .. }) || is_edit(action)
    };
    plan.actions.retain(|action| match action {
        Action::Create { cloud, .. } | Action::Update { cloud, .. } => repairs
            .get(cloud)
            .is_none_or(|repair| repair.wait.is_none()),
        _ => true,
    });
    let postponed = repairs.iter().filter_map(|(cloud, repair)| {
        let (cloud, wait) = (cloud.clone(), repair.wait?);
        Some(ReconcileError::QueuedForRepair { cloud, wait })
    });
    let postponed: Vec<ReconcileError> = postponed.collect();
    if !postponed.is_empty() && !plan.actions.iter().any(needs_the_live_service) {
        // Nothing is left that the live Service would have to be asked for.
        plan.actions.retain(|action| *action != Action::ConfirmLive);
    }
    (plan, postponed)
}

#[cfg(test)]
mod tests;
