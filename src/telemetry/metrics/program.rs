//! The program about itself: its build, health, log and traces.

use prometheus::{IntCounter, IntCounterVec, IntGaugeVec};
use tracing::Level;

use super::register::{Label, Register};
use crate::telemetry::build;
use crate::telemetry::traces::SpanExports;

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// Metrics of the program about itself.
pub struct ProgramMetrics {
    healthcheck: IntGaugeVec,
    log_lines: IntCounterVec,
    spans: IntCounterVec,
}

/// Lines of the log, by level.
#[derive(Clone)]
pub struct LogLines([IntCounter; 5]);

impl LogLines {
    /// One more.
    pub fn count(&self, level: Level) {
        let [error, warn, info, debug, trace] = &self.0;
        let counter = match level {
            Level::ERROR => error,
            Level::WARN => warn,
            Level::INFO => info,
            Level::DEBUG => debug,
            Level::TRACE => trace,
        };
        counter.inc();
    }
}

impl ProgramMetrics {
    pub(super) fn register(register: &mut Register<'_>) -> Result<Self, prometheus::Error> {
        let build_info = register.gauge(
            "mycloud_lb_build_info",
            "Build of this program; always 1.",
            vec![
                Label::and_more("version", &[build::VERSION]),
                Label::and_more("revision", &[build::REVISION]),
            ],
        )?;
        build_info
            .with_label_values(&[build::VERSION, build::REVISION])
            .set(1);
        Ok(Self {
            healthcheck: register.gauge(
                "mycloud_lb_healthcheck",
                "Whether a health check passes (1) or fails (0).",
                vec![Label::as_they_happen("name"), Label::as_they_happen("type")],
            )?,
            log_lines: register.counter(
                "mycloud_lb_log_events_total",
                "Lines of the log, by level.",
                vec![Label::of("level", &LEVELS)],
            )?,
            spans: register.counter(
                "mycloud_lb_trace_spans_total",
                "Spans that ended, by what became of them.",
                vec![Label::of("result", &["exported", "failed", "dropped"])],
            )?,
        })
    }

    /// A health check passed or failed; `endpoint` is `livez` or `readyz`.
    pub fn healthcheck(&self, name: &'static str, endpoint: &'static str, passed: bool) {
        let check = self.healthcheck.with_label_values(&[name, endpoint]);
        check.set(i64::from(passed));
    }

    /// Counters for the log.
    pub fn log_lines(&self) -> LogLines {
        LogLines(LEVELS.map(|level| self.log_lines.with_label_values(&[level])))
    }

    /// Counters for the trace exporter.
    pub fn span_exports(&self) -> SpanExports {
        let counter = |result: &str| self.spans.with_label_values(&[result]);
        SpanExports {
            exported: counter("exported"),
            failed: counter("failed"),
            dropped: counter("dropped"),
        }
    }
}
