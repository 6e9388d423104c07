//! Metrics of the program itself: build, health checks, log lines and traces.

use prometheus::{IntCounter, IntCounterVec, IntGaugeVec};
use tracing::Level;

use super::registry::{Label, Registrar};
use crate::telemetry::build_info;
use crate::telemetry::traces::SpanExports;

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

pub struct ProcessInfoMetrics {
    healthcheck: IntGaugeVec,
    log_lines: IntCounterVec,
    dropped_lines: IntCounterVec,
    spans: IntCounterVec,
}

/// The counters of log lines, by level, and of lines that were dropped.
#[derive(Clone)]
pub struct LogLines {
    levels: [IntCounter; 5],
    dropped: IntCounter,
}

impl LogLines {
    /// Counts one line.
    pub fn count(&self, level: Level) {
        let [error, warn, info, debug, trace] = &self.levels;
        let counter = match level {
            Level::ERROR => error,
            Level::WARN => warn,
            Level::INFO => info,
            Level::DEBUG => debug,
            Level::TRACE => trace,
        };
        counter.inc();
    }

    /// The counter of lines that found no place, because nobody reads standard error.
    pub fn dropped(&self) -> IntCounter {
        self.dropped.clone()
    }
}

impl ProcessInfoMetrics {
    pub(super) fn register(registrar: &mut Registrar<'_>) -> Result<Self, prometheus::Error> {
        let build_info = registrar.gauge(
            "mycloud_lb_build_info",
            "Version and revision of this build; always 1.",
            vec![
                Label::and_more("version", &[build_info::VERSION]),
                Label::and_more("revision", &[build_info::REVISION]),
            ],
        )?;
        build_info
            .with_label_values(&[build_info::VERSION, build_info::REVISION])
            .set(1);
        Ok(Self {
            healthcheck: registrar.gauge(
                "mycloud_lb_healthcheck",
                "Whether the health check passes (1) or fails (0).",
                vec![Label::as_they_happen("name"), Label::as_they_happen("type")],
            )?,
            log_lines: registrar.counter(
                "mycloud_lb_log_events_total",
                "Log lines, by level, those that were dropped later included.",
                vec![Label::of("level", &LEVELS)],
            )?,
            dropped_lines: registrar.counter(
                "mycloud_lb_log_lines_dropped_total",
                "Log lines that were dropped because standard error took no more: the reader of the log has stopped, or is too slow.",
                Vec::new(),
            )?,
            spans: registrar.counter(
                "mycloud_lb_trace_spans_total",
                "Ended spans, by the result of their export.",
                vec![Label::of("result", &["exported", "failed", "dropped"])],
            )?,
        })
    }

    /// Records the result of a health check; `endpoint` is `livez` or `readyz`.
    pub fn healthcheck(&self, name: &'static str, endpoint: &'static str, passed: bool) {
        let check = self.healthcheck.with_label_values(&[name, endpoint]);
        check.set(i64::from(passed));
    }

    /// The counters of log lines.
    pub fn log_lines(&self) -> LogLines {
        LogLines {
            levels: LEVELS.map(|level| self.log_lines.with_label_values(&[level])),
            dropped: self.dropped_lines.with_label_values::<&str>(&[]),
        }
    }

    /// The counters for the trace exporter.
    pub fn span_exports(&self) -> SpanExports {
        let counter = |result: &str| self.spans.with_label_values(&[result]);
        SpanExports {
            exported: counter("exported"),
            failed: counter("failed"),
            dropped: counter("dropped"),
        }
    }
}
