//! Observers of the cloud clients and of the election, which update metrics.

use std::sync::Arc;

use crate::cloud::{CallEvent, CallObserver};
use crate::election::{LeaseHealth, Observation, Observer};
use crate::telemetry::Metrics;

/// Counts the calls to the clouds.
pub fn of_calls(metrics: &Arc<Metrics>) -> CallObserver {
    let metrics = metrics.clone();
    Arc::new(move |event| match event {
        CallEvent::Started { cloud, .. } => metrics.cloud.in_flight(cloud.as_str(), 1),
        CallEvent::Finished(call) => {
            let (cloud, verb) = (call.cloud.as_str(), call.verb.as_str());
            metrics.cloud.in_flight(cloud, -1);
            metrics.cloud.waited(cloud, call.waited);
            let code = call.code.as_str();
            metrics.cloud.answered(cloud, verb, code, call.took);
        }
        CallEvent::NotSent(call) => {
            let (cloud, verb) = (call.cloud.as_str(), call.verb.as_str());
            metrics.cloud.waited(cloud, call.waited);
            metrics.cloud.not_sent(cloud, verb, call.code.as_str());
        }
        CallEvent::Skipped { cloud, item } => {
            metrics.cloud.skipped(cloud.as_str(), item.as_str());
        }
        CallEvent::Paused { cloud, length } => metrics.cloud.paused(cloud.as_str(), *length),
    })
}

/// Counts the events of the election and records the renewals of the Lease.
pub fn of_election(metrics: &Arc<Metrics>, health: &Arc<LeaseHealth>) -> Observer {
    let (metrics, health) = (metrics.clone(), health.clone());
    Arc::new(move |observation| {
        health.record(observation);
        match observation {
            Observation::Acquired => metrics.election.acquired(),
            Observation::Lost => metrics.election.changed("lost"),
            Observation::Released => metrics.election.changed("released"),
            Observation::Renewed { took } => metrics.election.renewal(true, took),
            Observation::RenewFailed { took } => metrics.election.renewal(false, took),
        }
    })
}
