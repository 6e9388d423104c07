//! The clock of the service level: which Services wait for an address, and since
//! when. A histogram only shows what ended; a Service that never gets its
//! address shows here.

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
    /// The clouds that have not served it yet.
    outstanding: BTreeSet<CloudName>,
    /// The clouds whose address it got.
    served: BTreeSet<CloudName>,
    requested_at: Timestamp,
    since: Instant,
    /// A person has to change something, which requests the address anew.
    is_refused: bool,
    /// The clouds for which that person is the Service's owner.
    refused_by: BTreeSet<CloudName>,
}

impl ProvisioningClock {
    /// When a Service that waits requested its address. `recorded`, the time that
    /// the object shows, moves with an edit by the same field manager; that must
    /// not hide how long the Service has waited.
    pub fn requested_at(&self, uid: &ServiceUid, recorded: Timestamp) -> Timestamp {
        let all = self.0.lock();
        let pending = all.get(uid).filter(|pending| !pending.is_refused);
        pending.map_or(recorded, |pending| pending.requested_at.min(recorded))
    }

    /// Whether a Service waits for an address.
    pub fn is_pending(&self, uid: &ServiceUid) -> bool {
        self.0.lock().contains_key(uid)
    }

    /// Records which clouds serve a Service and which are outstanding. Returns
    /// those that serve it for the first time.
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
        // A cloud that served once is not outstanding again, whatever became of that.
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

    /// A cloud gives no address until a person changes something.
    pub fn refused(&self, uid: &ServiceUid, cloud: &CloudName, reason: Reason) {
        let mut all = self.0.lock();
        let is_outstanding = |pending: &&mut Pending| pending.outstanding.contains(cloud);
        if let Some(pending) = all.get_mut(uid).filter(is_outstanding) {
            pending.is_refused = true;
            // A load balancer that failed at the cloud is not the owner's fault.
            if reason != Reason::CloudFailed {
                pending.refused_by.insert(cloud.clone());
            }
        }
    }

    /// The Services that wait for an address from a cloud, now.
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
