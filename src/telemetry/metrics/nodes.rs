//! Metrics of the Nodes, and of their propagation to the load balancers.

use std::time::Duration;

use prometheus::{IntCounterVec, IntGaugeVec};

use super::exemplars::Histograms;
use super::registry::{Label, Registrar};
use crate::kubernetes::node_watch::NodeSet;

const BUCKETS: [f64; 12] = [
    0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0,
];

pub struct NodeMetrics {
    nodes: IntGaugeVec,
    unusable_addresses: IntGaugeVec,
    syncs: Histograms,
    errors: IntCounterVec,
}

impl NodeMetrics {
    pub(super) fn register(registrar: &mut Registrar<'_>) -> Result<Self, prometheus::Error> {
        let cloud = registrar.cloud();
        let cloud = || vec![cloud.clone()];
        Ok(Self {
            nodes: registrar.gauge(
                "mycloud_lb_nodes",
                "Nodes that can be back ends (eligible) and Nodes that cannot (excluded). Load balancers may keep excluded Nodes for a while.",
                vec![Label::of("state", &["eligible", "excluded"])],
            )?,
            unusable_addresses: registrar.gauge(
                "mycloud_lb_node_unusable_addresses",
                "Addresses of eligible Nodes that no cloud can reach (unspecified, loopback, link-local, multicast). They are left out of the back ends; the log names the Nodes.",
                vec![],
            )?,
            syncs: registrar.histogram(
                "mycloud_lb_node_sync_duration_seconds",
                "Time from a change of the set of Nodes to the update of a load balancer's back ends.",
                cloud(),
                &BUCKETS,
            )?,
            errors: registrar.counter(
                "mycloud_lb_node_sync_errors_total",
                "Failed updates of back ends.",
                cloud(),
            )?,
        })
    }

    /// Records a change of the Nodes.
    pub fn changed(&self, now: &NodeSet) {
        let eligible = self.nodes.with_label_values(&["eligible"]);
        eligible.set(now.eligible);
        let excluded = self.nodes.with_label_values(&["excluded"]);
        excluded.set(now.excluded);
        let unusable = self.unusable_addresses.with_label_values::<&str>(&[]);
        unusable.set(now.unusable_addresses);
    }

    /// Records that a load balancer got the current Nodes, `took` after their change.
    pub fn synced(&self, cloud: &str, took: Duration) {
        self.syncs.observe(&[cloud], took.as_secs_f64());
    }

    /// Counts a failed update of the back ends of a load balancer.
    pub fn not_synced(&self, cloud: &str) {
        self.errors.with_label_values(&[cloud]).inc();
    }
}
