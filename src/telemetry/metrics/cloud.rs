//! Metrics of the calls to the clouds.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec};
use tokio::time::Instant;

use super::exemplars::Histograms;
use super::now;
use super::registry::{Label, Registrar};
use crate::reason::Reason;

const OPERATIONS: [&str; 6] = [
    "create",
    "delete",
    "update",
    "query",
    "list",
    "capabilities",
];
/// The codes that alerts use: increase() misses the first failure in a series that did
/// not exist. Other codes appear on first use.
const CODES: [&str; 20] = [
    "200",
    "401",
    "403",
    "429",
    "500",
    "502",
    "503",
    "504",
    "5xx",
    "Internal",
    "PermissionDenied",
    "Throttled",
    "Unauthenticated",
    "Unavailable",
    "connect",
    "connection_lost",
    "credentials",
    "protocol",
    "timeout",
    "unspecified",
];
/// Statuses with a series of their own; each class of other statuses has one series.
const STATUSES: [&str; 18] = [
    "200", "201", "202", "204", "400", "401", "403", "404", "405", "408", "409", "412", "429",
    "500", "501", "502", "503", "504",
];
const DURATIONS: [f64; 11] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
const WAITS: [f64; 10] = [0.001, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0];

/// The reasons of retries whose series exist from the start.
const RETRY_REASONS: [Reason; 4] = [
    Reason::CloudThrottled,
    Reason::CloudUnavailable,
    Reason::CloudRejected,
    Reason::CloudDenied,
];

pub struct CloudMetrics {
    clouds: Vec<String>,
    requests: IntCounterVec,
    durations: Histograms,
    retries: IntCounterVec,
    in_flight: IntGaugeVec,
    waits: Histograms,
    paused: IntGaugeVec,
    pauses: IntCounterVec,
    last_success: GaugeVec,
    skipped: IntCounterVec,
    /// The end of the cooldown of each cloud.
    resume: Mutex<HashMap<String, Instant>>,
}

impl CloudMetrics {
    pub(super) fn register(registrar: &mut Registrar<'_>) -> Result<Self, prometheus::Error> {
        let cloud = registrar.cloud();
        let cloud = || cloud.clone();
        let operation = || Label::of("operation", &OPERATIONS);
        Ok(Self {
            clouds: registrar.clouds.clone(),
            requests: registrar.counter(
                "mycloud_lb_cloud_api_requests_total",
                "Requests to the cloud, by operation and code.",
                vec![cloud(), operation(), Label::and_more("code", &CODES)],
            )?,
            durations: registrar.histogram(
                "mycloud_lb_cloud_api_request_duration_seconds",
                "Duration of the requests to the cloud, from sending to the response or error.",
                vec![cloud(), operation()],
                &DURATIONS,
            )?,
            retries: registrar.counter(
                "mycloud_lb_cloud_api_retries_total",
                "Failed calls to the cloud that are retried, by reason.",
                vec![
                    cloud(),
                    operation(),
                    Label::and_more("reason", &RETRY_REASONS.map(Reason::as_str)),
                ],
            )?,
            in_flight: registrar.gauge(
                "mycloud_lb_cloud_api_in_flight_requests",
                "Requests to the cloud in flight.",
                vec![cloud()],
            )?,
            waits: registrar.histogram(
                "mycloud_lb_cloud_api_rate_limiter_wait_seconds",
                "Time that calls waited for a slot, for the end of a cooldown and for the rate limit.",
                vec![cloud()],
                &WAITS,
            )?,
            paused: registrar.gauge(
                "mycloud_lb_cloud_api_paused",
                "Whether calls to the cloud are paused by its Retry-After (1) or not (0).",
                vec![cloud()],
            )?,
            pauses: registrar.counter(
                "mycloud_lb_cloud_api_pauses_total",
                "Responses of the cloud that paused calls by their Retry-After.",
                vec![cloud()],
            )?,
            last_success: registrar.seconds(
                "mycloud_lb_cloud_api_last_success_timestamp_seconds",
                "Time of the last successful response of the cloud; before the first one, the time when this replica became the leader; 0 on a replica that never led.",
                vec![cloud()],
            )?,
            skipped: registrar.counter(
                "mycloud_lb_cloud_list_items_skipped_total",
                "Items of the cloud's lists that were left out because they cannot be read (unreadable) or belong to another cluster (foreign).",
                vec![cloud(), Label::of("reason", &["unreadable", "foreign"])],
            )?,
            resume: Mutex::default(),
        })
    }

    /// Records that this replica became the leader, so that its first failure does not
    /// count as the last one of a long outage.
    pub(super) fn leads(&self) {
        for cloud in &self.clouds {
            self.last_success.with_label_values(&[cloud]).set(now());
        }
    }

    /// Observes the time that a call waited, whether it was sent or not.
    pub fn waited(&self, cloud: &str, waited: Duration) {
        self.waits.observe(&[cloud], waited.as_secs_f64());
    }

    /// Records the end of a sent call; `code` is of a closed set (`200`, `Throttled`,
    /// `timeout`).
    pub fn answered(&self, cloud: &str, operation: &str, code: &str, took: Duration) {
        self.not_sent(cloud, operation, code);
        self.durations
            .observe(&[cloud, operation], took.as_secs_f64());
        // NotFound is a successful response too.
        let is_success = code == "NotFound" || (code.len() == 3 && code.starts_with('2'));
        if is_success {
            self.last_success.with_label_values(&[cloud]).set(now());
        }
    }

    /// Counts a call that was not sent, which has no duration.
    pub fn not_sent(&self, cloud: &str, operation: &str, code: &str) {
        let labels = [cloud, operation, folded(code)];
        self.requests.with_label_values(&labels).inc();
    }

    /// Counts a failed call that will be retried.
    pub fn retried(&self, cloud: &str, operation: &str, reason: Reason) {
        let labels = [cloud, operation, reason.as_str()];
        self.retries.with_label_values(&labels).inc();
    }

    /// Counts an item of a list that was left out: `unreadable` or `foreign`.
    pub fn skipped(&self, cloud: &str, reason: &str) {
        self.skipped.with_label_values(&[cloud, reason]).inc();
    }

    /// Changes the number of calls in flight.
    pub fn in_flight(&self, cloud: &str, change: i64) {
        self.in_flight.with_label_values(&[cloud]).add(change);
    }

    /// Records a cooldown that a cloud requested.
    pub fn paused(&self, cloud: &str, length: Duration) {
        self.pauses.with_label_values(&[cloud]).inc();
        let mut resume = self.resume.lock();
        let until = Instant::now() + length;
        let known = resume.entry(cloud.to_owned()).or_insert(until);
        *known = until.max(*known);
    }

    /// Updates the gauges that depend on the current time.
    pub(super) fn refresh(&self) {
        let resume = self.resume.lock();
        for (cloud, until) in &*resume {
            let paused = i64::from(*until > Instant::now());
            self.paused.with_label_values(&[cloud]).set(paused);
        }
    }
}

/// Folds rare statuses into their class: a cloud may respond with any number, and each
/// number would add a series for each operation.
fn folded(code: &str) -> &str {
    let is_status = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
    if !is_status || STATUSES.contains(&code) {
        return code;
    }
    match code.as_bytes()[0] {
        b'2' => "2xx",
        b'3' => "3xx",
        b'4' => "4xx",
        b'5' => "5xx",
        _ => "other",
    }
}
