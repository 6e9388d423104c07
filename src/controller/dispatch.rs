//! Runs the reconciles that the queue admits.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;

use super::Context;
use super::reconcile::reconcile;

/// Starts each reconcile that the queue admits, until the context's `stopping` is
/// cancelled; then waits for those that run. The reconciles belong to this future:
/// dropping it ends every call in flight.
pub async fn dispatch(context: Arc<Context>) {
    let mut running = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            () = context.stopping.cancelled() => break,
            // What runs comes first: of thousands that have just been queued, most end
            // without a place. They end at once; the watch must get its turn.
            Some(()) = running.next() => tokio::task::yield_now().await,
            work = context.queue.next() => running.push(reconcile(work, context.clone())),
        }
    }
    while running.next().await.is_some() {}
}
