//! What this replica remembers of each Service between two reconciles. All of
//! it may be lost: a new leader starts without it.

pub mod drift;
pub mod event_dedup;
pub mod mutation_cache;
pub mod node_sync;
pub mod pending_creates;
pub mod per_service;
pub mod provisioning;
pub mod requeue;
pub mod workqueue;

use std::collections::HashSet;

use super::report::spans::ProvisioningTraces;
use crate::plan::naming::ServiceUid;
use drift::Drift;
use event_dedup::EventDedup;
use mutation_cache::MutationCache;
use node_sync::NodeSync;
use pending_creates::PendingCreates;
use provisioning::ProvisioningClock;
use requeue::RequeuePolicy;
use workqueue::Workqueue;

/// Every per-Service store of this replica.
#[derive(Default)]
pub struct Memory {
    /// When each Service is due again.
    pub requeue: RequeuePolicy,
    /// Which Services were in sync, and the slots of repairs.
    pub drift: Drift,
    /// The Events that were emitted already.
    pub event_dedup: EventDedup,
    /// Our own writes that the watch has not shown yet.
    pub mutation_cache: MutationCache,
    /// Creates whose answer was lost.
    pub pending_creates: PendingCreates,
    /// The Services that wait for an address, and since when.
    pub provisioning: ProvisioningClock,
    /// The traces of the Services that wait for their first address.
    pub provisioning_traces: ProvisioningTraces,
    /// The load balancers that have the current Nodes.
    pub node_sync: NodeSync,
    /// What waits to be reconciled, and what is under way.
    pub workqueue: Workqueue,
}

impl Memory {
    /// Drops everything about a Service that was deleted.
    pub fn forget(&self, uid: &ServiceUid) {
        // Exhaustive, so that a store that is left out does not compile.
        let Self {
            requeue,
            drift,
            event_dedup,
            mutation_cache,
            pending_creates,
            provisioning,
            provisioning_traces,
            node_sync,
            workqueue,
        } = self;
        requeue.forget(uid);
        drift.forget(uid);
        event_dedup.forget(uid);
        mutation_cache.forget(uid);
        pending_creates.forget(uid);
        provisioning.forget(uid);
        provisioning_traces.forget(uid);
        node_sync.forget(uid);
        workqueue.forget(uid);
    }

    /// Drops everything about all Services but these: some may have been deleted
    /// while no watch was connected.
    pub fn retain(&self, alive: &HashSet<ServiceUid>) {
        let Self {
            requeue,
            drift,
            event_dedup,
            mutation_cache,
            pending_creates,
            provisioning,
            provisioning_traces,
            node_sync,
            workqueue,
        } = self;
        requeue.retain(alive);
        drift.retain(alive);
        event_dedup.retain(alive);
        mutation_cache.retain(alive);
        pending_creates.retain(alive);
        provisioning.retain(alive);
        provisioning_traces.retain(alive);
        node_sync.retain(alive);
        workqueue.retain(alive);
    }
}
