//! The loop: every Service, whenever something about it may have changed.
//!
//! - [`reconcile`]: one Service, in five named steps.
//! - [`observe`]: steps one and two; [`apply`]: step four; [`report`]: step five.
//!   [`done`]: what passes between them; [`readiness`]: what the condition says
//!   then; [`speech`] and [`said`]: Events, each once; [`measure`]: numbers;
//!   [`trace`]: spans.
//! - [`retry`]: the one place that turns a failure into "when to try again".
//! - [`inventories`]: what each cloud has, read at takeover and again for drift;
//!   [`cloud_in_hand`]: a cloud with it; [`drift`]: whose turn it is to be put right.
//! - [`sweep`]: what has no Service any more; [`vanished`]: Services that went
//!   although our finalizer was on them.
//! - [`context`]: what every reconcile has in hand; [`own_writes`]: our writes
//!   that the watch has not shown yet; [`doubts`]: creates that may have happened.

pub mod apply;
pub mod attempt;
pub mod cloud_handle;
pub mod context;
pub mod doubts;
pub mod drift;
pub mod error;
pub mod measure;
pub mod observe;
pub mod own_writes;
pub mod readiness;
pub mod reconcile;
pub mod report;
pub mod resync;
pub mod retry;
pub mod said;
pub mod speech;
pub mod sweep;
pub mod trace;
pub mod vanished;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures::{Stream, StreamExt, stream};
use k8s_openapi::api::core::v1::Service;
use kube::runtime::controller::Controller;
use kube::runtime::{WatchStreamExt, watcher};
use tokio::sync::{mpsc, watch};

pub use context::Context;

use crate::kubernetes::watch_metrics::WatchMetrics;
use reconcile::key;

/// Asks for a reconcile of every Service; requests that meet are one.
#[derive(Clone)]
pub struct Trigger(mpsc::Sender<()>);

/// The receiving end of a [`Trigger`].
pub struct Triggered(mpsc::Receiver<()>);

impl Trigger {
    /// A trigger and its receiving end.
    pub fn new() -> (Self, Triggered) {
        let (sender, receiver) = mpsc::channel(1);
        (Self(sender), Triggered(receiver))
    }

    /// Asks for it.
    pub fn reconcile_all(&self) {
        // Full means that one is asked for already.
        let _ = self.0.try_send(());
    }
}

/// Runs until the context's `stopping` is cancelled and every reconcile that
/// was under way has ended. `listed` becomes true with the first whole list of Services.
pub async fn run(
    context: Arc<Context>,
    events: impl Stream<Item = Result<watcher::Event<Service>, watcher::Error>> + Send + 'static,
    triggered: Triggered,
    listed: watch::Sender<bool>,
) {
    let watching = context.clone();
    let mut meter = WatchMetrics::new(context.metrics.clone(), "service");
    let events = events.inspect(move |event| {
        meter.note(event);
        meter.objects(watching.services_store.len());
        match event {
            Ok(watcher::Event::Apply(service) | watcher::Event::InitApply(service)) => {
                watching.metrics.queue.add(key(service));
            }
            Ok(watcher::Event::Delete(service)) => {
                watching.forget(service);
                watching
                    .finalizer_races
                    .report(service, watching.metadata_keys.finalizer());
            }
            // Not Store::wait_until_ready: of several that wait there, one is woken.
            Ok(watcher::Event::InitDone) => {
                listed.send_replace(true);
            }
            Ok(watcher::Event::Init) => {}
            Err(error) => tracing::warn!(%error, "the watch of Services failed; it starts again"),
        }
    });
    let stopping = context.stopping.clone().cancelled_owned();
    let asking = context.clone();
    let triggers = stream::unfold(triggered.0, |mut receiver| async move {
        receiver.recv().await.map(|()| ((), receiver))
    })
    .inspect(move |()| {
        for service in asking.services_store.state() {
            asking.metrics.queue.add(key(&service));
        }
    });
    Controller::for_stream(events.applied_objects(), context.services_store.clone())
        .reconcile_all_on(triggers)
        .graceful_shutdown_on(stopping)
        .run(reconcile::reconcile, |_, never, _| match *never {}, context)
        .for_each(|_| std::future::ready(()))
        .await;
}
