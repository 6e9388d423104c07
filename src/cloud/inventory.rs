//! What is known of a cloud's load balancers without asking.

use std::collections::{HashMap, HashSet};

use parking_lot::{Mutex, MutexGuard};

use crate::plan::load_balancer::LoadBalancer;
use crate::plan::naming::{LoadBalancerId, LoadBalancerName};

/// The load balancers of one cloud, as a list and our own changes since then
/// show them.
///
/// It knows only what there is. That a name is missing here proves nothing:
/// lists lag behind and may be incomplete, so whoever needs to know asks.
#[derive(Debug, Default)]
pub struct Inventory(Mutex<InventoryState>);

/// Which list a load belongs to.
#[derive(Debug, PartialEq, Eq)]
pub struct LoadStamp(u64);

#[derive(Debug, Default)]
struct InventoryState {
    entries: HashMap<LoadBalancerName, LoadBalancer>,
    /// Counts the loads begun and the clearings; an older load is void.
    generation: u64,
    /// What we did since the current load began, which its list may not show.
    since: Option<Since>,
}

#[derive(Debug, Default)]
struct Since {
    learnt: HashSet<LoadBalancerName>,
    forgotten: HashSet<LoadBalancerId>,
}

impl Inventory {
    /// An inventory that knows nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Call right before the list. A load begun earlier and not finished yet
    /// becomes void.
    pub fn begin_load(&self) -> LoadStamp {
        let mut known = self.known();
        known.generation += 1;
        known.since = Some(Since::default());
        LoadStamp(known.generation)
    }

    /// Replaces what is known by a list, but for what was learnt or forgotten
    /// since [`begin_load`](Self::begin_load). Gives whether it was taken: not
    /// when a later load began or everything was cleared in the meantime.
    pub fn load(&self, stamp: LoadStamp, list: Vec<LoadBalancer>) -> bool {
        let mut known = self.known();
        if known.generation != stamp.0 {
            return false;
        }
        let Some(since) = known.since.take() else {
            return false;
        };
        known.entries.retain(|name, _| since.learnt.contains(name));
        for found in list {
            if !since.forgotten.contains(&found.id) && !since.learnt.contains(&found.name) {
                known.entries.insert(found.name.clone(), found);
            }
        }
        true
    }

    /// Takes in a load balancer that the cloud just showed us by itself: the
    /// answer of a create, an update or a query.
    pub fn record(&self, found: LoadBalancer) {
        let mut known = self.known();
        if let Some(since) = &mut known.since {
            since.learnt.insert(found.name.clone());
        }
        known.entries.insert(found.name.clone(), found);
    }

    /// Takes in that a load balancer is gone, or that what is known of it is
    /// not to be relied on.
    pub fn forget(&self, id: &LoadBalancerId) {
        let mut known = self.known();
        let InventoryState { entries, since, .. } = &mut *known;
        let names = entries.extract_if(|_, found| found.id == *id);
        let names: Vec<LoadBalancerName> = names.map(|(name, _)| name).collect();
        if let Some(since) = since {
            since.forgotten.insert(id.clone());
            for name in names {
                since.learnt.remove(&name);
            }
        }
    }

    /// The load balancer of this name, if it is known.
    pub fn find(&self, name: &LoadBalancerName) -> Option<LoadBalancer> {
        self.known().entries.get(name).cloned()
    }

    /// How many load balancers are known.
    pub fn len(&self) -> usize {
        self.known().entries.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets everything; a load under way becomes void.
    pub fn clear(&self) {
        let mut known = self.known();
        let generation = known.generation + 1;
        *known = InventoryState {
            generation,
            ..InventoryState::default()
        };
    }

    fn known(&self) -> MutexGuard<'_, InventoryState> {
        self.0.lock()
    }
}

#[cfg(test)]
mod tests;
