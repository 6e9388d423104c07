//! The writer against an API server that fails as told. The clock of these tests jumps to
//! the next timer when everything waits.

mod api_server;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::*;
use crate::kubernetes::events::{EventReason, Events};
use crate::telemetry::MetricsFormat;
use crate::telemetry::captured_logs::CapturedLogs;
use EventReason::{EnsuredLoadBalancer, EnsuringLoadBalancer, SyncLoadBalancerFailed};
use api_server::ApiServer;

/// More than any retry takes.
const LONG: Duration = Duration::from_secs(600);

struct Test {
    server: ApiServer,
    events: Events,
    metrics: Arc<Metrics>,
    slots: Arc<RequestSlots>,
}

impl Test {
    fn new() -> Self {
        let server = ApiServer::default();
        let (metrics, slots) = (Arc::new(Metrics::for_test(&[])), Arc::default());
        let (events, writer) = Events::new(
            server.client(),
            "a replica",
            Arc::clone(&slots),
            metrics.clone(),
        );
        tokio::spawn(writer);
        Self {
            server,
            events,
            metrics,
            slots,
        }
    }

    fn emit(&self, service: &str, reason: EventReason, note: &str) {
        let service = ServiceReference::new("default", service, "uid");
        self.events.emit_for(service, reason, note.to_owned());
    }

    async fn flush(&self) {
        let flushed = timeout(LONG, self.events.flush()).await;
        flushed.expect("all Events are written or have failed");
    }

