use futures::FutureExt;

use super::*;
use crate::telemetry::Metrics;
use crate::telemetry::traces::Traces;

#[test]
fn the_trace_is_in_the_note_and_makes_no_other_event() {
    let exports = Metrics::for_test(&[]).program.span_exports();
    let tracer = Traces::without_collector(exports).tracer();
    let event = |traced: bool, note: &str| {
        let work = tracer.lazy_span("reconcile", Default::default);
        let emitting = work.run(async {
            if traced {
                traces::begin();
            }
            PendingEvent::new(EventReason::SyncLoadBalancerFailed, note.to_owned(), 1)
        });
        emitting.now_or_never().unwrap()
    };
    let (quiet, mut first, second) = (
        event(false, "down"),
        event(true, "down"),
        event(true, "down"),
    );
    assert_eq!(quiet.note(), "down", "no span, no trace");
    let note = first.note();
    assert!(
        note.starts_with("down (trace ") && note.ends_with(')'),
        "{note}"
    );
    assert_ne!(note, second.note());
    assert!(first.is_same(&second), "counted as one");
    assert!(first.is_same(&quiet), "counted as one");
    first.repeat(&second);
    assert_eq!(first.note(), note, "the trace of the first one");
    assert_eq!(first.count, 2);

    let long = event(true, &"ü".repeat(NOTE_LIMIT)).note();
    assert!(long.len() <= NOTE_LIMIT, "{}", long.len());
    assert!(long.ends_with(')'), "{long}");
    let long = event(false, &"ü".repeat(NOTE_LIMIT)).note();
    assert!(long.len() <= NOTE_LIMIT, "{}", long.len());
    assert!(long.ends_with('…'), "{long}");
}

#[test]
fn an_event_is_small() {
    let size = size_of::<PendingEvent>();
    assert!(size <= 64, "{size} bytes");
}
