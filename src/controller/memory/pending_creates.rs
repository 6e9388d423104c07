//! Creates whose response was lost: they may have taken effect.
//!
//! The cloud is announced in the record, but anyone may edit the record. So this replica
//! remembers the create itself: whatever becomes of the Service's annotations, the next
//! attempt queries the cloud. After a crash, the record leads there, or the list at takeover,
//! if the cloud has lists (profile `standard`).

use std::collections::BTreeSet;

use super::per_service::PerService;
use crate::plan::naming::{CloudName, ServiceUid};

/// The clouds that may have an unrecorded load balancer of a Service.
#[derive(Default)]
pub struct PendingCreates(PerService<BTreeSet<CloudName>>);

impl PendingCreates {
    /// Records a create whose response was lost.
    pub fn record(&self, uid: &ServiceUid, cloud: CloudName) {
        self.0.lock().entry(uid.clone()).or_default().insert(cloud);
    }

    /// Records that the cloud has shown whether the load balancer exists.
    pub fn resolve(&self, uid: &ServiceUid, cloud: &CloudName) {
        let mut all = self.0.lock();
        if let Some(pending) = all.get_mut(uid) {
            pending.remove(cloud);
            if pending.is_empty() {
                all.remove(uid);
            }
        }
    }

    /// The clouds to query for a load balancer of this Service.
    pub fn clouds_for(&self, uid: &ServiceUid) -> BTreeSet<CloudName> {
        self.0.get(uid).unwrap_or_default()
    }

    pub fn forget(&self, uid: &ServiceUid) {
        self.0.forget(uid);
    }
}
