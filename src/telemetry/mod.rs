//! What the program tells about itself: logs, metrics, traces.

pub mod build;
pub mod logs;
mod metrics;
pub mod traces;

pub use metrics::{Format as MetricsFormat, LogLines, Metrics, OBJECTIVE, ReconcileResult, Work};

use logs::{Format, LogsError};
use traces::Traces;

/// Starts logs and, if the environment asks for them, traces. Once per process.
///
/// A wrong `OTEL_*` setting is logged; it never stops the controller.
///
/// # Errors
/// A subscriber was installed before.
pub fn init(format: Format, verbosity: u8, metrics: &Metrics) -> Result<Option<Traces>, LogsError> {
    // Under a subscriber of its own, or what the exporter says about its settings is lost.
    let traces = tracing::subscriber::with_default(logs::early(format), || {
        Traces::from_environment(metrics.program.span_exports())
    });
    let lines = metrics.program.log_lines();
    match traces {
        Ok(traces) => {
            logs::init(format, verbosity, traces.as_ref(), lines)?;
            Ok(traces)
        }
        Err(error) => {
            logs::init(format, verbosity, None, lines)?;
            tracing::error!(%error, "traces are off: wrong OTEL_* setting");
            Ok(None)
        }
    }
}
