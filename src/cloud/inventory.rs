//! The known load balancers of a cloud, without a call.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use super::Listed;
use crate::plan::load_balancer::LoadBalancer;
use crate::plan::naming::{LoadBalancerId, LoadBalancerName};

/// The load balancers of one cloud, from its last list and all responses since then.
///
/// A missing name proves nothing: lists lag behind and may be incomplete. Query the
/// cloud to learn that a load balancer does not exist.
#[derive(Debug, Default)]
pub struct Inventory(Mutex<InventoryState>);

/// Identifies one load of the inventory from a list.
#[derive(Debug, PartialEq, Eq)]
pub struct LoadStamp(u64);

#[derive(Debug, Default)]
struct InventoryState {
    entries: Entries,
    /// Incremented by each load and each clear; an older load is void.
    generation: u64,
    /// Changes since the current load began, which its list may lack.
    since: Option<ChangesSince>,
}

/// The load balancers by name, with an index by id. Each id has one entry: a load balancer
/// that is renamed at the cloud has only its new name.
#[derive(Debug, Default)]
struct Entries {
    /// Shared with the last list.
    by_name: HashMap<LoadBalancerName, Arc<LoadBalancer>>,
    names: HashMap<LoadBalancerId, LoadBalancerName>,
    /// Those of which only the answer to a create is known.
    unshown: HashSet<LoadBalancerId>,
    /// Those whose specs the last list has left out.
    outlined: HashSet<LoadBalancerId>,
}

impl Entries {
    fn insert(&mut self, found: Arc<LoadBalancer>) {
        let (id, name) = (found.id.clone(), found.name.clone());
        self.unshown.remove(&id);
        self.outlined.remove(&id);
        let replaced = self.by_name.insert(name.clone(), found);
        if let Some(replaced) = replaced.filter(|replaced| replaced.id != id) {
            self.names.remove(&replaced.id);
            self.unshown.remove(&replaced.id);
            self.outlined.remove(&replaced.id);
        }
        let before = self.names.insert(id, name.clone());
        if let Some(renamed) = before.filter(|before| *before != name) {
            self.by_name.remove(&renamed);
        }
    }

    /// Removes the load balancer of this id and returns its name.
    fn remove(&mut self, id: &LoadBalancerId) -> Option<LoadBalancerName> {
        self.unshown.remove(id);
        self.outlined.remove(id);
        let name = self.names.remove(id)?;
        self.by_name.remove(&name);
        Some(name)
    }

    fn retain(&mut self, keeps: impl Fn(&LoadBalancer) -> bool) {
        self.by_name.retain(|_, found| keeps(found));
        let by_name = &self.by_name;
        self.names.retain(|_, name| by_name.contains_key(name));
        let names = &self.names;
        self.unshown.retain(|id| names.contains_key(id));
        self.outlined.retain(|id| names.contains_key(id));
    }
}

#[derive(Debug, Default)]
struct ChangesSince {
    recorded: HashSet<LoadBalancerName>,
    forgotten: HashSet<LoadBalancerId>,
}

impl InventoryState {
    fn record(&mut self, found: LoadBalancer) {
        if let Some(since) = &mut self.since {
            since.recorded.insert(found.name.clone());
        }
        self.entries.insert(found.into());
    }
}

impl Inventory {
    /// An empty inventory.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a load. Call it right before the list. An earlier unfinished load becomes
    /// void.
    pub fn begin_load(&self) -> LoadStamp {
        let mut state = self.state();
        state.generation += 1;
        state.since = Some(ChangesSince::default());
        LoadStamp(state.generation)
    }

    /// Replaces the entries by a list, except for the changes since
    /// [`begin_load`](Self::begin_load). Returns false, and ignores the list, if a later
    /// load began or the inventory was cleared in the meantime.
    pub fn load(&self, stamp: LoadStamp, list: &Listed) -> bool {
        let mut state = self.state();
        if state.generation != stamp.0 {
            return false;
        }
        let Some(since) = state.since.take() else {
            return false;
        };
        state
            .entries
            .retain(|found| since.recorded.contains(&found.name));
        let whole = list.whole.iter().map(|found| (found, false));
        let outlines = list.outlines.iter();
        let outlines = outlines.map(|outline| (outline.load_balancer(), true));
        for (found, is_outline) in whole.chain(outlines) {
            let recorded_as = state.entries.names.get(&found.id).unwrap_or(&found.name);
            let is_recorded =
                since.recorded.contains(&found.name) || since.recorded.contains(recorded_as);
            if !is_recorded && !since.forgotten.contains(&found.id) {
                state.entries.insert(Arc::clone(found));
                if is_outline {
                    state.entries.outlined.insert(found.id.clone());
                }
            }
        }
        true
    }

    /// Records a load balancer from the response to an update or a query.
    pub fn record(&self, found: LoadBalancer) {
        self.state().record(found);
    }

    /// Records a load balancer from the response to a create. It [`is_shown`] only once
    /// a later answer shows it: the response need not have a name or an owner, and that of a
    /// faulty cloud may have the id of somebody else's.
    ///
    /// [`is_shown`]: Self::is_shown
    pub fn record_created(&self, created: LoadBalancer) {
        let (id, mut state) = (created.id.clone(), self.state());
        state.record(created);
        state.entries.unshown.insert(id);
    }

    /// Removes a load balancer that does not exist any more, or whose state is unknown.
    pub fn forget(&self, id: &LoadBalancerId) {
        let mut state = self.state();
        let InventoryState { entries, since, .. } = &mut *state;
        let name = entries.remove(id);
        if let Some(since) = since {
            since.forgotten.insert(id.clone());
            if let Some(name) = name {
                since.recorded.remove(&name);
            }
        }
    }

    /// Removes the load balancer of this name.
    pub fn forget_name(&self, name: &LoadBalancerName) {
        let id = self
            .state()
            .entries
            .by_name
            .get(name)
            .map(|found| found.id.clone());
        if let Some(id) = id {
            self.forget(&id);
        }
    }

    /// The load balancer of this name; `None` if the inventory lacks it, or its spec.
    pub fn find(&self, name: &LoadBalancerName) -> Option<LoadBalancer> {
        let Entries {
            by_name, outlined, ..
        } = &self.state().entries;
        let found = by_name.get(name)?;
        (!outlined.contains(&found.id)).then(|| (**found).clone())
    }

    /// Whether more than the answer to a create tells of the load balancer with this id.
    pub fn is_shown(&self, id: &LoadBalancerId) -> bool {
        let Entries { names, unshown, .. } = &self.state().entries;
        names.contains_key(id) && !unshown.contains(id)
    }

    /// Whether the inventory has a load balancer of this name.
    pub fn contains(&self, name: &LoadBalancerName) -> bool {
        self.state().entries.by_name.contains_key(name)
    }

    /// The number of known load balancers.
    pub fn len(&self) -> usize {
        self.state().entries.by_name.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Removes all entries; an unfinished load becomes void.
    pub fn clear(&self) {
        let mut state = self.state();
        let generation = state.generation + 1;
        *state = InventoryState {
            generation,
            ..InventoryState::default()
        };
    }

    fn state(&self) -> MutexGuard<'_, InventoryState> {
        self.0.lock()
    }
}

#[cfg(test)]
mod tests;
