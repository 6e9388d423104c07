//! Metrics of the reconciles: their number, duration and results.

use std::time::Duration;

use prometheus::{IntCounterVec, IntGaugeVec};

use super::exemplars::Histograms;
use super::registry::{Label, Registrar};
use crate::reason::Reason;

/// The only controller of this program.
pub(super) const CONTROLLER: &str = "service";
const BUCKETS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0,
];

/// The result of one reconcile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReconcileResult {
    /// The clouds have the desired state, or the Service waits for an edit.
    Success,
    /// The reconcile is not finished and is scheduled again.
    Requeue,
    /// The reconcile failed and is retried.
    Error,
    /// The reconcile failed and waits for an edit.
    TerminalError,
}

impl ReconcileResult {
    const ALL: [Self; 4] = [
        Self::Success,
        Self::Requeue,
        Self::Error,
        Self::TerminalError,
    ];

    /// The value of the label `result`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Requeue => "requeue",
            Self::Error => "error",
            Self::TerminalError => "terminal_error",
        }
    }
}

pub struct ReconcileMetrics {
    ended: IntCounterVec,
    errors: IntCounterVec,
    durations: Histograms,
    active: IntGaugeVec,
}

impl ReconcileMetrics {
    pub(super) fn register(registrar: &mut Registrar<'_>) -> Result<Self, prometheus::Error> {
        let controller = || Label::of("controller", &[CONTROLLER]);
        let reasons: Vec<&str> = Reason::failures().map(Reason::as_str).collect();
        let results = ReconcileResult::ALL.map(ReconcileResult::as_str);
        Ok(Self {
            ended: registrar.counter(
                "mycloud_lb_reconcile_total",
                "Reconciles, by result.",
                vec![controller(), Label::of("result", &results)],
            )?,
            errors: registrar.counter(
                "mycloud_lb_reconcile_errors_total",
                "Failed reconciles, by reason.",
                vec![controller(), Label::and_more("reason", &reasons)],
            )?,
            durations: registrar.histogram(
                "mycloud_lb_reconcile_duration_seconds",
                "Duration of the reconciles.",
                vec![controller()],
                &BUCKETS,
            )?,
            active: registrar.gauge(
                "mycloud_lb_reconcile_active",
                "Running reconciles.",
                vec![controller()],
            )?,
        })
    }

    /// Sets the number of running reconciles.
    pub fn show_active(&self, running: usize) {
        let running = i64::try_from(running).unwrap_or(i64::MAX);
        self.active.with_label_values(&[CONTROLLER]).set(running);
    }

    /// Records the end of a reconcile.
    pub fn finished(&self, result: ReconcileResult, took: Duration) {
        let labels = [CONTROLLER, result.as_str()];
        self.ended.with_label_values(&labels).inc();
        self.durations.observe(&[CONTROLLER], took.as_secs_f64());
    }

    /// Counts a failed reconcile.
    pub fn failed(&self, reason: Reason) {
        let labels = [CONTROLLER, reason.as_str()];
        self.errors.with_label_values(&labels).inc();
    }
}
