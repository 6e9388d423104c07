//! What the program tells about itself: logs, metrics, traces.

pub mod build_info;
#[cfg(test)]
mod captured_logs;
pub mod log_throttle;
pub mod logs;
mod metrics;
pub mod traces;

pub use metrics::{
    Described as DescribedMetric, ExpositionFormat as MetricsFormat, Label as MetricLabel,
    LogLines, MetricKind, Metrics, OBJECTIVE, PendingServices, ReconcileResult,
    Values as LabelValues,
};

use logs::{LogFilter, LogFormat, LogsError};
use traces::Traces;

/// What was started.
pub struct Telemetry {
    /// Which lines are logged.
    pub log_filter: LogFilter,
    /// To be shut down last of all.
    pub traces: Option<Traces>,
}

/// Starts logs and, if the environment asks for them, traces. Once per process.
///
/// A wrong `OTEL_*` setting is logged; it never stops the controller.
///
/// # Errors
/// A subscriber was installed before.
pub fn init(format: LogFormat, verbosity: u8, metrics: &Metrics) -> Result<Telemetry, LogsError> {
    // Under a subscriber of its own, or what the exporter says about its settings is lost.
    let traces = tracing::subscriber::with_default(logs::early(format), || {
        Traces::from_environment(metrics.program.span_exports())
    });
    let (traces, wrong) = match traces {
        Ok(traces) => (traces, None),
        Err(error) => (None, Some(error)),
    };
    let lines = metrics.program.log_lines();
    let log_filter = logs::init(format, verbosity, lines)?;
    if let Some(error) = wrong {
        tracing::error!(%error, "traces are off: wrong OTEL_* setting");
    }
    Ok(Telemetry { log_filter, traces })
}
