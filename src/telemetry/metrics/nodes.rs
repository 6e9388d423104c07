//! Nodes, and how soon the load balancers know of them.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus::{IntCounterVec, IntGaugeVec};
use tokio::time::Instant;

use super::exemplars::Histograms;
use super::registry::{Label, Registrar};
use crate::plan::naming::{CloudName, ServiceUid};

const BUCKETS: [f64; 12] = [
    0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0,
];

/// The last change of the Nodes, and whose load balancers know of it.
struct NodeChange {
    at: Instant,
    synced: HashSet<(ServiceUid, CloudName)>,
}

/// Metrics of Nodes.
pub struct NodeMetrics {
    nodes: IntGaugeVec,
    syncs: Histograms,
    errors: IntCounterVec,
    change: Mutex<NodeChange>,
}

impl NodeMetrics {
    pub(super) fn register(registrar: &mut Registrar<'_>) -> Result<Self, prometheus::Error> {
        let cloud = registrar.cloud();
        let cloud = || vec![cloud.clone()];
        Ok(Self {
            nodes: registrar.gauge(
                "mycloud_lb_nodes",
                "Nodes that are back ends (eligible) and that are not (excluded).",
                vec![Label::of("state", &["eligible", "excluded"])],
            )?,
            syncs: registrar.histogram(
                "mycloud_lb_node_sync_duration_seconds",
                "Time from when a change of the Nodes was taken over to a load balancer's new back ends.",
                cloud(),
                &BUCKETS,
            )?,
            errors: registrar.counter(
                "mycloud_lb_node_sync_errors_total",
                "Updates of back ends that failed.",
                cloud(),
            )?,
            change: Mutex::new(NodeChange {
                at: Instant::now(),
                synced: HashSet::new(),
            }),
        })
    }

    /// The Nodes changed: so many are back ends, so many are not.
    pub fn changed(&self, eligible: i64, excluded: i64) {
        self.nodes.with_label_values(&["eligible"]).set(eligible);
        self.nodes.with_label_values(&["excluded"]).set(excluded);
        *self.change() = NodeChange {
            at: Instant::now(),
            synced: HashSet::new(),
        };
    }

    /// A load balancer got the back ends that the Nodes are now. Again without
    /// a change of theirs, it was repaired: that is no measure of anything.
    pub fn synced(&self, uid: &ServiceUid, cloud: &CloudName) {
        let mut change = self.change();
        if change.synced.insert((uid.clone(), cloud.clone())) {
            let took = change.at.elapsed();
            self.syncs.observe(&[cloud.as_str()], took.as_secs_f64());
        }
    }

    /// A load balancer has the back ends that the Nodes are now, and had no need
    /// to be told.
    pub fn mark_in_sync(&self, uid: &ServiceUid, cloud: &CloudName) {
        let known = (uid.clone(), cloud.clone());
        self.change().synced.insert(known);
    }

    /// Drops all Services but these.
    pub fn keep(&self, alive: &HashSet<ServiceUid>) {
        let mut change = self.change();
        change.synced.retain(|(uid, _)| alive.contains(uid));
    }

    /// It could not be given them.
    pub fn not_synced(&self, cloud: &CloudName) {
        self.errors.with_label_values(&[cloud.as_str()]).inc();
    }

    fn change(&self) -> MutexGuard<'_, NodeChange> {
        self.change.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
