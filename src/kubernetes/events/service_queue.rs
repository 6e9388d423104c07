//! The pending Events of one Service, in the order in which they happened.

use std::collections::VecDeque;

use super::pending_event::PendingEvent;

/// Maximum number of pending Events of one Service. A Service has two or three Events for
/// each change; the rest is for a Service that changes while the API server is slow.
pub(super) const EVENTS_OF_A_SERVICE: usize = 16;
/// Space for the Events that a new Service has; a queue starts with it.
const USUAL: usize = 2;

/// The lines of a namespace, in the order in which they are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Services with a pending Warning.
    Warnings,
    Normal,
    /// Services whose next Event cannot be written yet.
    Waiting,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServiceState {
    Ready,
    /// One Event is being written. The next one waits, so that it cannot overtake.
    InFlight,
    /// The first Event is retried after a delay.
    Backoff,
}

/// The effect of an emitted Event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// One more Event is pending.
    New,
    /// A pending Event counts one more occurrence.
    Repeated,
    /// The Service has too many Events: this one, or an older one, was dropped.
    Dropped,
}

pub(super) struct ServiceQueue {
    events: VecDeque<PendingEvent>,
    pub(super) state: ServiceState,
    /// The line, and the ticket in this line.
    pub(super) place: Option<(Line, u64)>,
}

impl ServiceQueue {
    pub(super) fn new() -> Self {
        Self {
            events: VecDeque::with_capacity(USUAL),
            state: ServiceState::Ready,
            place: None,
        }
    }

    /// The line where the Service belongs; `None` if no Event is pending.
    pub(super) fn line(&self) -> Option<Line> {
        if self.events.is_empty() {
            return None;
        }
        Some(match self.state {
            ServiceState::InFlight | ServiceState::Backoff => Line::Waiting,
            ServiceState::Ready if self.events.iter().any(PendingEvent::is_warning) => {
                Line::Warnings
            }
            ServiceState::Ready => Line::Normal,
        })
    }

    pub(super) fn add(&mut self, event: PendingEvent) -> Added {
        if let Some(same) = self.events.iter_mut().find(|other| other.is_same(&event)) {
            same.repeat(&event);
            return Added::Repeated;
        }
        let is_full = self.events.len() >= EVENTS_OF_A_SERVICE;
        self.events.push_back(event);
        if !is_full {
            return Added::New;
        }
        self.drop_oldest();
        Added::Dropped
    }

    /// Drops the oldest Normal Event, or else the oldest Warning: the latest Events show
    /// the state of the Service.
    pub(super) fn drop_oldest(&mut self) {
        let normal = self.events.iter().position(|event| !event.is_warning());
        self.events.remove(normal.unwrap_or(0));
    }

    pub(super) fn take(&mut self) -> Option<PendingEvent> {
        self.events.pop_front()
    }

    /// Puts an Event that was not written before all others.
    pub(super) fn put_back(&mut self, event: PendingEvent) {
        self.events.push_front(event);
    }
}
