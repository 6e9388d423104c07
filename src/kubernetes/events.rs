//! Events on Services, and on Nodes that cannot be back ends, for `kubectl describe`.
//!
//! An emitted Event is accepted without waiting and kept small ([`pending_event`]) until
//! the [`writer`] has time for it. [`pending_events`] holds the order: the Events of a
//! Service stay in order, namespaces and Services take turns, and bounds protect the
//! memory. A repetition is counted on the Event that it repeats, before it is written or
//! after that ([`written_events`]).

mod api;
mod namespace_queue;
mod pending_event;
mod pending_events;
mod queue;
mod reason;
mod retry;
mod service_queue;
mod writer;
mod written_events;

use std::sync::Arc;

use kube::Client;

pub use pending_event::ServiceReference;
pub use reason::{EventReason, EventType};

use super::request_slots::RequestSlots;
use super::service_object::Service;
use crate::telemetry::Metrics;
use crate::telemetry::log_throttle::LogThrottle;
use api::EventApi;
use queue::EventQueue;
use writer::EventWriter;

/// The queue of Events, which are written in the background. Clones share it.
#[derive(Clone)]
pub struct Events {
    queue: Arc<EventQueue>,
}

impl Events {
    /// Returns the queue, and its writer, which must be polled and never ends. `identity`
    /// is the field `reportingInstance`.
    pub fn new(
        client: Client,
        identity: &str,
        slots: Arc<RequestSlots>,
        metrics: Arc<Metrics>,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let log_throttle = LogThrottle::default();
        let queue = EventQueue::new(metrics.clone(), log_throttle.clone());
        let queue = Arc::new(queue);
        let writer = EventWriter {
            queue: queue.clone(),
            api: EventApi::new(client, identity),
            slots,
            metrics,
            log_throttle,
        };
        (Self { queue }, writer.run())
    }

    /// Waits until no Event is pending: all so far, and those that are emitted meanwhile,
    /// are written or have failed.
    pub async fn flush(&self) {
        self.queue.until_idle().await;
    }

    /// Counts the pending Events as lost, because the process ends. Returns their number.
    pub fn abandon(&self) -> usize {
        self.queue.abandon()
    }

    /// Emits an Event on a Service; never blocks and never fails. Must be called within a
    /// tokio runtime.
    pub fn emit(&self, service: &Service, reason: EventReason, note: String) {
        self.emit_for(service.into(), reason, note);
    }

    /// Like [`Events::emit`], for a Service that may not exist any more, or a Node.
    pub fn emit_for(&self, service: ServiceReference, reason: EventReason, note: String) {
        self.queue.add(service, reason, note);
    }
}
