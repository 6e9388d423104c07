//! Reconciles after a change of the Nodes: every Service may need other back ends.

use std::sync::Arc;

use tokio::sync::watch;

use super::Trigger;
use super::memory::Memory;
use crate::kubernetes::node_watch::NodeSet;
use crate::telemetry::Metrics;

/// Reconciles every Service whenever the Nodes change.
pub async fn run(
    mut nodes: watch::Receiver<Option<NodeSet>>,
    trigger: Trigger,
    memory: Arc<Memory>,
    metrics: Arc<Metrics>,
) {
    while nodes.changed().await.is_ok() {
        if let Some(nodes) = &*nodes.borrow_and_update() {
            metrics.nodes.changed(nodes.eligible, nodes.excluded);
            memory.node_sync.nodes_changed();
        }
        trigger.reconcile_all();
    }
    std::future::pending().await
}
