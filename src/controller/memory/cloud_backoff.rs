//! The backoff of each cloud of a Service. A call that failed is not repeated before its
//! time, however often the Service's other clouds cause an attempt: until then the cloud
//! **rests** for this Service, and an attempt goes on without it. A Service's own delays are
//! in [`requeue`](super::requeue).

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use tokio::time::Instant;

use super::left_calls::OutdatedFailure;
use super::per_spec::PerSpec;
use super::requeue::{LONGEST, Requeue, wait};
use crate::cloud::Verb;
use crate::controller::attempt::SpecHash;
use crate::controller::error::ReconcileError;
use crate::plan::load_balancer::State;
use crate::plan::naming::{CloudName, ServiceUid};
use crate::plan::{Observed, Waiting};

/// An attempt that ended.
#[derive(Clone, Copy)]
pub struct Attempted<'a> {
    pub spec_hash: SpecHash,
    /// The version of the Nodes.
    pub nodes: u64,
    pub observed: &'a Observed,
    pub waiting: &'a BTreeSet<Waiting>,
}

struct Failure {
    error: Arc<ReconcileError>,
    /// The failures in a row, this one included.
    count: u32,
    /// The version of the Nodes, if the Service has a load balancer there: other Nodes are
    /// another update, which does not wait.
    nodes: Option<u64>,
    not_before: Instant,
    /// Whether the attempt under way goes on without the cloud. Its rest may end meanwhile.
    rests: bool,
}

/// The failures of the clouds of each Service.
#[derive(Default)]
pub struct CloudBackoff(PerSpec<BTreeMap<CloudName, Failure>>);

impl CloudBackoff {
    /// The clouds that rest during the attempt that begins. An edit ends that for all of them,
    /// and a change of the Nodes for those on which the Service has a load balancer.
    pub fn resting(
        &self,
        uid: &ServiceUid,
        spec_hash: SpecHash,
        nodes: u64,
    ) -> BTreeSet<CloudName> {
        let now = Instant::now();
        let resting = self.0.update(uid, spec_hash, |clouds| {
            let resting = clouds.iter_mut().filter_map(|(cloud, failure)| {
                failure.rests =
                    failure.not_before > now && failure.nodes.is_none_or(|before| before == nodes);
                failure.rests.then(|| cloud.clone())
            });
            resting.collect()
        });
        resting.unwrap_or_default()
    }

    /// Counts an update that failed when its Nodes were not the newest any more. That makes no
    /// rest: the one for the newest has not been tried. But if Nodes change faster than a cloud
    /// fails, no other failure is ever seen.
    pub fn count(&self, uid: &ServiceUid, spec_hash: SpecHash, outdated: OutdatedFailure) {
        let OutdatedFailure { error, tried } = outdated;
        let Some((cloud, _)) = failure(&error).filter(|_| tried.spec_hash == spec_hash) else {
            return;
        };
        self.0.change(uid, spec_hash, |clouds| {
            let before = clouds.get(&cloud);
            let failure = Failure {
                error: Arc::new(error),
                count: before.map_or(1, |before| before.count.saturating_add(1)),
                nodes: Some(tried.nodes),
                not_before: Instant::now(),
                rests: false,
            };
            clouds.insert(cloud, failure);
        });
    }

    /// The last failures of the clouds without which an attempt goes on, since the last edit.
    pub fn failures(
        &self,
        uid: &ServiceUid,
        spec_hash: SpecHash,
        observed: &Observed,
    ) -> Vec<Arc<ReconcileError>> {
        let failures = self.0.read(uid, spec_hash, |clouds| {
            let left_out = clouds.iter().filter(|(cloud, _)| observed.awaits(cloud));
            left_out.map(|(_, failure)| failure.error.clone()).collect()
        });
        failures.unwrap_or_default()
    }

    /// Whether a change of the Nodes ends the rest of a cloud.
    pub fn follows_nodes(&self, uid: &ServiceUid, spec_hash: SpecHash) -> bool {
        let follows = |failure: &Failure| failure.nodes.is_some();
        let follows = self
            .0
            .read(uid, spec_hash, |clouds| clouds.values().any(follows));
        follows.unwrap_or_default()
    }

    /// Records the errors of an attempt. A cloud that was called and did not fail begins
    /// anew. Returns the delays until the clouds have rested.
    pub fn record(
        &self,
        uid: &ServiceUid,
        attempted: Attempted<'_>,
        errors: Vec<ReconcileError>,
    ) -> Vec<Requeue> {
        let spec_hash = attempted.spec_hash;
        let before = self.0.update(uid, spec_hash, std::mem::take);
        let before = before.unwrap_or_default();
        // An error without a cloud may have ended the attempt before its calls.
        let is_kept = |cloud: &CloudName| {
            attempted.observed.awaits(cloud)
                || attempted
                    .waiting
                    .contains(&Waiting::RepairSlot(cloud.clone()))
                || errors
                    .iter()
                    .any(|error| error.cloud().is_none_or(|one| one == cloud))
        };
        let counts: BTreeMap<_, _> = before
            .iter()
            .map(|(cloud, failure)| (cloud.clone(), failure.count))
            .collect();
        let mut clouds = before;
        clouds.retain(|cloud, _| is_kept(cloud));
        let now = Instant::now();
        let resting = clouds
            .values()
            .filter(|failure| failure.rests || failure.not_before > now);
        let resting =
            resting.map(|failure| Requeue::Slot(failure.not_before.saturating_duration_since(now)));
        let mut delays: Vec<Requeue> = resting.collect();
        for error in errors {
            let Some((cloud, delay)) = failure(&error) else {
                continue;
            };
            let count = counts.get(&cloud).copied().unwrap_or_default();
            let rest = wait(delay, count).unwrap_or_default().min(LONGEST);
            delays.push(Requeue::After(rest));
            let failure = Failure {
                nodes: has_load_balancer(&attempted, &cloud, &error).then_some(attempted.nodes),
                error: Arc::new(error),
                count: count.saturating_add(1),
                not_before: now + rest,
                rests: false,
            };
            clouds.insert(cloud, failure);
        }
        let clouds = Some(clouds).filter(|clouds| !clouds.is_empty());
        self.0.set(uid, spec_hash, clouds);
        delays
    }

    pub fn forget(&self, uid: &ServiceUid) {
        self.0.forget(uid);
    }

    pub fn retain(&self, alive: &HashSet<ServiceUid>) {
        self.0.retain(alive);
    }
}

/// The cloud that has to rest after an error, and for how long; `None` if the error has
/// another delay.
fn failure(error: &ReconcileError) -> Option<(CloudName, Requeue)> {
    let cloud = error.cloud().filter(|_| !error.is_superseded())?;
    match Requeue::after_error(error) {
        delay @ (Requeue::Backoff | Requeue::After(_)) => Some((cloud.clone(), delay)),
        _ => None,
    }
}

/// Whether the delay of an error is that of its cloud.
pub(super) fn is_of_cloud(error: &ReconcileError) -> bool {
    failure(error).is_some()
}

/// Whether the Service has a load balancer on a cloud that failed. Nothing else shows it if the
/// failure is that of an update which was left behind.
fn has_load_balancer(attempted: &Attempted<'_>, cloud: &CloudName, error: &ReconcileError) -> bool {
    let found = attempted.observed.load_balancer(cloud);
    let was_updated = matches!(error, ReconcileError::Cloud(error) if error.verb() == Verb::Update);
    was_updated || found.is_some_and(|found| found.state != State::Deleting)
}

#[cfg(test)]
mod tests;
