//! The control loop: reconciles a Service whenever a change may concern it.
//!
//! - [`workqueue`]: the Services to reconcile; [`dispatch`] runs what it admits.
//! - [`reconcile`]: one Service, in steps. Their types are in [`attempt`], the steps in
//!   [`observe`], [`admit`], [`pace`], [`apply`] and [`report`]; the plan is
//!   [`crate::plan`].
//! - [`context`]: the clients, stores and settings of every reconcile;
//!   [`cloud_handle`]: a cloud's client and inventory; [`error`]: the errors of an
//!   attempt.
//! - [`memory`]: the state of each Service that outlives an attempt, such as the
//!   time of the next one ([`memory::requeue`]).
//! - In the background: [`resync`] (lists and drift), [`capabilities`] (what clouds can do), [`orphans`] (load balancers
//!   whose Service is gone), [`node_changes`].

pub mod admit;
pub mod apply;
pub mod attempt;
pub mod capabilities;
pub mod cloud_handle;
pub mod context;
pub mod dispatch;
pub mod error;
pub mod memory;
pub mod node_changes;
pub mod node_choices;
pub mod observe;
pub mod orphans;
pub mod pace;
pub mod reconcile;
pub mod report;
pub mod resync;
pub mod workqueue;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures::future::{Either, select};
use futures::{Stream, StreamExt};
use kube::runtime::watcher;
use tokio::sync::watch;

pub use context::Context;

use crate::error_chain::with_causes;
use crate::kubernetes::service_object::Service;
use crate::kubernetes::watch_metrics::WatchMetrics;
use crate::priority::Priority;
use context::{key, uid};
use dispatch::dispatch;
use orphans::finalizer_race::FinalizerRaces;

/// Follows the watch of the Services, and reconciles each that changes while this
/// replica leads. Runs until the context's `stopping` is cancelled and every running
/// reconcile has ended. `listed` becomes true with the first complete list.
pub async fn run(
    context: Arc<Context>,
    events: impl Stream<Item = Result<watcher::Event<Service>, watcher::Error>> + Send + 'static,
    finalizer_races: FinalizerRaces,
    listed: watch::Sender<bool>,
) {
    let mut watch_metrics = WatchMetrics::new(context.metrics.clone(), "service");
    let follow = events.for_each(|event| {
        watch_metrics.note(&event);
        watch_metrics.objects(context.watched.services.len());
        match event {
            Ok(event) => observe_event(&event, &context, &finalizer_races, &listed),
            Err(error) => tracing::warn!(
                error = with_causes(&error),
                "the Service watch failed and will be restarted"
            ),
        }
        std::future::ready(())
    });
    let reconciles = std::pin::pin!(dispatch(context.clone()));
    // The watch ends only when the process is about to.
    if let Either::Right((_, reconciles)) = select(reconciles, std::pin::pin!(follow)).await {
        reconciles.await;
    }
}

fn observe_event(
    event: &watcher::Event<Service>,
    context: &Context,
    finalizer_races: &FinalizerRaces,
    listed: &watch::Sender<bool>,
) {
    match event {
        watcher::Event::Apply(service) => {
            // The attempt that wrote this state has reported on it.
            if !context.memory.mutation_cache.has_seen(service) {
                context.enqueue(service, Priority::User);
            }
        }
        watcher::Event::Delete(service) => {
            context.remember_policy(service);
            if let Some(uid) = uid(service) {
                context.memory.forget(&uid);
            }
            if let Some(key) = key(service) {
                context.queue.remove(&key);
            }
            finalizer_races.observe(service, context.metadata_keys.finalizer());
        }
        // The store shows a list only when it is complete; a reconcile before that would
        // see the state before it.
        watcher::Event::InitDone => {
            // Store::wait_until_ready would wake only one of several waiting tasks.
            listed.send_replace(true);
            context.end_list();
            // Any of them may have been edited while the watch was away.
            context.enqueue_all(Priority::User);
        }
        watcher::Event::Init => context.begin_list(),
        watcher::Event::InitApply(_) => {}
    }
}
