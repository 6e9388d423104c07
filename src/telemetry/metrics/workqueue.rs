//! Metrics of the queue of Services, with the names of the workqueue metrics of client-go.

use std::time::Duration;

use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec};

use super::exemplars::Histograms;
use super::reconcile::CONTROLLER;
use super::registry::{Label, Registrar};

const WAITS: [f64; 12] = [
    0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0,
];

pub struct WorkqueueMetrics {
    depth: IntGaugeVec,
    adds: IntCounterVec,
    retries: IntCounterVec,
    waits: Histograms,
    unfinished: GaugeVec,
    longest: GaugeVec,
    waiting: IntGaugeVec,
}

impl WorkqueueMetrics {
    pub(super) fn register(registrar: &mut Registrar<'_>) -> Result<Self, prometheus::Error> {
        let name = || vec![Label::of("name", &[CONTROLLER])];
        let cloud = registrar.cloud();
        Ok(Self {
            depth: registrar.gauge(
                "workqueue_depth",
                "Services that are due and wait for their reconcile.",
                name(),
            )?,
            adds: registrar.counter(
                "workqueue_adds_total",
                "Services added to the queue; a Service that is already in the queue is not counted again.",
                name(),
            )?,
            retries: registrar.counter(
                "workqueue_retries_total",
                "Services added to the queue because their last reconcile failed.",
                name(),
            )?,
            waits: registrar.histogram(
                "workqueue_queue_duration_seconds",
                "Time between the moment when a reconcile was due and its start.",
                name(),
                &WAITS,
            )?,
            unfinished: registrar.seconds(
                "workqueue_unfinished_work_seconds",
                "Sum of the time that the running reconciles have taken so far.",
                name(),
            )?,
            longest: registrar.seconds(
                "workqueue_longest_running_processor_seconds",
                "Time that the longest running reconcile has taken so far.",
                name(),
            )?,
            waiting: registrar.gauge(
                "mycloud_lb_workqueue_waiting",
                "Services whose reconcile waits for a free place at the cloud.",
                vec![cloud],
            )?,
        })
    }

    /// Counts a Service that was added and was not in the queue.
    pub fn added(&self) {
        self.adds.with_label_values(&[CONTROLLER]).inc();
    }

    /// Counts a Service that was added because its last reconcile failed.
    pub fn retried(&self) {
        self.retries.with_label_values(&[CONTROLLER]).inc();
    }

    /// Records the start of a reconcile, `waited` after it was due.
    pub fn began(&self, waited: Duration) {
        self.waits.observe(&[CONTROLLER], waited.as_secs_f64());
    }

    /// Sets the number of Services that wait for a place at a cloud.
    pub fn show_waiting(&self, cloud: &str, waiting: usize) {
        let waiting = i64::try_from(waiting).unwrap_or(i64::MAX);
        self.waiting.with_label_values(&[cloud]).set(waiting);
    }

    /// Sets the gauges of the queue: the number of due Services, the time of the longest
    /// running reconcile so far, and the sum of the time of all running reconciles.
    pub fn show(&self, depth: usize, longest_running: Duration, unfinished: Duration) {
        let labels = &[CONTROLLER];
        let depth = i64::try_from(depth).unwrap_or(i64::MAX);
        self.depth.with_label_values(labels).set(depth);
        let longest = self.longest.with_label_values(labels);
        longest.set(longest_running.as_secs_f64());
        let all = self.unfinished.with_label_values(labels);
        all.set(unfinished.as_secs_f64());
    }
}
