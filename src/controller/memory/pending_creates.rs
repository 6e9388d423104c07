//! Creates whose answer was lost: the cloud may have carried them out.
//!
//! Such a create is in no record. As long as the Service names its cloud, the
//! next attempt finds the load balancer; but the user may name another cloud or
//! delete the Service first, and then nothing else would lead to it. After a
//! crash, the list at takeover shows it.

use std::collections::{BTreeSet, HashSet};

use super::per_service::PerService;
use crate::plan::naming::{CloudName, ServiceUid};

/// The clouds that may have a load balancer which is in no record.
#[derive(Default)]
pub struct PendingCreates(PerService<BTreeSet<CloudName>>);

impl PendingCreates {
    /// Records a create without an answer.
    pub fn record(&self, uid: &ServiceUid, cloud: CloudName) {
        self.0.lock().entry(uid.clone()).or_default().insert(cloud);
    }

    /// The cloud has answered whether the load balancer exists.
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

    pub fn retain(&self, alive: &HashSet<ServiceUid>) {
        self.0.retain(alive);
    }
}
