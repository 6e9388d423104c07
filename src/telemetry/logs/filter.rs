//! The filter of log lines, which can be replaced while the program runs.

use std::fmt;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tracing::{Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{Directive, FilterExt, LevelFilter, filter_fn};
use tracing_subscriber::layer::Filter;
use tracing_subscriber::reload;

/// Targets that are quiet unless a filter names them. The election library logs
/// every poll of a standby at INFO; the exporter logs every batch that it cannot send
/// (its log target has a hyphen).
const QUIET: &str = "kube_leader_election=warn,opentelemetry-otlp=off";
/// The client of the API server logs the whole body of a response that it cannot read,
/// and a TokenReview contains a token: lines of this target below ERROR are never logged.
const LOGS_TOKENS: &str = "kube_client::client";

/// The current filter. Clones share it.
#[derive(Clone)]
pub struct LogFilter(Arc<Shared>);

struct Shared {
    text: Mutex<String>,
    replace: Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>,
}

/// The error of [`LogFilter::set`].
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    #[error("the filter is empty: it must be a comma-separated list of directives, such as info,{}=debug", env!("CARGO_CRATE_NAME"))]
    Empty,
    #[error("bad directive {directive:?}: {reason}")]
    Directive { directive: String, reason: String },
    /// The subscriber does not exist any more, as at the end of a process.
    #[error("the filter cannot be replaced: {0}")]
    Gone(#[from] reload::Error),
}

impl LogFilter {
    /// The text of the current filter.
    pub fn text(&self) -> String {
        self.lock().clone()
    }

    /// Replaces the filter for the log lines from now on; traces do not use it.
    ///
    /// # Errors
    /// The new filter is invalid; the current filter stays.
    pub fn set(&self, text: &str) -> Result<(), FilterError> {
        let text = text.trim();
        check(text)?;
        let filter = parse(text).map_err(|error| FilterError::Directive {
            directive: text.to_owned(),
            reason: error.to_string(),
        })?;
        // Hold the lock meanwhile, so that text and filter come from the same call.
        let mut current = self.lock();
        // Log before the change, because the new filter may suppress this line.
        tracing::warn!(
            before = *current,
            wanted = text,
            "the log filter is being replaced"
        );
        (self.0.replace)(filter)?;
        text.clone_into(&mut current);
        Ok(())
    }

    /// A filter without a layer, for tests of its users.
    #[cfg(test)]
    pub(crate) fn of_nothing(text: &str) -> Self {
        Self(Arc::new(Shared {
            text: Mutex::new(text.to_owned()),
            replace: Box::new(|_| Ok(())),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, String> {
        self.0.text.lock()
    }
}

impl fmt::Debug for LogFilter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("LogFilter")
            .field(&self.text())
            .finish()
    }
}

/// A filter for a layer, and the handle that replaces it.
pub(super) fn replaceable<S: Subscriber + 'static>(
    (text, filter): (String, EnvFilter),
) -> (reload::Layer<EnvFilter, S>, LogFilter) {
    let (layer, handle) = reload::Layer::new(filter);
    let shared = Shared {
        text: Mutex::new(text),
        replace: Box::new(move |filter| handle.reload(filter)),
    };
    (layer, LogFilter(Arc::new(shared)))
}

/// The filter without the lines that may contain a token.
pub(super) fn without_tokens<S: Subscriber>(filter: impl Filter<S>) -> impl Filter<S> {
    let harmless = filter_fn(|metadata| {
        metadata.is_span() || metadata.target() != LOGS_TOKENS || *metadata.level() == Level::ERROR
    });
    // Without a level hint the hint of `filter` would be lost.
    filter.and(harmless.with_max_level_hint(Level::TRACE))
}

/// Verbosity as in Kubernetes: 0 for lines that an operator must see, 2 for normal
/// use, 4 for debugging, 6 and higher for every request and every step.
pub(super) fn of_verbosity(verbosity: u8) -> (String, EnvFilter) {
    let (ours, others) = match verbosity {
        0..=1 => ("info", "warn"),
        2..=3 => ("info", "info"),
        4..=5 => ("debug", "info"),
        6..=7 => ("trace", "debug"),
        8.. => ("trace", "trace"),
    };
    let text = format!("{others},my_cloud_controller_manager={ours}");
    let filter = EnvFilter::new(format!("{QUIET},{text}"));
    (text, filter)
}

/// Parses a requested filter. It comes after [`QUIET`], so it wins for the same target.
pub(super) fn parse(text: &str) -> Result<EnvFilter, tracing_subscriber::filter::ParseError> {
    EnvFilter::try_new(format!("{QUIET},{text}"))
}

/// Finds an invalid directive. A single word that is not a level would count as a
/// target and silence everything else, so it is most likely a typing error.
fn check(text: &str) -> Result<(), FilterError> {
    if text.is_empty() {
        return Err(FilterError::Empty);
    }
    for directive in text.split(',') {
        let bad = |reason: String| FilterError::Directive {
            directive: directive.to_owned(),
            reason,
        };
        if directive.trim() != directive || directive.is_empty() {
            return Err(bad(
                "a directive must not be empty or have blanks around it".to_owned(),
            ));
        }
        directive
            .parse::<Directive>()
            .map_err(|error| bad(error.to_string()))?;
        let is_word = !directive.contains(['=', '[']);
        if is_word && directive.parse::<LevelFilter>().is_err() {
            return Err(bad(
                "it must be off, error, warn, info, debug or trace, or TARGET=LEVEL".to_owned(),
            ));
        }
    }
    Ok(())
}
