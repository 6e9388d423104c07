//! From what the cloud clients and the election observe to metrics.

use std::sync::Arc;

use crate::cloud::{CallEvent, CallObserver};
use crate::election::{Observation, Observer};
use crate::telemetry::Metrics;

/// Counts every call to a cloud.
pub fn of_calls(metrics: &Arc<Metrics>) -> CallObserver {
    let metrics = metrics.clone();
    Arc::new(move |event| match event {
        CallEvent::Started { cloud, .. } => metrics.cloud_in_flight(cloud.as_str(), 1),
        CallEvent::Finished(call) => {
            metrics.cloud_in_flight(call.cloud.as_str(), -1);
            let (verb, code) = (call.verb.as_str(), call.code.as_str());
            metrics.cloud_call(call.cloud.as_str(), verb, code, call.took);
        }
        CallEvent::NotSent(call) => {
            metrics.cloud_call_not_sent(
                call.cloud.as_str(),
                call.verb.as_str(),
                call.code.as_str(),
            );
        }
    })
}

/// Counts what happens to the Lease.
pub fn of_election(metrics: &Arc<Metrics>) -> Observer {
    let metrics = metrics.clone();
    Arc::new(move |observation| match observation {
        Observation::Acquired => metrics.election_event("acquired"),
        Observation::Lost => metrics.election_event("lost"),
        Observation::Released => metrics.election_event("released"),
        Observation::Renewed { took } => metrics.lease_renew(true, took),
        Observation::RenewFailed { took } => metrics.lease_renew(false, took),
    })
}
