//! Creates whose response was lost: they may have taken effect.
//!
//! Such a create is in no record. While the Service names the cloud, the next
//! attempt finds the load balancer. But if the user names another cloud or deletes
//! the Service first, nothing else leads to it. After a crash, the list at takeover
//! shows it, if the cloud has lists (profile `standard`).

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
