//! The pending Events of one namespace.
//!
//! Its Services take turns, one Event each. A Service with a pending Warning comes before
//! the Services without one, because a Warning explains why a user still waits. The
//! order of the Events of one Service stays as it is: a Warning brings the Normal Events
//! before it forward, and does not overtake them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::pending_event::{PendingEvent, ServiceReference};
use super::service_queue::{Added, Line, ServiceQueue, ServiceState};

#[derive(Default)]
pub(super) struct NamespaceQueue {
    services: HashMap<Arc<ServiceReference>, ServiceQueue>,
    /// The Services of each [`Line`] by ticket: the lowest is next.
    lines: [BTreeMap<u64, Arc<ServiceReference>>; 3],
    pending: usize,
}

impl NamespaceQueue {
    /// The number of pending Events, without those in flight.
    pub(super) fn len(&self) -> usize {
        self.pending
    }

    /// Whether nothing is pending or in flight.
    pub(super) fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    /// Whether an Event can be written now.
    pub(super) fn is_ready(&self) -> bool {
        !self.line(Line::Warnings).is_empty() || !self.line(Line::Normal).is_empty()
    }

    /// Adds an Event. The ticket is for the Service, if it has no place yet.
    pub(super) fn add(
        &mut self,
        service: ServiceReference,
        event: PendingEvent,
        ticket: u64,
    ) -> Added {
        let service = match self.services.get_key_value(&service) {
            Some((shared, _)) => shared.clone(),
            None => Arc::new(service),
        };
        let queue = self.services.entry(service.clone());
        let added = queue.or_insert_with(ServiceQueue::new).add(event);
        if added == Added::New {
            self.pending += 1;
        }
        self.place(&service, ticket);
        added
    }

    /// Takes the next Event. Its Service gives no other one until
    /// [`NamespaceQueue::resume`].
    pub(super) fn take(&mut self, ticket: u64) -> Option<(Arc<ServiceReference>, PendingEvent)> {
        let lines = [Line::Warnings, Line::Normal];
        let next = |line: &Line| self.line(*line).first_key_value();
        let (_, service) = lines.iter().find_map(next)?;
        let service = service.clone();
        let queue = self.services.get_mut(&service)?;
        let event = queue.take()?;
        queue.state = ServiceState::InFlight;
        self.pending -= 1;
        self.place(&service, ticket);
        Some((service, event))
    }

    /// Puts an Event that was not written back before all others of its Service, which
    /// gives none until [`NamespaceQueue::resume`].
    pub(super) fn put_back(
        &mut self,
        service: &Arc<ServiceReference>,
        event: PendingEvent,
        ticket: u64,
    ) {
        if let Some(queue) = self.services.get_mut(service) {
            queue.put_back(event);
            queue.state = ServiceState::Backoff;
            self.pending += 1;
            self.place(service, ticket);
        }
    }

    /// Lets a Service give its next Event; it goes to the end of the line.
    pub(super) fn resume(&mut self, service: &Arc<ServiceReference>, ticket: u64) {
        if let Some(queue) = self.services.get_mut(service) {
            queue.state = ServiceState::Ready;
            self.place(service, ticket);
        }
    }

    /// Drops an Event of the Service that is last in line, of those without a Warning
    /// first.
    pub(super) fn drop_one(&mut self, ticket: u64) {
        let lines = [Line::Normal, Line::Warnings, Line::Waiting];
        let last = |line: &Line| self.line(*line).last_key_value();
        let Some((_, service)) = lines.iter().find_map(last) else {
            return;
        };
        let service = service.clone();
        if let Some(queue) = self.services.get_mut(&service) {
            queue.drop_oldest();
            self.pending -= 1;
            self.place(&service, ticket);
        }
    }

    /// Moves a Service to the line where it belongs, and forgets it if it has no Event.
    fn place(&mut self, service: &Arc<ServiceReference>, ticket: u64) {
        let Some(queue) = self.services.get_mut(service) else {
            return;
        };
        let wanted = queue.line();
        if queue.place.map(|(line, _)| line) != wanted {
            if let Some((line, before)) = queue.place.take() {
                self.lines[line as usize].remove(&before);
            }
            if let Some(line) = wanted {
                queue.place = Some((line, ticket));
                self.lines[line as usize].insert(ticket, service.clone());
            }
        }
        if wanted.is_none() && queue.state == ServiceState::Ready {
            self.services.remove(service);
        }
    }

    fn line(&self, line: Line) -> &BTreeMap<u64, Arc<ServiceReference>> {
        &self.lines[line as usize]
    }
}
