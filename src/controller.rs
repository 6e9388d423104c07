//! The control loop: reconciles a Service whenever a change may concern it.
//!
//! - [`reconcile`]: one Service, in six steps. Their types are in [`attempt`], the
//!   steps in [`observe`], [`pace`], [`apply`] and [`report`]; the plan is
//!   [`crate::plan`].
//! - [`context`]: the clients, stores and settings of every reconcile;
//!   [`cloud_handle`]: a cloud's client and inventory; [`error`]: the errors of an
//!   attempt.
//! - [`memory`]: the state of each Service that outlives an attempt, such as the
//!   time of the next one ([`memory::requeue`]).
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
use kube::runtime::controller::Controller;
use kube::runtime::{WatchStreamExt, watcher};
use tokio::sync::{mpsc, watch};

pub use context::Context;

use crate::kubernetes::service_object::Service;
use crate::kubernetes::watch_metrics::WatchMetrics;
use context::uid;
use orphans::finalizer_race::FinalizerRaces;

/// Requests a reconcile of every Service; requests that are pending at the same
/// time are merged.
#[derive(Clone)]
pub struct Trigger(mpsc::Sender<()>);

/// The receiving end of a [`Trigger`].
pub struct Triggered(mpsc::Receiver<()>);

impl Trigger {
    pub fn new() -> (Self, Triggered) {
        let (sender, receiver) = mpsc::channel(1);
        (Self(sender), Triggered(receiver))
    }

    pub fn reconcile_all(&self) {
        // The channel is full if a request is pending already.
        let _ = self.0.try_send(());
    }
}

/// Runs until the context's `stopping` is cancelled and every running reconcile
/// has ended. `listed` becomes true with the first complete list of Services.
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
            // Store::wait_until_ready would wake only one of several waiting tasks.
            Ok(watcher::Event::InitDone) => {
                listed.send_replace(true);
            }
            Ok(watcher::Event::Init) => {}
            Err(error) => tracing::warn!(%error, "the Service watch failed and will be restarted"),
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
