//! All pending Events: which one is written next, and which one is dropped.
//!
//! Namespaces take turns, one Event each, and within a namespace its Services do
//! ([`NamespaceQueue`]), so no namespace and no Service keeps the others waiting. No
//! operation takes longer than the logarithm of the number of Services.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;

use super::namespace_queue::NamespaceQueue;
use super::pending_event::{PendingEvent, ServiceReference};
use super::reason::EventReason;
use super::service_queue::Added;

/// Maximum number of pending Events: four for each of 10,000 Services, which have two or
/// three each if all change at once. They need about 15 MiB, and over 40 MiB if all have the
/// longest note, as clouds with long messages can cause while the API server takes no Events.
pub(super) const PENDING_EVENTS: usize = 40_000;

/// The bound that made the controller drop an Event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub(super) enum DropReason {
    /// The Service has too many pending Events.
    ServiceFull,
    /// Too many Events are pending in total.
    QueueFull,
    /// The process ends.
    Shutdown,
}

/// The pending Events, without any I/O.
pub(super) struct PendingEvents {
    limit: usize,
    namespaces: HashMap<Arc<str>, Turn>,
    /// The namespaces with an Event that can be written now: the lowest ticket is next.
    turns: BTreeMap<u64, Arc<str>>,
    /// The namespaces by their number of pending Events.
    sizes: BTreeSet<(usize, Arc<str>)>,
    /// The Services that wait after a failure, by the end of the wait.
    backoffs: BTreeMap<(Instant, u64), Arc<ServiceReference>>,
    pending: usize,
    in_flight: usize,
    last_ticket: u64,
    /// The time of the last Event.
    last_time: i64,
}

/// A namespace, and its ticket if it can be served.
#[derive(Default)]
struct Turn {
    queue: NamespaceQueue,
    ticket: Option<u64>,
}

impl PendingEvents {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            namespaces: HashMap::new(),
            turns: BTreeMap::new(),
            sizes: BTreeSet::new(),
            backoffs: BTreeMap::new(),
            pending: 0,
            in_flight: 0,
            last_ticket: 0,
            last_time: 0,
        }
    }

    /// The number of Events that are not written yet, those in flight included.
    pub(super) fn len(&self) -> usize {
        self.pending + self.in_flight
    }

    /// Adds an Event. Returns why an Event, this one or another, was dropped for it.
    pub(super) fn add(
        &mut self,
        service: ServiceReference,
        reason: EventReason,
        note: String,
    ) -> Option<DropReason> {
        let event = PendingEvent::new(reason, note, self.now());
        let namespace = service.namespace.clone();
        let add = |queue: &mut NamespaceQueue, ticket| queue.add(service, event, ticket);
        if self.change(&namespace, add) == Added::Dropped {
            return Some(DropReason::ServiceFull);
        }
        if self.pending <= self.limit {
            return None;
        }
        // The namespace that causes the trouble loses first.
        let (_, largest) = self.sizes.last()?;
        let largest = largest.clone();
        self.change(&largest, NamespaceQueue::drop_one);
        Some(DropReason::QueueFull)
    }

    /// Takes the next Event that can be written at this instant. The caller reports the
    /// end of its attempt by [`PendingEvents::finish`] or [`PendingEvents::retry`].
    pub(super) fn take(&mut self, now: Instant) -> Option<(Arc<ServiceReference>, PendingEvent)> {
        while let Some(due) = self.backoffs.first_entry()
            && due.key().0 <= now
        {
            let service = due.remove();
            self.resume(&service);
        }
        let (_, namespace) = self.turns.pop_first()?;
        if let Some(turn) = self.namespaces.get_mut(&namespace) {
            turn.ticket = None;
        }
        let taken = self.change(&namespace, NamespaceQueue::take)?;
        self.in_flight += 1;
        Some(taken)
    }

    /// The Event of this Service that was taken is written, or given up.
    pub(super) fn finish(&mut self, service: &Arc<ServiceReference>) {
        self.in_flight -= 1;
        self.resume(service);
    }

    /// The Event of this Service that was taken is to be written again, at this instant
    /// or later. The other Events of the Service wait behind it.
    pub(super) fn retry(
        &mut self,
        service: &Arc<ServiceReference>,
        event: PendingEvent,
        at: Instant,
    ) {
        self.in_flight -= 1;
        let ticket = self.ticket();
        self.backoffs.insert((at, ticket), service.clone());
        self.change(&service.namespace, |queue, ticket| {
            queue.put_back(service, event, ticket);
        });
    }

    /// The next instant at which a Service has waited long enough after a failure.
    pub(super) fn next_retry(&self) -> Option<Instant> {
        self.backoffs.first_key_value().map(|((at, _), _)| *at)
    }

    fn resume(&mut self, service: &Arc<ServiceReference>) {
        self.change(&service.namespace, |queue, ticket| {
            queue.resume(service, ticket);
        });
    }

    /// Changes the queue of a namespace, and then its turn and its size.
    fn change<T>(
        &mut self,
        namespace: &str,
        change: impl FnOnce(&mut NamespaceQueue, u64) -> T,
    ) -> T {
        let ticket = self.ticket();
        let key: Arc<str> = match self.namespaces.get_key_value(namespace) {
            Some((shared, _)) => shared.clone(),
            None => namespace.into(),
        };
        let turn = self.namespaces.entry(key.clone()).or_default();
        let before = turn.queue.len();
        let result = change(&mut turn.queue, ticket);
        let after = turn.queue.len();
        let is_empty = turn.queue.is_empty();
        match (turn.ticket, turn.queue.is_ready()) {
            (None, true) => {
                turn.ticket = Some(ticket);
                self.turns.insert(ticket, key.clone());
            }
            (Some(held), false) => {
                turn.ticket = None;
                self.turns.remove(&held);
            }
            (None, false) | (Some(_), true) => {}
        }
        self.resize(key, before, after);
        if is_empty {
            self.namespaces.remove(namespace);
        }
        if self.namespaces.is_empty() {
            // After a storm only a small part of its memory is needed.
            self.namespaces = HashMap::new();
        }
        result
    }

    fn resize(&mut self, namespace: Arc<str>, before: usize, after: usize) {
        self.pending = self.pending + after - before;
        if before != after {
            self.sizes.remove(&(before, namespace.clone()));
            if after > 0 {
                self.sizes.insert((after, namespace));
            }
        }
    }

    fn ticket(&mut self) -> u64 {
        self.last_ticket += 1;
        self.last_ticket
    }

    /// The time in nanoseconds since 1970, and later than that of any other Event.
    fn now(&mut self) -> i64 {
        let now = i64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX);
        self.last_time = now.max(self.last_time + 1);
        self.last_time
    }
}

#[cfg(test)]
mod tests;
