//! The load balancers that have the current Nodes as back ends.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use super::per_service::PerService;
use crate::kubernetes::node_watch::NodeSet;
use crate::plan::naming::{CloudName, ServiceUid};

/// The load balancers of each Service that reflect a version of its set of Nodes.
#[derive(Default)]
pub struct NodeSync(PerService<(u64, BTreeSet<CloudName>)>);

impl NodeSync {
    /// Records that a load balancer has these Nodes. Returns the time since they changed, only
    /// the first time: a later update is a repair.
    pub fn mark_in_sync(
        &self,
        uid: &ServiceUid,
        cloud: &CloudName,
        nodes: &NodeSet,
    ) -> Option<Duration> {
        let mut all = self.0.lock();
        let (version, in_sync) = all.entry(uid.clone()).or_default();
        if *version != nodes.version {
            (*version, *in_sync) = (nodes.version, BTreeSet::new());
        }
        let is_new = in_sync.insert(cloud.clone());
        let changed_at = nodes.changed_at.filter(|_| is_new);
        changed_at.map(|changed_at| changed_at.elapsed())
    }

    pub fn forget(&self, uid: &ServiceUid) {
        self.0.forget(uid);
    }

    pub fn retain(&self, alive: &HashSet<ServiceUid>) {
        self.0.retain(alive);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_change_of_the_nodes_is_timed_once_for_each_load_balancer() {
        let sync = NodeSync::default();
        let (uid, cloud) = (ServiceUid::new("uid"), CloudName::new("cloud1"));
        let version = |version| NodeSet {
            version,
            changed_at: Some(Instant::now()),
            ..NodeSet::default()
        };
        let second = Duration::from_secs(1);
        let nodes = version(1);
        tokio::time::advance(second).await;
        assert_eq!(sync.mark_in_sync(&uid, &cloud, &nodes), Some(second));
        assert_eq!(sync.mark_in_sync(&uid, &cloud, &nodes), None, "a repair");
        let nodes = version(2);
        let took = sync.mark_in_sync(&uid, &cloud, &nodes);
        assert_eq!(took, Some(Duration::ZERO));
    }
}
