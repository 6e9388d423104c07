//! The load balancers that have the unreadable Node as a back end: it may serve, so it stays one.

use std::collections::BTreeSet;
use std::net::IpAddr;

use anyhow::{Result, ensure};
use testbed::Environment;
use testbed::cloud::{CloudSimulator, LoadBalancer};

use super::{NODE, NODE_ADDRESS};

/// The ids of the load balancers that have the Node as a back end, on each cloud.
pub struct Served([BTreeSet<String>; 2]);

impl Served {
    /// Those that have it now.
    ///
    /// # Errors
    /// A cloud has none, so that nothing would be checked there.
    pub fn now(test: &Environment) -> Result<Self> {
        let clouds = test.clouds();
        let served = Self(clouds.map(|cloud| {
            let found = cloud.inventory().into_iter();
            let found = found.filter(has_node);
            found.map(|found| found.id).collect()
        }));
        for (cloud, ids) in clouds.iter().zip(&served.0) {
            ensure!(!ids.is_empty(), "nothing on {} has {NODE}", cloud.name());
        }
        Ok(served)
    }

    /// Fails if one of them is there and has it no more, whatever its users and others did
    /// to its Service; gives the number of those that are there.
    ///
    /// # Errors
    /// The message has the load balancer and the last call that changed it.
    pub fn ensure_kept(&self, test: &Environment) -> Result<usize> {
        let mut kept = 0;
        for (cloud, ids) in test.clouds().into_iter().zip(&self.0) {
            let there = cloud.inventory().into_iter();
            for found in there.filter(|found| ids.contains(&found.id)) {
                ensure!(
                    has_node(&found),
                    "{NODE} cannot be read, and is no back end of {found:?} on {} any more; the last change: {:?}",
                    cloud.name(),
                    last_change(cloud, &found.id),
                );
                kept += 1;
            }
        }
        Ok(kept)
    }
}

/// Whether the unreadable Node is one of its back ends.
pub fn has_node(found: &LoadBalancer) -> bool {
    found.settings.nodes.contains(&IpAddr::from(NODE_ADDRESS))
}

fn last_change(cloud: &CloudSimulator, id: &str) -> Option<testbed::cloud::Event> {
    let mut calls = cloud.mutations();
    calls.retain(|call| call.id.as_deref() == Some(id));
    calls.pop()
}
