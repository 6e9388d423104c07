//! The load balancers that have the current Nodes as back ends.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::per_service::PerService;
use crate::plan::naming::{CloudName, ServiceUid};

/// The last change of the Nodes, and the load balancers that reflect it.
pub struct NodeSync {
    changed_at: Mutex<Instant>,
    in_sync: PerService<BTreeSet<CloudName>>,
}

impl Default for NodeSync {
    fn default() -> Self {
        Self {
            changed_at: Mutex::new(Instant::now()),
            in_sync: PerService::default(),
        }
    }
}

impl NodeSync {
    /// Records a change of the Nodes, which no load balancer reflects yet.
    pub fn nodes_changed(&self) {
        *self.changed_at.lock() = Instant::now();
        self.in_sync.lock().clear();
    }

    /// Records that a load balancer has the current Nodes. Returns the time since they
    /// changed, only the first time: a later update is a repair.
    pub fn mark_in_sync(&self, uid: &ServiceUid, cloud: &CloudName) -> Option<Duration> {
        let mut all = self.in_sync.lock();
        let is_new = all.entry(uid.clone()).or_default().insert(cloud.clone());
        is_new.then(|| self.changed_at.lock().elapsed())
    }

    pub fn forget(&self, uid: &ServiceUid) {
        self.in_sync.forget(uid);
    }

    pub fn retain(&self, alive: &HashSet<ServiceUid>) {
        self.in_sync.retain(alive);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_change_of_the_nodes_is_timed_once_for_each_load_balancer() {
        let sync = NodeSync::default();
        let (uid, cloud) = (ServiceUid::new("uid"), CloudName::new("cloud1"));
        let second = Duration::from_secs(1);
        sync.nodes_changed();
        tokio::time::advance(second).await;
        assert_eq!(sync.mark_in_sync(&uid, &cloud), Some(second));
        assert_eq!(sync.mark_in_sync(&uid, &cloud), None, "a repair");
        sync.nodes_changed();
        assert_eq!(sync.mark_in_sync(&uid, &cloud), Some(Duration::ZERO));
    }
}
