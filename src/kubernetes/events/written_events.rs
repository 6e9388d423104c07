//! The memory of written Events, so that a repetition is counted on the first one.
//!
//! An Event is forgotten some time after its last occurrence. The order of their ages is
//! kept, so this never walks through all of them (the recorder of kube-runtime does, for
//! each Event).

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::time::Duration;

use tokio::time::Instant;

use super::pending_event::{PendingEvent, ServiceReference};

/// Time after the last occurrence in which another one is a repetition: that of client-go
/// and of kube-runtime.
pub(super) const REPETITION_WINDOW: Duration = Duration::from_secs(6 * 60);
/// Maximum number of remembered Events: as many as can be pending, in about 4 MiB. The
/// oldest is forgotten first; if it is repeated, it is written as another Event.
pub(super) const WRITTEN_EVENTS: usize = super::pending_events::PENDING_EVENTS;

/// Identifies an Event by a hash of its Service, reason and note. Two different Events
/// with one hash (2^-64) would only have a wrong count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct EventKey(u64);

/// An Event in the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WrittenEvent {
    /// The time of the first occurrence, which its name ends with.
    pub(super) first: i64,
    /// The number of occurrences so far.
    pub(super) count: i32,
}

pub(super) struct WrittenEvents {
    limit: usize,
    hasher: RandomState,
    events: HashMap<EventKey, (WrittenEvent, Instant)>,
    /// The events by the time when they were first written or last looked at. That of an
    /// Event that was repeated since then is too early, and is corrected when it is due.
    ages: VecDeque<(Instant, EventKey)>,
}

impl WrittenEvents {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            hasher: RandomState::new(),
            events: HashMap::new(),
            ages: VecDeque::new(),
        }
    }

    pub(super) fn key(&self, service: &ServiceReference, event: &PendingEvent) -> EventKey {
        let identity = (service, event.reason, event.bare_note());
        EventKey(self.hasher.hash_one(identity))
    }

    /// The Event that one with this key repeats.
    pub(super) fn find(&self, key: EventKey, now: Instant) -> Option<WrittenEvent> {
        let (event, last) = self.events.get(&key)?;
        (now < *last + REPETITION_WINDOW).then_some(*event)
    }

    /// Remembers an Event that was written or repeated at this instant.
    pub(super) fn remember(&mut self, key: EventKey, event: WrittenEvent, now: Instant) {
        if self.events.insert(key, (event, now)).is_none() {
            self.ages.push_back((now, key));
        }
        if self.events.len() > self.limit
            && let Some((_, oldest)) = self.ages.pop_front()
        {
            self.events.remove(&oldest);
        }
    }

    /// The next instant at which [`WrittenEvents::forget`] may have something to do.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.ages.front().map(|(age, _)| *age + REPETITION_WINDOW)
    }

    /// Forgets the Events that did not occur in the window before this instant.
    pub(super) fn forget(&mut self, now: Instant) {
        while let Some((age, key)) = self.ages.front().copied()
            && age + REPETITION_WINDOW <= now
        {
            self.ages.pop_front();
            match self.events.get(&key) {
                Some((_, last)) if *last + REPETITION_WINDOW > now => {
                    self.ages.push_back((*last, key));
                }
                Some(_) | None => drop(self.events.remove(&key)),
            }
        }
        if self.events.is_empty() {
            // After a storm only a small part of its memory is needed.
            self.events = HashMap::new();
            self.ages = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests;
