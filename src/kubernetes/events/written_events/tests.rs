use super::*;
use crate::kubernetes::events::EventReason::{EnsuredLoadBalancer, SyncLoadBalancerFailed};

const SECOND: Duration = Duration::from_secs(1);

fn event(note: &str) -> PendingEvent {
    PendingEvent::new(SyncLoadBalancerFailed, note.to_owned(), 1)
}

fn service(name: &str) -> ServiceReference {
    ServiceReference::new("default", name, name)
}

fn written(first: i64) -> WrittenEvent {
    WrittenEvent { first, count: 1 }
}

#[test]
fn the_key_is_that_of_service_reason_and_note() {
    let events = WrittenEvents::new(10);
    let key = events.key(&service("web"), &event("down"));
    assert_eq!(key, events.key(&service("web"), &event("down")));
    assert_ne!(key, events.key(&service("web"), &event("up")));
    assert_ne!(key, events.key(&service("other"), &event("down")));
    let other = PendingEvent::new(EnsuredLoadBalancer, "down".to_owned(), 1);
    assert_ne!(key, events.key(&service("web"), &other));
}

#[test]
fn an_event_is_remembered_for_a_window_after_its_last_occurrence() {
    let mut events = WrittenEvents::new(10);
    let start = Instant::now();
    events.remember(EventKey(1), written(1), start);
    let last = start + REPETITION_WINDOW - SECOND;
    assert_eq!(events.find(EventKey(1), last), Some(written(1)));
    assert_eq!(events.find(EventKey(1), last + SECOND), None);
    events.remember(EventKey(1), written(1), last);
    assert_eq!(events.find(EventKey(1), last + SECOND), Some(written(1)));
}

#[test]
fn what_is_too_old_is_forgotten_and_nothing_else() {
    let mut events = WrittenEvents::new(1_000);
    let start = Instant::now();
    assert_eq!(events.next_expiry(), None);
    for number in 0..100 {
        events.remember(EventKey(number), written(1), start);
    }
    events.remember(EventKey(7), written(1), start + SECOND);
    let first = events.next_expiry().expect("an expiry");
    assert_eq!(first, start + REPETITION_WINDOW);
    events.forget(first - SECOND);
    assert_eq!(events.events.len(), 100);
    events.forget(first);
    assert_eq!(events.events.len(), 1, "only the repeated one is left");
    assert_eq!(events.ages.len(), 1, "and one age of it");
    assert_eq!(events.next_expiry(), Some(first + SECOND));
    events.forget(first + SECOND);
    assert_eq!((events.events.capacity(), events.ages.capacity()), (0, 0));
}

#[test]
fn the_oldest_is_forgotten_beyond_the_limit() {
    let mut events = WrittenEvents::new(2);
    let now = Instant::now();
    for number in 1..=3 {
        events.remember(EventKey(number), written(1), now);
    }
    let known = (1..=3).filter(|number| events.find(EventKey(*number), now).is_some());
    assert_eq!(known.collect::<Vec<_>>(), [2, 3]);
    assert_eq!(events.ages.len(), 2);
}
