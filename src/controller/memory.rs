//! The state of each Service that this replica keeps between two reconciles. A new
//! leader starts without it: the clouds' lists show what it needs.

pub mod changes;
pub mod cloud_backoff;
pub mod drift;
pub mod edits;
pub mod event_dedup;
pub mod last_policies;
pub mod left_calls;
pub mod mutation_cache;
pub mod node_sync;
pub mod own_writes;
pub mod pending_creates;
pub mod per_service;
pub mod per_spec;
pub mod repairs;
pub mod requeue;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::attempt::SpecHash;
use super::report::spans::ProvisioningTraces;
use crate::kubernetes::node_watch::NodeChoices;
use crate::plan::ip_mode::IpModes;
use crate::plan::kept::Unmet;
use crate::plan::naming::{CloudName, ServiceUid};
use crate::plan::record::Ingress;
use changes::PendingChanges;
use cloud_backoff::CloudBackoff;
use drift::Drift;
use edits::EditBudget;
use event_dedup::EventDedup;
use last_policies::LastPolicies;
use left_calls::LeftCalls;
use mutation_cache::MutationCache;
use node_sync::NodeSync;
use own_writes::OwnWrites;
use pending_creates::PendingCreates;
use per_service::PerService;
use repairs::RepeatedRepairs;
use requeue::RequeuePolicy;

/// Every per-Service store of this replica.
#[derive(Default)]
pub struct Memory {
    /// The delays until the next attempts.
    pub requeue: RequeuePolicy,
    /// The clouds that failed, which rest meanwhile.
    pub cloud_backoff: CloudBackoff,
    /// The edits that users may still make without a delay.
    pub edits: EditBudget,
    /// The Services that were in sync, and the slots of repairs.
    pub drift: Drift,
    /// The repairs that may have been undone.
    pub repairs: RepeatedRepairs,
    /// The Events that were emitted already.
    pub event_dedup: EventDedup,
    /// Our own writes that the watch has not shown yet.
    pub mutation_cache: MutationCache,
    /// The content of our last writes, to notice that another writer undoes them.
    pub own_writes: OwnWrites,
    /// The creates whose response was lost.
    pub pending_creates: PendingCreates,
    /// What Services that are gone said last about the end of their load balancers.
    pub last_policies: LastPolicies,
    /// The calls that attempts have left behind.
    pub left_calls: LeftCalls,
    /// What the clouds do not have yet, and since when.
    pub changes: PendingChanges,
    /// The traces of the Services that wait for their first address.
    pub provisioning_traces: ProvisioningTraces,
    /// Which Nodes the Services choose, which the watch of the Nodes needs to know.
    pub node_choices: Arc<NodeChoices>,
    /// The load balancers that have the current Nodes as back ends.
    pub node_sync: NodeSync,
    /// What the clouds show otherwise than it was requested, apart from `repairs`.
    unmet: PerService<Unmet>,
    /// The addresses that the status of a Service had after its last attempt, and their modes.
    pub published: PerService<(Vec<Ingress>, IpModes)>,
}

impl Memory {
    /// What is known of the values that the clouds show otherwise than a Service requests.
    pub fn unmet(&self, uid: &ServiceUid, spec_hash: SpecHash) -> Unmet {
        Unmet {
            given_up: self.repairs.given_up(uid, spec_hash),
            ..self.unmet.get(uid).unwrap_or_default()
        }
    }

    /// Keeps for the next attempt what this one has shown. What calls that it awaits have shown
    /// meanwhile stays.
    pub fn set_unmet(&self, uid: &ServiceUid, unmet: Unmet, awaited: &BTreeSet<CloudName>) {
        self.change_unmet(uid, |known| {
            let before = std::mem::replace(known, unmet);
            for cloud in awaited {
                known.replace(cloud, &before);
            }
        });
    }

    /// Keeps what a call that was left behind has shown of its cloud.
    pub fn learn_unmet(&self, uid: &ServiceUid, cloud: &CloudName, shown: &Unmet) {
        self.change_unmet(uid, |known| known.replace(cloud, shown));
    }

    fn change_unmet(&self, uid: &ServiceUid, change: impl FnOnce(&mut Unmet)) {
        let mut all = self.unmet.lock();
        let mut unmet = all.remove(uid).unwrap_or_default();
        change(&mut unmet);
        // Those are in `repairs`.
        unmet.given_up.clear();
        if unmet != Unmet::default() {
            all.insert(uid.clone(), unmet);
        }
    }

    /// Drops the state of a deleted Service.
    pub fn forget(&self, uid: &ServiceUid) {
        // Destructured exhaustively: a store that is left out does not compile.
        let Self {
            requeue,
            cloud_backoff,
            edits,
            drift,
            repairs,
            event_dedup,
            mutation_cache,
            own_writes,
            pending_creates,
            // They are for the time after the end of the Service.
            last_policies: _,
            left_calls,
            changes,
            provisioning_traces,
            node_choices,
            node_sync,
            unmet,
            published,
        } = self;
        requeue.forget(uid);
        cloud_backoff.forget(uid);
        edits.forget(uid);
        drift.forget(uid);
        repairs.forget(uid);
        event_dedup.forget(uid);
        mutation_cache.forget(uid);
        own_writes.forget(uid);
        pending_creates.forget(uid);
        left_calls.forget(uid);
        changes.forget(uid);
        provisioning_traces.forget(uid);
        node_choices.forget(uid);
        node_sync.forget(uid);
        unmet.forget(uid);
        published.forget(uid);
    }

    /// Drops the state of all other Services, which may have been deleted while the
    /// watch was disconnected.
    pub fn retain(&self, alive: &HashSet<ServiceUid>) {
        let Self {
            requeue,
            cloud_backoff,
            edits,
            drift,
            repairs,
            event_dedup,
            mutation_cache,
            own_writes,
            // A watch that was restarted may show an old list without a living Service,
            // and nothing else would lead to its pending create.
            pending_creates: _,
            last_policies: _,
            left_calls,
            changes,
            provisioning_traces,
            node_choices,
            node_sync,
            unmet,
            published,
        } = self;
        requeue.retain(alive);
        cloud_backoff.retain(alive);
        edits.retain(alive);
        drift.retain(alive);
        repairs.retain(alive);
        event_dedup.retain(alive);
        mutation_cache.retain(alive);
        own_writes.retain(alive);
        left_calls.retain(alive);
        changes.retain(alive);
        provisioning_traces.retain(alive);
        node_choices.retain(alive);
        node_sync.retain(alive);
        unmet.retain(alive);
        published.retain(alive);
    }
}
