//! Creates of which nobody knows whether the cloud carried them out.
//!
//! A create whose answer is lost leaves no record. As long as the Service names
//! that cloud the next attempt finds out; but the user may change their mind or
//! delete the Service first, and then nothing else would send us there. What a
//! crash makes us forget, the list at the next takeover shows.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::plan::naming::{CloudName, LoadBalancerName};

/// The clouds that may have a load balancer without our knowing.
#[derive(Default)]
pub struct PendingCreates(Mutex<HashSet<(CloudName, LoadBalancerName)>>);

impl PendingCreates {
    /// A create ended without telling whether it was carried out.
    pub fn record(&self, cloud: &CloudName, name: &LoadBalancerName) {
        self.lock().insert((cloud.clone(), name.clone()));
    }

    /// The cloud said whether there is such a load balancer.
    pub fn resolve(&self, cloud: &CloudName, name: &LoadBalancerName) {
        let mut doubts = self.lock();
        // Nearly always empty.
        if !doubts.is_empty() {
            doubts.remove(&(cloud.clone(), name.clone()));
        }
    }

    /// The clouds that are to be asked for a load balancer of this name.
    pub fn clouds_for(&self, name: &LoadBalancerName) -> Vec<CloudName> {
        let doubts = self.lock();
        let about = doubts.iter().filter(|(_, doubted)| doubted == name);
        about.map(|(cloud, _)| cloud.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<(CloudName, LoadBalancerName)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
