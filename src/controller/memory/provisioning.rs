//! The clock of the provisioning objective: the Services that wait for an address,
//! and since when. A histogram shows only waits that ended; this shows a Service that
//! never gets its address.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

use super::per_service::PerService;
use crate::plan::naming::{CloudName, ServiceUid};
use crate::reason::Reason;
use crate::telemetry::{OBJECTIVE, PendingServices};

/// The Services that wait for an address.
#[derive(Default)]
pub struct ProvisioningClock(PerService<Pending>);

/// A Service that waits for an address.
struct Pending {
    /// The clouds that have not provided an address yet.
    outstanding: BTreeSet<CloudName>,
    /// The clouds that have provided an address.
    served: BTreeSet<CloudName>,
    requested_at: Timestamp,
    since: Instant,
    /// Whether a person has to change something first. An edit then requests the
    /// address anew.
    is_refused: bool,
    /// The clouds for which that person is the Service's owner.
    refused_by: BTreeSet<CloudName>,
}

impl ProvisioningClock {
    /// The time at which a waiting Service requested its address. `recorded`, the time
    /// in the object, moves with an edit by the same field manager; that must not
    /// shorten the wait.
    pub fn requested_at(&self, uid: &ServiceUid, recorded: Timestamp) -> Timestamp {
        let all = self.0.lock();
        let pending = all.get(uid).filter(|pending| !pending.is_refused);
        pending.map_or(recorded, |pending| pending.requested_at.min(recorded))
    }

    pub fn is_pending(&self, uid: &ServiceUid) -> bool {
        self.0.lock().contains_key(uid)
    }

    /// Records the clouds that serve a Service and those that are outstanding. Returns
    /// the clouds that serve it for the first time.
    pub fn progress(
        &self,
        uid: &ServiceUid,
        serving: &BTreeSet<CloudName>,
        outstanding: BTreeSet<CloudName>,
        requested_at: Timestamp,
        waited: Duration,
    ) -> BTreeSet<CloudName> {
        let mut all = self.0.lock();
        let before = all.remove(uid);
        let served = before.map(|before| before.served).unwrap_or_default();
        let newly_served = serving - &served;
        let served = &served | serving;
        // A cloud that served once is not outstanding again, even if its load balancer
        // was lost.
        let outstanding = &outstanding - &served;
        if !outstanding.is_empty() {
            let now = Instant::now();
            let pending = Pending {
                outstanding,
                served,
                requested_at,
                since: now.checked_sub(waited).unwrap_or(now),
                is_refused: false,
                refused_by: BTreeSet::new(),
            };
            all.insert(uid.clone(), pending);
        }
        newly_served
    }

    /// Records that a cloud provides no address until a person changes something.
    pub fn refused(&self, uid: &ServiceUid, cloud: &CloudName, reason: Reason) {
        let mut all = self.0.lock();
        let is_outstanding = |pending: &&mut Pending| pending.outstanding.contains(cloud);
        if let Some(pending) = all.get_mut(uid).filter(is_outstanding) {
            pending.is_refused = true;
            // The owner of the Service cannot correct a failure at the cloud.
            if reason != Reason::CloudFailed {
                pending.refused_by.insert(cloud.clone());
            }
        }
    }

    /// The Services that wait for an address from a cloud.
    pub fn pending_at(&self, cloud: &CloudName) -> PendingServices {
        let now = Instant::now();
        let all = self.0.lock();
        let mut services = PendingServices::default();
        for pending in all.values() {
            if !pending.outstanding.contains(cloud) {
                continue;
            }
            let waited = now.duration_since(pending.since);
            services.pending += 1;
            services.oldest = services.oldest.max(waited);
            if waited > OBJECTIVE && !pending.refused_by.contains(cloud) {
                services.overdue += 1;
            }
        }
        services
    }

    pub fn forget(&self, uid: &ServiceUid) {
        self.0.forget(uid);
    }

    pub fn retain(&self, alive: &HashSet<ServiceUid>) {
        self.0.retain(alive);
    }
}

#[cfg(test)]
mod tests;
