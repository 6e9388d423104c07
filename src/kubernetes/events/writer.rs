//! Writes the pending Events, several at a time.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};

use super::api::{EventApi, Operation};
use super::pending_event::{PendingEvent, ServiceReference};
use super::queue::EventQueue;
use super::retry::{Backoff, Verdict};
use super::written_events::{EventKey, WRITTEN_EVENTS, WrittenEvent, WrittenEvents};
use crate::kubernetes::KubernetesError;
use crate::kubernetes::request_slots::RequestSlots;
use crate::telemetry::Metrics;
use crate::telemetry::log_throttle::{LogKey, LogThrottle};

pub(super) struct EventWriter {
    pub(super) queue: Arc<EventQueue>,
    pub(super) api: EventApi,
    pub(super) slots: Arc<RequestSlots>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) log_throttle: LogThrottle,
}

/// An Event that is being written, or the result.
struct Attempt<R> {
    service: Arc<ServiceReference>,
    event: PendingEvent,
    key: EventKey,
    result: R,
}

type Written = Result<(Operation, WrittenEvent), KubernetesError>;

impl EventWriter {
    /// Writes Events until it is dropped.
    pub(super) async fn run(self) {
        let mut written = WrittenEvents::new(WRITTEN_EVENTS);
        let mut backoff = Backoff::default();
        let mut in_flight = FuturesUnordered::new();
        loop {
            let number = in_flight.len();
            tokio::select! {
                biased;
                Some(attempt) = in_flight.next() => self.end(attempt, &mut written, &mut backoff),
                (service, event) = self.next(&backoff, number) => {
                    in_flight.push(self.attempt(service, event, &written));
                }
                () = until(written.next_expiry()) => written.forget(Instant::now()),
            }
        }
    }

    /// Waits until an Event is pending and its request may start. Nothing is lost if this
    /// is cancelled.
    async fn next(
        &self,
        backoff: &Backoff,
        in_flight: usize,
    ) -> (Arc<ServiceReference>, PendingEvent) {
        backoff.until_resumed(in_flight).await;
        self.slots.room_for_event(in_flight).await;
        self.queue.take().await
    }

    fn attempt(
        &self,
        service: Arc<ServiceReference>,
        event: PendingEvent,
        written: &WrittenEvents,
    ) -> impl Future<Output = Attempt<Written>> + use<> {
        let key = written.key(&service, &event);
        let repeats = written.find(key, Instant::now());
        let api = self.api.clone();
        async move {
            let result = api.write(&service, &event, repeats).await;
            Attempt {
                service,
                event,
                key,
                result,
            }
        }
    }

    fn end(&self, attempt: Attempt<Written>, written: &mut WrittenEvents, backoff: &mut Backoff) {
        let Attempt {
            service,
            mut event,
            key,
            result,
        } = attempt;
        let now = Instant::now();
        match result {
            Ok((operation, event)) => {
                backoff.succeeded();
                self.metrics.events.written(operation.into());
                written.remember(key, event, now);
                self.queue.finish(&service);
            }
            Err(error) => match backoff.failed(&error, &mut event.attempts, now) {
                Verdict::Retry(at) => {
                    self.log("retry_event", &service, &event, &error);
                    self.queue.retry(&service, event, at);
                }
                Verdict::GiveUp => {
                    self.metrics.events.failed(error.code());
                    self.log("write_event", &service, &event, &error);
                    self.queue.finish(&service);
                }
            },
        }
    }

    fn log(
        &self,
        operation: &'static str,
        service: &ServiceReference,
        event: &PendingEvent,
        error: &KubernetesError,
    ) {
        let key = LogKey {
            cloud: None,
            operation,
            reason: error.code(),
        };
        if !self.log_throttle.should_log(key) {
            return;
        }
        let reason = <&str>::from(event.reason);
        let service = format!("{}/{}", service.namespace, service.name);
        match operation {
            "retry_event" => {
                tracing::warn!(%error, service, reason, "failed to write an Event; the writer will retry")
            }
            _ => tracing::warn!(%error, service, reason, "failed to write an Event; it is lost"),
        }
    }
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
