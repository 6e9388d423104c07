use EventReason::{EnsuredLoadBalancer, EnsuringLoadBalancer, SyncLoadBalancerFailed};

use super::*;
use crate::kubernetes::events::service_queue::EVENTS_OF_A_SERVICE;

/// The queue of a test, and an instant that never passes by itself.
struct Queue {
    pending: PendingEvents,
    now: Instant,
}

type Taken = (Arc<ServiceReference>, PendingEvent);

fn reference(name: &str) -> ServiceReference {
    let (namespace, name) = name.split_once('/').expect("namespace/name");
    ServiceReference::new(namespace, name, &format!("uid of {name}"))
}

impl Queue {
    fn of(limit: usize) -> Self {
        Self {
            pending: PendingEvents::new(limit),
            now: Instant::now(),
        }
    }

    fn add(&mut self, name: &str, reason: EventReason, note: &str) -> Option<DropReason> {
        self.pending.add(reference(name), reason, note.to_owned())
    }

    fn take(&mut self) -> Option<Taken> {
        self.pending.take(self.now)
    }

    /// Writes everything, one Event at a time; returns the Services and notes.
    fn written(&mut self) -> Vec<String> {
        let mut written = Vec::new();
        while let Some((service, event)) = self.take() {
            written.push(text(&service, &event));
            self.pending.finish(&service);
        }
        written
    }
}

fn text(service: &ServiceReference, event: &PendingEvent) -> String {
    let (namespace, name) = (&service.namespace, &service.name);
    format!("{namespace}/{name} {}", event.bare_note())
}

#[test]
fn the_events_of_a_service_are_written_in_order_and_never_two_at_once() {
    let mut queue = Queue::of(100);
    queue.add("a/web", EnsuringLoadBalancer, "1");
    queue.add("a/web", SyncLoadBalancerFailed, "2");
    queue.add("a/web", EnsuredLoadBalancer, "3");
    for note in ["1", "2", "3"] {
        let (service, event) = queue.take().expect("an Event");
        assert_eq!(event.bare_note(), note);
        assert!(queue.take().is_none(), "the next one waits for this one");
        queue.pending.finish(&service);
    }
    assert_eq!(queue.pending.len(), 0);
}

#[test]
fn another_service_does_not_wait() {
    let mut queue = Queue::of(100);
    queue.add("a/one", EnsuringLoadBalancer, "1");
    queue.add("a/two", EnsuringLoadBalancer, "1");
    assert!(queue.take().is_some());
    assert!(queue.take().is_some());
    assert!(queue.take().is_none());
}

#[test]
fn namespaces_take_turns_and_so_do_their_services() {
    let mut queue = Queue::of(100);
    for name in ["a/1", "a/2", "a/3"] {
        for note in ["x", "y"] {
            queue.add(name, EnsuredLoadBalancer, note);
        }
    }
    queue.add("b/1", EnsuredLoadBalancer, "x");
    queue.add("b/2", EnsuredLoadBalancer, "x");
    let expected = [
        "a/1 x", "b/1 x", "a/2 x", "b/2 x", "a/3 x", "a/1 y", "a/2 y", "a/3 y",
    ];
    assert_eq!(queue.written(), expected);
}

#[test]
fn a_service_with_a_warning_comes_first_in_its_namespace_only() {
    let mut queue = Queue::of(100);
    for name in ["a/1", "a/2", "a/3"] {
        queue.add(name, EnsuringLoadBalancer, "x");
    }
    queue.add("b/1", EnsuringLoadBalancer, "x");
    queue.add("a/3", SyncLoadBalancerFailed, "down");
    let expected = ["a/3 x", "b/1 x", "a/3 down", "a/1 x", "a/2 x"];
    assert_eq!(queue.written(), expected);
}

#[test]
fn a_pending_event_counts_its_repetitions() {
    let mut queue = Queue::of(100);
    queue.add("a/web", SyncLoadBalancerFailed, "down");
    queue.add("a/web", SyncLoadBalancerFailed, "still down");
    queue.add("a/web", SyncLoadBalancerFailed, "down");
    queue.add("a/web", EnsuredLoadBalancer, "down");
    queue.add("a/other", SyncLoadBalancerFailed, "down");
    assert_eq!(queue.pending.len(), 4);
    let (service, event) = queue.take().expect("an Event");
    assert_eq!(text(&service, &event), "a/web down");
    assert_eq!(event.count, 2);
    assert!(event.last > event.first);
}

#[test]
fn a_repetition_of_an_event_in_flight_is_written_after_it() {
    let mut queue = Queue::of(100);
    queue.add("a/web", SyncLoadBalancerFailed, "down");
    let (service, first) = queue.take().expect("an Event");
    queue.add("a/web", SyncLoadBalancerFailed, "down");
    queue.pending.finish(&service);
    let (_, second) = queue.take().expect("the repetition");
    assert!(second.is_same(&first));
    assert_eq!((first.count, second.count), (1, 1));
    assert_ne!(first.first, second.first, "their names differ");
}

