//! What waits to be reconciled and what is under way, by the names that
//! client-go's work queues have. kube-runtime does not show its own queue, so
//! this one follows it: what was asked for, when it was due, when it began.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec};
use tokio::time::Instant;

use super::exemplars::Histograms;
use super::reconcile::CONTROLLER;
use super::registry::{Label, Registrar};
use crate::plan::naming::ServiceKey;

const WAITS: [f64; 12] = [
    0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0,
];

#[derive(Default)]
struct QueueState {
    /// When each is to begin; in the past: it waits.
    due: HashMap<ServiceKey, Instant>,
    /// When each began.
    running: HashMap<ServiceKey, Instant>,
}

/// Metrics of the queue of Services.
pub struct WorkqueueMetrics {
    depth: IntGaugeVec,
    adds: IntCounterVec,
    retries: IntCounterVec,
    waits: Histograms,
    unfinished: GaugeVec,
    longest: GaugeVec,
    state: Arc<Mutex<QueueState>>,
}

/// A reconcile under way; over when dropped.
pub struct InProgress {
    state: Arc<Mutex<QueueState>>,
    key: ServiceKey,
}

impl Drop for InProgress {
    fn drop(&mut self) {
        lock(&self.state).running.remove(&self.key);
    }
}

impl WorkqueueMetrics {
    pub(super) fn register(registrar: &mut Registrar<'_>) -> Result<Self, prometheus::Error> {
        let name = || vec![Label::of("name", &[CONTROLLER])];
        Ok(Self {
            depth: registrar.gauge(
                "workqueue_depth",
                "Services that wait to be reconciled.",
                name(),
            )?,
            adds: registrar.counter(
                "workqueue_adds_total",
                "Reconciles asked for; those that meet are one.",
                name(),
            )?,
            retries: registrar.counter(
                "workqueue_retries_total",
                "Reconciles asked for because the last one failed.",
                name(),
            )?,
            waits: registrar.histogram(
                "workqueue_queue_duration_seconds",
                "Time from when a reconcile was due to its begin.",
                name(),
                &WAITS,
            )?,
            unfinished: registrar.seconds(
                "workqueue_unfinished_work_seconds",
                "How long the reconciles under way have taken so far, in all.",
                name(),
            )?,
            longest: registrar.seconds(
                "workqueue_longest_running_processor_seconds",
                "How long the longest reconcile under way has taken so far.",
                name(),
            )?,
            state: Arc::default(),
        })
    }

    /// A reconcile is asked for.
    pub fn add(&self, key: ServiceKey) {
        self.add_after(key, Duration::ZERO);
    }

    /// A reconcile is asked for, in a while; a sooner one that is asked for stays.
    pub fn add_after(&self, key: ServiceKey, delay: Duration) {
        let due = Instant::now() + delay;
        let mut state = lock(&self.state);
        let entry = state.due.entry(key).or_insert_with(|| {
            self.adds.with_label_values(&[CONTROLLER]).inc();
            due
        });
        *entry = due.min(*entry);
    }

    /// The last reconcile of it failed and is made again.
    pub fn retry(&self) {
        self.retries.with_label_values(&[CONTROLLER]).inc();
    }

    /// A Service is gone: what was asked for is void.
    pub fn forget(&self, key: &ServiceKey) {
        lock(&self.state).due.remove(key);
    }

    /// Drops what was asked for of all Services but these.
    pub fn keep(&self, known: &HashSet<ServiceKey>) {
        lock(&self.state).due.retain(|key, _| known.contains(key));
    }

    /// Its reconcile begins.
    pub fn begin(&self, key: ServiceKey) -> InProgress {
        let now = Instant::now();
        let mut state = lock(&self.state);
        if let Some(due) = state.due.remove(&key) {
            let waited = now.saturating_duration_since(due);
            self.waits.observe(&[CONTROLLER], waited.as_secs_f64());
        }
        state.running.insert(key.clone(), now);
        drop(state);
        let state = self.state.clone();
        InProgress { state, key }
    }

    /// Brings what depends on the moment up to date.
    pub(super) fn refresh(&self) {
        let state = lock(&self.state);
        let now = Instant::now();
        let waiting = state.due.values().filter(|due| **due <= now).count();
        let waiting = i64::try_from(waiting).unwrap_or(i64::MAX);
        let so_far = || {
            state
                .running
                .values()
                .map(|began| now.duration_since(*began))
        };
        let longest = so_far().max().unwrap_or_default();
        let all: Duration = so_far().sum();
        self.depth.with_label_values(&[CONTROLLER]).set(waiting);
        let set = |gauge: &GaugeVec, time: Duration| {
            gauge
                .with_label_values(&[CONTROLLER])
                .set(time.as_secs_f64());
        };
        set(&self.longest, longest);
        set(&self.unfinished, all);
    }
}

fn lock(state: &Mutex<QueueState>) -> MutexGuard<'_, QueueState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
