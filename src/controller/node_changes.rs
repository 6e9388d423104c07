//! Reconciles after a change of the Nodes: the Services that choose among those that have
//! changed may need other back ends.

use std::sync::Arc;

use futures::future::join;
use tokio::sync::watch;

use super::Context;
use super::context::uid;
use super::node_choices::follow_free;
use crate::kubernetes::node_watch::{Change, NodeSets};
use crate::plan::node_choice::Chosen;
use crate::priority::Priority;

/// Reconciles Services whenever the Nodes that they choose change, or may be chosen.
pub async fn run(nodes: watch::Receiver<Option<NodeSets>>, context: Arc<Context>) {
    join(follow(nodes, &context), follow_free(&context)).await;
}

async fn follow(mut nodes: watch::Receiver<Option<NodeSets>>, context: &Context) {
    let mut before = None;
    while nodes.changed().await.is_ok() {
        let now = nodes.borrow_and_update().clone();
        if let Some(now) = &now {
            context.metrics.nodes.changed(&now.of_configuration());
            enqueue_changed(before.as_ref(), now, context);
        }
        before = now;
    }
    std::future::pending().await
}

fn enqueue_changed(before: Option<&NodeSets>, now: &NodeSets, context: &Context) {
    let of_configuration = now.changed_since(before, &Chosen::default());
    for service in context.watched.services.state() {
        let own = uid(&service).and_then(|uid| context.memory.node_choices.own(&uid));
        let change = match own {
            Some(chosen) => now.changed_since(before, &chosen),
            None => of_configuration,
        };
        let priority = match change {
            // Its attempt ended without back ends, and its user waits.
            Some(Change::Appeared) if before.is_some() => Priority::User,
            Some(_) => Priority::Background,
            None => continue,
        };
        context.enqueue(&service, priority);
    }
}