#[test]
fn a_retry_waits_and_holds_up_its_own_service_only() {
    let mut queue = Queue::of(100);
    queue.add("a/web", EnsuringLoadBalancer, "1");
    queue.add("a/web", EnsuredLoadBalancer, "2");
    queue.add("a/other", EnsuringLoadBalancer, "1");
    let (service, event) = queue.take().expect("an Event");
    let due = queue.now + std::time::Duration::from_secs(1);
    queue.pending.retry(&service, event, due);
    assert_eq!(queue.pending.len(), 3);
    assert_eq!(queue.pending.next_retry(), Some(due));
    assert_eq!(queue.written(), ["a/other 1"]);
    queue.now = due;
    assert_eq!(queue.written(), ["a/web 1", "a/web 2"], "in order");
    assert_eq!(queue.pending.next_retry(), None);
}

#[test]
fn a_service_with_too_many_events_loses_the_oldest_one_and_warnings_last() {
    let mut queue = Queue::of(100);
    queue.add("a/web", SyncLoadBalancerFailed, "down");
    for number in 1..EVENTS_OF_A_SERVICE {
        let dropped = queue.add("a/web", EnsuredLoadBalancer, &number.to_string());
        assert_eq!(dropped, None);
    }
    let dropped = queue.add("a/web", EnsuredLoadBalancer, "the last");
    assert_eq!(dropped, Some(DropReason::ServiceFull));
    assert_eq!(queue.pending.len(), EVENTS_OF_A_SERVICE);
    let written = queue.written();
    assert_eq!(written[..2], ["a/web down", "a/web 2"]);
    assert_eq!(written.last().expect("some"), "a/web the last");

    for number in 0..EVENTS_OF_A_SERVICE {
        queue.add("a/web", SyncLoadBalancerFailed, &number.to_string());
    }
    queue.add("a/web", EnsuredLoadBalancer, "a Normal one");
    assert!(!queue.written().contains(&"a/web a Normal one".to_owned()));
}

#[test]
fn a_full_queue_costs_the_namespace_with_the_most_events() {
    let mut queue = Queue::of(6);
    for number in 1..=5 {
        queue.add(&format!("noisy/{number}"), EnsuredLoadBalancer, "x");
    }
    assert_eq!(queue.add("quiet/1", EnsuredLoadBalancer, "x"), None);
    for name in ["quiet/2", "other/1"] {
        let dropped = queue.add(name, EnsuredLoadBalancer, "x");
        assert_eq!(dropped, Some(DropReason::QueueFull), "{name}");
        assert_eq!(queue.pending.len(), 6);
    }
    let written = queue.written();
    let of = |namespace: &str| {
        let is_its = |text: &&String| text.starts_with(namespace);
        written.iter().filter(is_its).count()
    };
    assert_eq!((of("noisy"), of("quiet"), of("other")), (3, 2, 1));
}

#[test]
fn a_full_queue_keeps_the_services_with_warnings() {
    let mut queue = Queue::of(3);
    queue.add("a/1", SyncLoadBalancerFailed, "down");
    for name in ["a/2", "a/3", "a/4", "a/5"] {
        queue.add(name, EnsuredLoadBalancer, "x");
    }
    assert_eq!(queue.pending.len(), 3);
    queue.add("a/6", SyncLoadBalancerFailed, "down");
    let written = queue.written();
    assert_eq!(written, ["a/1 down", "a/6 down", "a/2 x"]);
}

/// The Services with Events may all be in flight or wait for a retry.
#[test]
fn a_full_queue_of_services_that_wait_keeps_its_bound() {
    let mut queue = Queue::of(4);
    for number in 0..4 {
        queue.add(&format!("a/{number}"), EnsuredLoadBalancer, "x");
    }
    while let Some((service, event)) = queue.take() {
        let later = queue.now + std::time::Duration::from_secs(1);
        queue.pending.retry(&service, event, later);
    }
    let dropped = queue.add("b/1", EnsuredLoadBalancer, "x");
    assert_eq!(dropped, Some(DropReason::QueueFull));
    assert_eq!(queue.pending.len(), 4);
    queue.now += std::time::Duration::from_secs(1);
    assert_eq!(queue.written().len(), 4);
    assert!(queue.pending.next_retry().is_none());
}

#[test]
fn what_is_written_leaves_no_memory() {
    let mut queue = Queue::of(PENDING_EVENTS);
    for number in 0..10_000 {
        let name = format!("{}/{number}", number % 10);
        queue.add(&name, EnsuringLoadBalancer, "x");
        queue.add(&name, EnsuredLoadBalancer, "x");
    }
    assert_eq!(queue.pending.len(), 20_000);
    assert_eq!(queue.written().len(), 20_000, "none was lost");
    let PendingEvents {
        namespaces,
        turns,
        sizes,
        backoffs,
        ..
    } = &queue.pending;
    assert_eq!(namespaces.capacity(), 0);
    assert!(turns.is_empty() && sizes.is_empty() && backoffs.is_empty());
}
