//! The pending Events, shared by those who emit them and the writer.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::pending_event::{PendingEvent, ServiceReference};
use super::pending_events::{DropReason, PENDING_EVENTS, PendingEvents};
use super::reason::EventReason;
use crate::telemetry::Metrics;
use crate::telemetry::log_throttle::{LogKey, LogThrottle};

pub(super) struct EventQueue {
    pending: Mutex<PendingEvents>,
    /// Notified when an Event was added or a Service can give its next one. Only the
    /// writer waits for it.
    changed: Notify,
    /// Notified when all Events are written or failed.
    idle: Notify,
    metrics: Arc<Metrics>,
    log_throttle: LogThrottle,
}

impl EventQueue {
    pub(super) fn new(metrics: Arc<Metrics>, log_throttle: LogThrottle) -> Self {
        Self {
            pending: Mutex::new(PendingEvents::new(PENDING_EVENTS)),
            changed: Notify::new(),
            idle: Notify::new(),
            metrics,
            log_throttle,
        }
    }

    /// Adds an Event. Must be called within a tokio runtime.
    pub(super) fn add(&self, service: ServiceReference, reason: EventReason, note: String) {
        let dropped = self.change(|pending| pending.add(service, reason, note));
        self.changed.notify_one();
        if let Some(bound) = dropped {
            self.report_drop(bound);
        }
    }

    /// Waits for the next Event.
    pub(super) async fn take(&self) -> (Arc<ServiceReference>, PendingEvent) {
        loop {
            let (taken, next_retry) = self.change(|pending| {
                let taken = pending.take(Instant::now());
                (taken, pending.next_retry())
            });
            match (taken, next_retry) {
                (Some(taken), _) => return taken,
                (None, None) => self.changed.notified().await,
                (None, Some(at)) => tokio::select! {
                    () = self.changed.notified() => {}
                    () = sleep_until(at) => {}
                },
            }
        }
    }

    /// The Event of this Service that was taken is written, or given up.
    pub(super) fn finish(&self, service: &Arc<ServiceReference>) {
        self.change(|pending| pending.finish(service));
        self.changed.notify_one();
    }

    /// The Event of this Service that was taken is to be written again, at this instant
    /// or later.
    pub(super) fn retry(&self, service: &Arc<ServiceReference>, event: PendingEvent, at: Instant) {
        self.change(|pending| pending.retry(service, event, at));
        self.changed.notify_one();
    }

    /// Waits until no Event is pending or in flight.
    pub(super) async fn until_idle(&self) {
        loop {
            // Created before the check, so that a notification in between is not missed.
            let idle = self.idle.notified();
            if self.len() == 0 {
                return;
            }
            idle.await;
        }
    }

    /// Counts all Events that are not written as dropped, because the process ends.
    /// Returns their number.
    pub(super) fn abandon(&self) -> usize {
        let number = self.len();
        let dropped = <&str>::from(DropReason::Shutdown);
        self.metrics.events.dropped(dropped, number);
        number
    }

    fn len(&self) -> usize {
        self.lock().len()
    }

    fn change<T>(&self, change: impl FnOnce(&mut PendingEvents) -> T) -> T {
        let mut pending = self.lock();
        let result = change(&mut pending);
        let number = pending.len();
        self.metrics.events.pending(number);
        drop(pending);
        if number == 0 {
            self.idle.notify_waiters();
        }
        result
    }

    fn report_drop(&self, bound: DropReason) {
        let reason = <&str>::from(bound);
        self.metrics.events.dropped(reason, 1);
        let key = LogKey {
            cloud: None,
            operation: "emit_event",
            reason,
        };
        if self.log_throttle.should_log(key) {
            tracing::warn!(
                reason,
                "too many Events are pending; the controller dropped the oldest one"
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, PendingEvents> {
        self.pending.lock()
    }
}
