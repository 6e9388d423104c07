//! Reconciles after a change of the Nodes: every Service may need other back ends.

use std::sync::Arc;

use tokio::sync::watch;

use super::Context;
use crate::kubernetes::node_watch::NodeSet;
use crate::priority::Priority;

/// Reconciles every Service whenever the Nodes change.
pub async fn run(mut nodes: watch::Receiver<Option<NodeSet>>, context: Arc<Context>) {
    while nodes.changed().await.is_ok() {
        if let Some(nodes) = &*nodes.borrow_and_update() {
            context.metrics.nodes.changed(nodes);
            context.memory.node_sync.nodes_changed();
        }
        context.enqueue_all(Priority::Background);
    }
    std::future::pending().await
}
