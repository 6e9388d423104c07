//! The loop: every Service, whenever something about it may have changed.
//!
//! - [`reconcile`]: one Service, in six steps. Their types are in [`attempt`], the
//!   steps in [`observe`], [`pace`], [`apply`] and [`report`]; the plan is
//!   [`crate::plan`].
//! - [`context`]: what every reconcile works with; [`cloud_handle`]: a cloud's
//!   client and inventory; [`error`]: why an attempt is not finished.
//! - [`memory`]: what is remembered of each Service between two reconciles, such
//!   as when to try again ([`memory::requeue`]).
//! - In the background: [`resync`] (lists and drift), [`orphans`] (load balancers
//!   whose Service is gone), [`node_changes`].

pub mod apply;
pub mod attempt;
pub mod cloud_handle;
pub mod context;
pub mod error;
pub mod memory;
pub mod node_changes;
pub mod observe;
pub mod orphans;
pub mod pace;
pub mod reconcile;
pub mod report;
pub mod resync;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use k8s_openapi::api::core::v1::Service;
use kube::runtime::controller::Controller;
use kube::runtime::{WatchStreamExt, watcher};
use tokio::sync::{mpsc, watch};

pub use context::Context;

use crate::kubernetes::watch_metrics::WatchMetrics;
use context::uid;
use orphans::finalizer_race::FinalizerRaces;

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

/// Runs until the context's `stopping` is cancelled and every reconcile under
/// way has ended. `listed` becomes true with the first whole list of Services.
pub async fn run(
    context: Arc<Context>,
    events: impl Stream<Item = Result<watcher::Event<Service>, watcher::Error>> + Send + 'static,
    triggered: Triggered,
    finalizer_races: FinalizerRaces,
    listed: watch::Sender<bool>,
) {
    let watching = context.clone();
    let mut watch_metrics = WatchMetrics::new(context.metrics.clone(), "service");
    let events = events.inspect(move |event| {
        watch_metrics.note(event);
        watch_metrics.objects(watching.watched.services.len());
        match event {
            Ok(watcher::Event::Apply(service) | watcher::Event::InitApply(service)) => {
                enqueued(service, &watching);
            }
            Ok(watcher::Event::Delete(service)) => {
                if let Some(uid) = uid(service) {
                    watching.memory.forget(&uid);
                }
                finalizer_races.observe(service, watching.metadata_keys.finalizer());
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
    let triggering = context.clone();
    let triggers = stream::unfold(triggered.0, |mut receiver| async move {
        receiver.recv().await.map(|()| ((), receiver))
    })
    .inspect(move |()| {
        for service in triggering.watched.services.state() {
            enqueued(&service, &triggering);
        }
    });
    let services = context.watched.services.clone();
    Controller::for_stream(events.applied_objects(), services)
        .reconcile_all_on(triggers)
        .graceful_shutdown_on(stopping)
        .run(reconcile::reconcile, |_, never, _| match *never {}, context)
        .for_each(|_| std::future::ready(()))
        .await;
}

fn enqueued(service: &Service, context: &Context) {
    if let Some(uid) = uid(service) {
        context.enqueued(&uid, Duration::ZERO);
    }
}
