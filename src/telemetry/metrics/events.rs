//! Metrics of the Events on Services.

use prometheus::{IntCounterVec, IntGaugeVec};

use super::registry::{Label, Registrar};

const OPERATIONS: [&str; 2] = ["create_event", "patch_event"];
/// The bounds that make the controller drop an Event.
const BOUNDS: [&str; 3] = ["service_full", "queue_full", "shutdown"];
/// The codes of [`KubernetesError`](crate::kubernetes::KubernetesError) that a write of an
/// Event can end with.
const CODES: [&str; 6] = [
    "gone",
    "forbidden",
    "rejected",
    "throttled",
    "timeout",
    "unavailable",
];

pub struct EventMetrics {
    pending: IntGaugeVec,
    written: IntCounterVec,
    failed: IntCounterVec,
    dropped: IntCounterVec,
}

impl EventMetrics {
    pub(super) fn register(registrar: &mut Registrar<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            pending: registrar.gauge(
                "mycloud_lb_events_pending",
                "Events that are not written to the API server yet.",
                Vec::new(),
            )?,
            written: registrar.counter(
                "mycloud_lb_events_written_total",
                "Events that were written: created, or counted on an earlier one by a patch.",
                vec![Label::of("operation", &OPERATIONS)],
            )?,
            failed: registrar.counter(
                "mycloud_lb_events_failed_total",
                "Events that are lost because the API server did not accept them, by the code of the last attempt.",
                vec![Label::of("code", &CODES)],
            )?,
            dropped: registrar.counter(
                "mycloud_lb_events_dropped_total",
                "Events that are lost because too many were pending, for one Service (service_full) or in total (queue_full), or because the process ended (shutdown).",
                vec![Label::of("reason", &BOUNDS)],
            )?,
        })
    }

    /// Sets the number of Events that are not written yet.
    pub fn pending(&self, number: usize) {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        self.pending.with_label_values::<&str>(&[]).set(number);
    }

    /// Counts a written Event.
    pub fn written(&self, operation: &'static str) {
        self.written.with_label_values(&[operation]).inc();
    }

    /// Counts an Event that was given up after a failure with this code.
    pub fn failed(&self, code: &'static str) {
        self.failed.with_label_values(&[code]).inc();
    }

    /// Counts Events that were dropped because of a bound.
    pub fn dropped(&self, bound: &'static str, number: usize) {
        let number = u64::try_from(number).unwrap_or(u64::MAX);
        self.dropped.with_label_values(&[bound]).inc_by(number);
    }
}
