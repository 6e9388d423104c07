//! Log lines on standard error, as text or JSON, and the spans' way to the exporter.

use std::fmt;
use std::io::{IsTerminal, stderr};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::fmt::format::{Json, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter, format};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use super::LogLines;
use super::traces::{self, Traces};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line, with the ids of the active trace.
    Json,
}

/// Logging could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// Once per process only.
    #[error("a log subscriber is installed already")]
    Installed(#[from] tracing_subscriber::util::TryInitError),
}

/// Starts logging. `verbosity` is 0 to 10; the variable `RUST_LOG` overrides it.
///
/// # Errors
/// A subscriber was installed before.
pub fn init(
    format: Format,
    verbosity: u8,
    traces: Option<&Traces>,
    count: LogLines,
) -> Result<(), LogsError> {
    let wanted = std::env::var("RUST_LOG")
        .ok()
        .filter(|text| !text.is_empty());
    let (filter, refused) = match wanted.map(|text| EnvFilter::try_new(overridden(&text))) {
        Some(Ok(filter)) => (filter, None),
        Some(Err(error)) => (EnvFilter::new(directives(verbosity)), Some(error)),
        None => (EnvFilter::new(directives(verbosity)), None),
    };
    subscriber(format, filter, traces, Some(count), stderr).try_init()?;
    if let Some(error) = refused {
        tracing::warn!(%error, "RUST_LOG is ignored");
    }
    Ok(())
}

/// For what is logged before [`init`]: warnings.
pub(super) fn early(format: Format) -> impl Subscriber + Send + Sync {
    subscriber(format, EnvFilter::new("warn"), None, None, stderr)
}

fn subscriber<W>(
    format: Format,
    filter: EnvFilter,
    traces: Option<&Traces>,
    count: Option<LogLines>,
    writer: W,
) -> impl Subscriber + Send + Sync + use<W>
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    // Spans always pass, or a warning would lose the fields of the spans around it.
    let spans = filter_fn(|metadata| metadata.is_span() && *metadata.level() <= Level::INFO)
        .with_max_level_hint(Level::INFO);
    tracing_subscriber::registry()
        .with(traces.map(|traces| traces.layer().with_filter(traces::filter())))
        .with(lines(format, count, writer).with_filter(filter.or(spans)))
}

fn lines<S, W>(
    format: Format,
    count: Option<LogLines>,
    writer: W,
) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    match format {
        Format::Text => layer
            .with_ansi(stderr().is_terminal())
            .map_event_format(|inner| Counted { inner, count })
            .boxed(),
        Format::Json => layer
            .json()
            .map_event_format(|_| {
                let json = format::Format::default()
                    .json()
                    .flatten_event(true)
                    .with_current_span(false)
                    .with_span_list(true);
                let inner = WithTrace(json);
                Counted { inner, count }
            })
            .boxed(),
    }
}

/// What is always too much, whoever asks for more in general. The election
/// library logs every poll of a standby at INFO; the exporter logs every batch
/// that it cannot send (its log target has a hyphen).
const QUIET: &str = "kube_leader_election=warn,opentelemetry-otlp=off";

/// Verbosity as in Kubernetes: 0 what an operator must see, 2 the usual, 4 for
/// finding faults, 6 and more every request and every step.
fn directives(verbosity: u8) -> String {
    let (ours, others) = match verbosity {
        0..=1 => ("info", "warn"),
        2..=3 => ("info", "info"),
        4..=5 => ("debug", "info"),
        6..=7 => ("trace", "debug"),
        8.. => ("trace", "trace"),
    };
    format!("{others},my_cloud_controller_manager={ours},{QUIET}")
}

/// What `RUST_LOG` says comes last, so it wins where it names the same target.
fn overridden(text: &str) -> String {
    format!("{QUIET},{text}")
}

/// Counts the lines that are written, by level.
struct Counted<F> {
    inner: F,
    count: Option<LogLines>,
}

impl<S, N, F> FormatEvent<S, N> for Counted<F>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if let Some(count) = &self.count {
            count.count(*event.metadata().level());
        }
        self.inner.format_event(context, writer, event)
    }
}

/// JSON lines that begin with the ids of the active trace, as "Trace Context
/// in non-OTLP Log Formats" of OpenTelemetry has it.
struct WithTrace(format::Format<Json>);

impl<S, N> FormatEvent<S, N> for WithTrace
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let Some(span) = traces::active() else {
            return self.0.format_event(context, writer, event);
        };
        let mut line = String::with_capacity(512);
        self.0
            .format_event(context, Writer::new(&mut line), event)?;
        let rest = line.strip_prefix('{').unwrap_or(&line);
        write!(
            writer,
            "{{\"trace_id\":\"{}\",\"span_id\":\"{}\",\"trace_flags\":\"{:02x}\",{rest}",
            span.trace_id(),
            span.span_id(),
            span.trace_flags().to_u8()
        )
    }
}

#[cfg(test)]
mod tests;
