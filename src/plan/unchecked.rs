//! The clouds that decide themselves which Nodes serve, although there is more to ask the Nodes
//! than whether they accept connections.

use super::capabilities::Feature;
use super::health_check::{HealthCheck, Probe};
use super::load_balancer::{Listener, LoadBalancer};
use super::naming::CloudName;
use super::wanted::Wanted;

impl Wanted {
    /// What a user should know of a cloud that gives no health checks, if Nodes would be asked
    /// over HTTP whether they serve: because of `externalTrafficPolicy: Local`, or of the
    /// configuration. Such a cloud may send traffic to a Node that drops it. `found` is the load
    /// balancer there; one that was made while the cloud gave health checks has them.
    pub fn unchecked(&self, cloud: &CloudName, found: Option<&LoadBalancer>) -> Option<String> {
        let has_check = |listener: &Listener| found.is_some_and(|found| found.checks(listener));
        let is_lacking = |listener: &Listener| {
            let mut lacking = self.lacking_ports(cloud).iter();
            lacking.any(|port| port.is_of(listener))
        };
        let mut listeners = self.listeners().iter();
        let is_unchecked = self.lacks(cloud, Feature::HealthChecks)
            && listeners.any(|listener| {
                is_asked_over_http(listener) && !is_lacking(listener) && !has_check(listener)
            });
        let lack = Feature::HealthChecks;
        is_unchecked.then(|| {
            format!("{cloud} decides itself which Nodes serve: it does not support {lack}")
        })
    }
}

fn is_asked_over_http(listener: &Listener) -> bool {
    let check = &listener.health_check;
    matches!(
        check,
        HealthCheck::On {
            probe: Probe::Http { .. },
            ..
        }
    )
}
