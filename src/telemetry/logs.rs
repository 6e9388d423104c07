//! Log lines on standard error, as text or JSON; [`filter`] selects the lines, and
//! [`line_queue`] keeps tasks from waiting for standard error.

mod filter;
mod line_queue;

use std::fmt;
use std::io::{IsTerminal, stderr};

use opentelemetry::trace::SpanContext;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter, format};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

pub use filter::{FilterError, LogFilter};
pub use line_queue::{flush, last_words};

use super::LogLines;
use super::traces;
use line_queue::LineQueue;

/// The format of the log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    #[default]
    Text,
    /// One JSON object for each line, with the ids of the active trace.
    Json,
}

/// The error of [`init`].
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    #[error("a log subscriber is already installed")]
    Installed(#[from] tracing_subscriber::util::TryInitError),
    #[error("cannot start the thread that writes the log: {0}")]
    Thread(#[from] std::io::Error),
}

/// Starts logging. `verbosity` is 0 to 10; the variable `RUST_LOG` overrides it.
/// The returned handle can replace the filter. [`flush`] is for the end of the process.
///
/// # Errors
/// A subscriber was installed before, or the thread that writes the lines cannot start.
pub fn init(format: LogFormat, verbosity: u8, count: LogLines) -> Result<LogFilter, LogsError> {
    let requested = std::env::var("RUST_LOG")
        .ok()
        .filter(|text| !text.is_empty());
    let (filter, invalid) = match requested.map(|text| (filter::parse(&text), text)) {
        Some((Ok(filter), text)) => ((text, filter), None),
        Some((Err(error), _)) => (filter::of_verbosity(verbosity), Some(error)),
        None => (filter::of_verbosity(verbosity), None),
    };
    let queue = LineQueue::start(stderr(), count.dropped())?;
    let lines = queue.clone();
    let (subscriber, filter) = subscriber(format, filter, Some(count), move || lines.clone());
    subscriber.try_init()?;
    queue.install();
    if let Some(error) = invalid {
        tracing::warn!(%error, "RUST_LOG is invalid and is ignored");
    }
    Ok(filter)
}

/// A subscriber for the warnings before [`init`].
pub(super) fn early(format: LogFormat) -> impl Subscriber + Send + Sync {
    let warnings = ("warn".to_owned(), EnvFilter::new("warn"));
    subscriber(format, warnings, None, stderr).0
}

fn subscriber<W>(
    format: LogFormat,
    filter: (String, EnvFilter),
    count: Option<LogLines>,
    writer: W,
) -> (impl Subscriber + Send + Sync + use<W>, LogFilter)
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    // Spans always pass: otherwise a warning would lose the fields of the spans around it.
    let spans = filter_fn(|metadata| metadata.is_span() && *metadata.level() <= Level::INFO)
        .with_max_level_hint(Level::INFO);
    let (replaceable, filter) = filter::replaceable(filter);
    let lines =
        lines(format, count, writer).with_filter(filter::without_tokens(replaceable.or(spans)));
    (tracing_subscriber::registry().with(lines), filter)
}

fn lines<S, W>(
    format: LogFormat,
    count: Option<LogLines>,
    writer: W,
) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    let ansi = stderr().is_terminal();
    match format {
        LogFormat::Text => layer
            .with_ansi(ansi)
            .map_event_format(|_| {
                let text = format::Format::default().with_ansi(ansi);
                let inner = WithTrace {
                    inner: text,
                    add: add_to_text,
                };
                CountingFormat { inner, count }
            })
            .boxed(),
        LogFormat::Json => layer
            .json()
            .map_event_format(|_| {
                let json = format::Format::default()
                    .json()
                    .flatten_event(true)
                    .with_current_span(false)
                    .with_span_list(true);
                let inner = WithTrace {
                    inner: json,
                    add: add_to_json,
                };
                CountingFormat { inner, count }
            })
            .boxed(),
    }
}

/// Counts the written lines, by level.
struct CountingFormat<F> {
    inner: F,
    count: Option<LogLines>,
}

impl<S, N, F> FormatEvent<S, N> for CountingFormat<F>
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

/// Adds the ids of the active trace to each line.
struct WithTrace<F> {
    inner: F,
    /// Writes the ids into a whole line.
    add: fn(&str, &SpanContext, &mut Writer<'_>) -> fmt::Result,
}

impl<S, N, F> FormatEvent<S, N> for WithTrace<F>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let Some(span) = traces::active() else {
            return self.inner.format_event(context, writer, event);
        };
        let mut line = String::with_capacity(512);
        self.inner
            .format_event(context, Writer::new(&mut line), event)?;
        (self.add)(&line, &span, &mut writer)
    }
}

/// Adds the ids at the beginning, as in "Trace Context in non-OTLP Log Formats" of
/// OpenTelemetry.
fn add_to_json(line: &str, span: &SpanContext, writer: &mut Writer<'_>) -> fmt::Result {
    let rest = line.strip_prefix('{').unwrap_or(line);
    write!(
        writer,
        "{{\"trace_id\":\"{}\",\"span_id\":\"{}\",\"trace_flags\":\"{:02x}\",{rest}",
        span.trace_id(),
        span.span_id(),
        span.trace_flags().to_u8()
    )
}

/// Adds the ids at the end.
fn add_to_text(line: &str, span: &SpanContext, writer: &mut Writer<'_>) -> fmt::Result {
    writeln!(
        writer,
        "{} trace_id={} span_id={}",
        line.trim_end_matches('\n'),
        span.trace_id(),
        span.span_id()
    )
}

#[cfg(test)]
mod tests;
