//! Logs, metrics and traces.

pub mod build_info;
#[cfg(test)]
pub(crate) mod captured_logs;
pub mod log_throttle;
pub mod logs;
mod metrics;
pub mod traces;

pub use metrics::{
    Change, CloudChanges, Described as DescribedMetric, ExpositionFormat as MetricsFormat,
    Label as MetricLabel, LogLines, MetricKind, Metrics, NOT_CONFIGURED, OBJECTIVE,
    PendingServices, ReconcileResult, Values as LabelValues,
};

use logs::{LogFilter, LogFormat, LogsError};
use traces::Traces;

/// The handles of the running telemetry.
pub struct Telemetry {
    pub log_filter: LogFilter,
    /// The trace exporter, to be shut down last of all; `None` while traces are disabled.
    pub traces: Option<Traces>,
}

/// Starts logs and, if the environment enables them, traces. Call it once in a
/// process.
///
/// An invalid `OTEL_*` setting is logged; it never stops the controller.
///
/// # Errors
/// A subscriber was installed before.
pub fn init(format: LogFormat, verbosity: u8, metrics: &Metrics) -> Result<Telemetry, LogsError> {
    // Without this subscriber the messages of the exporter about its settings would be lost.
    let traces = tracing::subscriber::with_default(logs::early(format), || {
        Traces::from_environment(metrics.program.span_exports())
    });
    let (traces, invalid) = match traces {
        Ok(traces) => (traces, None),
        Err(error) => (None, Some(error)),
    };
    let lines = metrics.program.log_lines();
    let log_filter = logs::init(format, verbosity, lines)?;
    if let Some(error) = invalid {
        tracing::error!(%error, "traces are disabled: a setting in OTEL_* is invalid");
    }
    Ok(Telemetry { log_filter, traces })
}
