//! Counts the events and errors of a watch.

use std::sync::Arc;

use kube::runtime::watcher;

use crate::telemetry::Metrics;

/// The metrics of one watch.
pub struct WatchMetrics {
    metrics: Arc<Metrics>,
    kind: &'static str,
    has_begun: bool,
}

impl WatchMetrics {
    /// The metrics of the watch of this kind: `service` or `node`.
    pub fn new(metrics: Arc<Metrics>, kind: &'static str) -> Self {
        Self {
            metrics,
            kind,
            has_begun: false,
        }
    }

    pub(super) fn metrics(&self) -> Arc<Metrics> {
        self.metrics.clone()
    }

    /// Records the number of objects in the store.
    pub fn objects(&self, number: usize) {
        self.metrics.kubernetes.objects(self.kind, number);
    }

    /// Counts an event or an error.
    pub fn note<K>(&mut self, event: &Result<watcher::Event<K>, watcher::Error>) {
        use watcher::{Error, Event};
        let (metrics, kind) = (&self.metrics.kubernetes, self.kind);
        match event {
            Ok(Event::Init) => {
                if std::mem::replace(&mut self.has_begun, true) {
                    metrics.watch_restart(kind);
                }
            }
            Ok(Event::Apply(_) | Event::InitApply(_)) => metrics.watch_event(kind, "applied"),
            Ok(Event::Delete(_)) => metrics.watch_event(kind, "deleted"),
            Ok(Event::InitDone) => metrics.watch_event(kind, "listed"),
            Err(error) => {
                let error = match error {
                    Error::InitialListFailed(_) => "list",
                    Error::WatchStartFailed(_) => "start",
                    Error::WatchError(_) => "answer",
                    Error::WatchFailed(_) => "stream",
                    Error::NoResourceVersion => "version",
                };
                metrics.watch_error(kind, error);
            }
        }
    }
}
