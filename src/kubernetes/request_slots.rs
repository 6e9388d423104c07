//! Which requests to the API server may start: those for Services first, and Events with
//! what these leave.

use tokio::sync::{Notify, Semaphore, SemaphorePermit};

/// Maximum number of requests for Services in flight, so that a thousand Services at once
/// do not open a thousand connections.
const SERVICE_REQUESTS: usize = 32;

/// Maximum number of requests for Events in flight while there is none for a Service:
/// eight keep an API server on two cores busy, and more would only queue there.
const EVENT_REQUESTS: usize = 8;

/// The same while a request for a Service is in flight: a user waits for that. It is not
/// zero, because requests for Services that hang, at an admission webhook for example, must
/// not hide the Events about it.
const EVENTS_BESIDE_SERVICES: usize = 1;

/// The requests in flight. A request for a Service never waits for an Event.
pub struct RequestSlots {
    services: Semaphore,
    /// Notified when a request for a Service has ended. Only the writer of Events waits
    /// for it.
    freed: Notify,
}

/// The right to have one request for a Service in flight.
pub struct ServiceSlot<'a> {
    // Dropped before the notification.
    _permit: Option<SemaphorePermit<'a>>,
    _end: NotifyOnDrop<'a>,
}

struct NotifyOnDrop<'a>(&'a Notify);

impl Drop for NotifyOnDrop<'_> {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Default for RequestSlots {
    fn default() -> Self {
        Self {
            services: Semaphore::new(SERVICE_REQUESTS),
            freed: Notify::new(),
        }
    }
}

impl RequestSlots {
    /// Waits for the slot of a request for a Service, in the order of the calls.
    pub async fn acquire(&self) -> ServiceSlot<'_> {
        ServiceSlot {
            // An error means that the semaphore was closed, which it never is.
            _permit: self.services.acquire().await.ok(),
            _end: NotifyOnDrop(&self.freed),
        }
    }

    /// Waits until an Event may be written beside this number of others. Only one task may
    /// call it.
    pub async fn room_for_event(&self, in_flight: usize) {
        while in_flight >= self.limit_of_events() {
            self.freed.notified().await;
        }
    }

    fn limit_of_events(&self) -> usize {
        if self.services.available_permits() == SERVICE_REQUESTS {
            EVENT_REQUESTS
        } else {
            EVENTS_BESIDE_SERVICES
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn has_room(slots: &RequestSlots, in_flight: usize) -> bool {
        slots.room_for_event(in_flight).now_or_never().is_some()
    }

    #[tokio::test]
    async fn events_take_what_the_services_leave() {
        let slots = RequestSlots::default();
        assert!(has_room(&slots, EVENT_REQUESTS - 1), "no other request");
        assert!(!has_room(&slots, EVENT_REQUESTS), "Events have a limit");
        let mut services = Vec::new();
        for _ in 0..SERVICE_REQUESTS {
            services.push(slots.acquire().await);
            assert!(has_room(&slots, 0), "one Event is always possible");
            assert!(!has_room(&slots, 1), "a second one is not");
        }
        assert!(slots.acquire().now_or_never().is_none(), "all are taken");
    }

    #[tokio::test]
    async fn the_end_of_the_last_request_for_a_service_wakes_the_writer_of_events() {
        let slots = RequestSlots::default();
        let (first, second) = (slots.acquire().await, slots.acquire().await);
        let mut room = std::pin::pin!(slots.room_for_event(2));
        assert!(room.as_mut().now_or_never().is_none());
        drop(first);
        assert!(room.as_mut().now_or_never().is_none(), "one is left");
        drop(second);
        assert!(room.now_or_never().is_some());
    }
}