    #[track_caller]
    fn assert_metric(&self, line: &str) {
        let text = String::from_utf8(self.metrics.gather(MetricsFormat::Text)).expect("text");
        assert!(text.lines().any(|found| found == line), "{line}:\n{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_has_the_fields_that_the_api_demands() {
    let test = Test::new();
    test.emit("web", SyncLoadBalancerFailed, "down");
    test.flush().await;
    let [event] = &test.server.events()[..] else {
        panic!("{:?}", test.server.events());
    };
    let name = event["metadata"]["name"].as_str().expect("a name");
    assert!(name.starts_with("web."), "{name}");
    assert!(event["eventTime"].is_string(), "{event}");
    let (mut rest, fields) = (event.clone(), ["eventTime", "metadata"]);
    for field in fields {
        rest.as_object_mut().expect("an object").remove(field);
    }
    let expected = json!({
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "action": "SyncLoadBalancerFailed",
        "note": "down",
        "reason": "SyncLoadBalancerFailed",
        "regarding": {
            "apiVersion": "v1", "kind": "Service",
            "namespace": "default", "name": "web", "uid": "uid",
        },
        "reportingController": "my-cloud-controller-manager",
        "reportingInstance": "a replica",
        "type": "Warning",
    });
    assert_eq!(rest, expected);
    test.assert_metric("mycloud_lb_events_pending 0");
    test.assert_metric("mycloud_lb_events_written_total{operation=\"create_event\"} 1");
}

fn count(event: &Value) -> i64 {
    event["series"]["count"].as_i64().unwrap_or(1)
}

#[tokio::test(start_paused = true)]
async fn repetitions_are_counted_on_one_event_for_a_window() {
    let test = Test::new();
    for _ in 0..3 {
        test.emit("web", SyncLoadBalancerFailed, "down");
    }
    test.flush().await;
    assert_eq!(test.server.requests(), 1, "they were still pending");
    assert_eq!(count(&test.server.events()[0]), 3);
    tokio::time::sleep(Duration::from_secs(359)).await;
    test.emit("web", SyncLoadBalancerFailed, "down");
    test.flush().await;
    let events = test.server.events();
    assert_eq!((events.len(), count(&events[0])), (1, 4));
    test.assert_metric("mycloud_lb_events_written_total{operation=\"patch_event\"} 1");
    assert!(events[0]["series"]["lastObservedTime"].is_string());

    tokio::time::sleep(Duration::from_secs(360)).await;
    test.emit("web", SyncLoadBalancerFailed, "down");
    test.flush().await;
    let counts: Vec<_> = test.server.events().iter().map(count).collect();
    assert_eq!(counts, [4, 1], "too late for a repetition");
}

#[tokio::test(start_paused = true)]
async fn a_repetition_of_a_removed_event_is_created() {
    let test = Test::new();
    test.emit("web", SyncLoadBalancerFailed, "down");
    test.flush().await;
    test.server.clear();
    test.emit("web", SyncLoadBalancerFailed, "down");
    test.emit("web", SyncLoadBalancerFailed, "down");
    test.flush().await;
    let counts: Vec<_> = test.server.events().iter().map(count).collect();
    assert_eq!(counts, [2]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_write_is_repeated_in_order_and_none_is_lost() {
    let test = Test::new();
    // 429 without a delay, errors of the server, no answer, and an answer that was lost.
    test.server.fail_next(&[429, 500, 503, 0, 1]);
    test.emit("web", EnsuringLoadBalancer, "first");
    test.emit("web", EnsuredLoadBalancer, "second");
    test.flush().await;
    assert_eq!(test.server.notes(), ["first", "second"]);
    test.assert_metric("mycloud_lb_events_written_total{operation=\"create_event\"} 2");
}

#[tokio::test(start_paused = true)]
async fn a_repetition_after_a_lost_answer_is_counted() {
    let test = Test::new();
    test.server.fail_next(&[1]);
    test.emit("web", SyncLoadBalancerFailed, "down");
    let created = async {
        while test.server.events().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, created).await.expect("an Event");
    test.emit("web", SyncLoadBalancerFailed, "down");
    test.flush().await;
    let counts: Vec<_> = test.server.events().iter().map(count).collect();
    assert_eq!(counts, [2]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_stays_is_given_up() {
    let test = Test::new();
    test.server.fail_next(&[500; 10]);
    test.emit("web", EnsuringLoadBalancer, "lost");
    test.emit("web", EnsuredLoadBalancer, "written");
    test.flush().await;
    assert_eq!(test.server.notes(), ["written"]);
    test.assert_metric("mycloud_lb_events_failed_total{code=\"unavailable\"} 1");
}

#[tokio::test(start_paused = true)]
async fn a_denied_event_is_not_repeated() {
    let test = Test::new();
    for (status, code) in [(403, "forbidden"), (404, "gone"), (422, "rejected")] {
        test.server.fail_next(&[status]);
        test.emit("web", EnsuringLoadBalancer, code);
        test.flush().await;
        test.assert_metric(&format!(
            "mycloud_lb_events_failed_total{{code=\"{code}\"}} 1"
        ));
    }
    assert_eq!(test.server.requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_missing_right_is_one_warning_for_many_events() {
    let lines = CapturedLogs::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone());
    let _guard = tracing::subscriber::set_default(subscriber.finish());
    let test = Test::new();
    test.server.fail_next(&[403; 100]);
    for number in 0..100 {
        test.emit(&format!("web-{number}"), EnsuringLoadBalancer, "x");
    }
    test.flush().await;
    test.assert_metric("mycloud_lb_events_failed_total{code=\"forbidden\"} 100");
    let lines = lines.take();
    assert_eq!(
        lines.matches("failed to write an Event").count(),
        1,
        "{lines}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_outage_costs_no_event() {
    let test = Test::new();
    test.server.down(true);
    for number in 0..500 {
        test.emit(&format!("web-{number}"), EnsuringLoadBalancer, "x");
    }
    tokio::time::sleep(LONG).await;
    let attempts = test.server.requests();
    assert!(attempts < 150, "{attempts} attempts in ten minutes");
    test.assert_metric("mycloud_lb_events_pending 500");
    test.server.down(false);
    test.flush().await;
    assert_eq!(test.server.events().len(), 500);
}

#[tokio::test(start_paused = true)]
async fn several_are_written_at_a_time_behind_the_services() {
    let test = Test::new();
    test.server.slow(Duration::from_millis(10));
    for number in 0..100 {
        test.emit(&format!("web-{number}"), EnsuringLoadBalancer, "x");
    }
    test.flush().await;
    assert_eq!(test.server.most_in_flight(), 8);

    let mut services = Vec::new();
    for _ in 0..32 {
        services.push(test.slots.acquire().await);
    }
    for number in 0..10 {
        test.emit(&format!("web-{number}"), EnsuredLoadBalancer, "x");
    }
    test.server.forget_most_in_flight();
    let begin = Instant::now();
    test.flush().await;
    assert_eq!(test.server.most_in_flight(), 1, "Services come first");
    assert_eq!(begin.elapsed(), Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn events_beyond_a_bound_are_counted_and_logged_once() {
    let lines = CapturedLogs::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone());
    let _guard = tracing::subscriber::set_default(subscriber.finish());
    let test = Test::new();
    test.server.down(true);
    for number in 0..20 {
        test.emit("web", EnsuredLoadBalancer, &number.to_string());
    }
    test.assert_metric("mycloud_lb_events_dropped_total{reason=\"service_full\"} 4");
    test.assert_metric("mycloud_lb_events_pending 16");
    let (lines, message) = (lines.take(), "the controller dropped the oldest one");
    assert_eq!(lines.matches(message).count(), 1, "{lines}");
}

#[tokio::test(start_paused = true)]
async fn events_that_the_end_of_the_process_cuts_off_are_counted() {
    let test = Test::new();
    test.server.down(true);
    test.emit("web", EnsuringLoadBalancer, "x");
    test.emit("web", EnsuredLoadBalancer, "x");
    let flushed = timeout(Duration::from_secs(3), test.events.flush()).await;
    assert!(flushed.is_err());
    assert_eq!(test.events.abandon(), 2);
    test.assert_metric("mycloud_lb_events_dropped_total{reason=\"shutdown\"} 2");
}
