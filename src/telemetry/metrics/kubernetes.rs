//! Metrics of the watches, requests and writes at the API server.

use std::time::Duration;

use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec};

use super::exemplars::Histograms;
use super::now;
use super::registry::{Label, Registrar};

const KINDS: [&str; 2] = ["service", "node"];
const EVENTS: [&str; 3] = ["applied", "deleted", "listed"];
const ERRORS: [&str; 5] = ["list", "start", "answer", "stream", "version"];
/// The results of a write: `ok` and [`KubernetesError::code`](crate::kubernetes::KubernetesError::code).
const WRITES: [&str; 10] = [
    "ok",
    "conflict",
    "gone",
    "forbidden",
    "rejected",
    "unreadable",
    "throttled",
    "timeout",
    "unavailable",
    "not_leader",
];
const DURATIONS: [f64; 12] = [
    0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0,
];

pub struct KubernetesMetrics {
    watch_events: IntCounterVec,
    watch_restarts: IntCounterVec,
    watch_errors: IntCounterVec,
    watch_last_event: GaugeVec,
    watch_silence: GaugeVec,
    data_went_back: IntCounterVec,
    objects: IntGaugeVec,
    unreadable: IntGaugeVec,
    requests: IntCounterVec,
    durations: Histograms,
    writes: IntCounterVec,
}

impl KubernetesMetrics {
    pub(super) fn register(registrar: &mut Registrar<'_>) -> Result<Self, prometheus::Error> {
        let kind = || Label::of("kind", &KINDS);
        let open = Label::as_they_happen;
        Ok(Self {
            watch_events: registrar.counter(
                "mycloud_lb_watch_events_total",
                "Watch events by kind: an object was applied or deleted, or a list was completed.",
                vec![kind(), Label::of("event", &EVENTS)],
            )?,
            watch_restarts: registrar.counter(
                "mycloud_lb_watch_restarts_total",
                "Restarts of the watch with a new list.",
                vec![kind()],
            )?,
            watch_errors: registrar.counter(
                "mycloud_lb_watch_errors_total",
                "Watch errors, by the step that failed.",
                vec![kind(), Label::of("error", &ERRORS)],
            )?,
            watch_last_event: registrar.seconds(
                "mycloud_lb_watch_last_event_timestamp_seconds",
                "Time of the last watch event; 0 if there was none.",
                vec![kind()],
            )?,
            watch_silence: registrar.seconds(
                "mycloud_lb_watch_silence_seconds",
                "Time since the last sign of life of a watch: a part of an answer, or its proper end.",
                vec![kind()],
            )?,
            data_went_back: registrar.counter(
                "mycloud_lb_kubernetes_data_went_back_total",
                "Times that the data of the API server went back in time, as after a restore.",
                vec![],
            )?,
            objects: registrar.gauge(
                "mycloud_lb_store_objects",
                "Objects in the store of the watch.",
                vec![kind()],
            )?,
            unreadable: registrar.gauge(
                "mycloud_lb_unreadable_objects",
                "Objects with a value that cannot be read, so that nothing is decided about them.",
                vec![kind()],
            )?,
            requests: registrar.counter(
                "rest_client_requests_total",
                "Requests to the API server, by code; without the requests of the leader election.",
                vec![open("code"), open("method"), open("host")],
            )?,
            durations: registrar.histogram(
                "rest_client_request_duration_seconds",
                "Time from a request to the head of the API server's response.",
                vec![open("verb"), open("host")],
                &DURATIONS,
            )?,
            writes: registrar.counter(
                "mycloud_lb_kubernetes_writes_total",
                "Writes to Services, by code.",
                vec![
                    Label::of("operation", &["patch_service"]),
                    Label::of("code", &WRITES),
                ],
            )?,
        })
    }

    /// Counts a watch event: an object was `applied` or `deleted`, or all were `listed`.
    pub fn watch_event(&self, kind: &str, event: &str) {
        self.watch_events.with_label_values(&[kind, event]).inc();
        self.watch_last_event.with_label_values(&[kind]).set(now());
    }

    /// Counts a restart of a watch with a list.
    pub fn watch_restart(&self, kind: &str) {
        self.watch_restarts.with_label_values(&[kind]).inc();
    }

    /// Counts an error of a watch.
    pub fn watch_error(&self, kind: &str, error: &str) {
        self.watch_errors.with_label_values(&[kind, error]).inc();
    }

    /// Sets the time since the last sign of life of a watch.
    pub fn silence(&self, kind: &str, silence: Duration) {
        let gauge = self.watch_silence.with_label_values(&[kind]);
        gauge.set(silence.as_secs_f64());
    }

    /// Counts that the data of the API server went back in time.
    pub fn data_went_back(&self) {
        self.data_went_back.with_label_values::<&str>(&[]).inc();
    }

    /// Sets the number of objects in the store of a watch.
    pub fn objects(&self, kind: &str, number: usize) {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        self.objects.with_label_values(&[kind]).set(number);
    }

    /// Sets the number of objects with a value that cannot be read.
    pub fn unreadable(&self, kind: &str, number: usize) {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        self.unreadable.with_label_values(&[kind]).set(number);
    }

    /// Records a request with its code; `<error>` if there was no response, as in
    /// client-go.
    pub fn request(&self, method: &str, host: &str, code: &str, took: Duration) {
        self.requests.with_label_values(&[code, method, host]).inc();
        self.durations.observe(&[method, host], took.as_secs_f64());
    }

    /// Counts a write by its code (`ok`, `conflict`, `timeout`).
    pub fn write(&self, operation: &'static str, code: &str) {
        self.writes.with_label_values(&[operation, code]).inc();
    }
}
