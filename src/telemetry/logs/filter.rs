//! Which lines are logged, and how that is changed while the program runs.

use std::fmt;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tracing::{Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{Directive, FilterExt, LevelFilter, filter_fn};
use tracing_subscriber::layer::Filter;
use tracing_subscriber::reload;

/// What is always too much, whoever asks for more in general. The election
/// library logs every poll of a standby at INFO; the exporter logs every batch
/// that it cannot send (its log target has a hyphen).
const QUIET: &str = "kube_leader_election=warn,opentelemetry-otlp=off";
/// The client of the API server logs answers that it cannot read in whole, and a
/// TokenReview has a token: its lines below ERROR are written for nobody.
const TELLS_TOKENS: &str = "kube_client::client";

/// The filter in force. Clones are the same filter.
#[derive(Clone)]
pub struct LogFilter(Arc<Shared>);

struct Shared {
    text: Mutex<String>,
    replace: Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>,
}

/// Why a filter is not taken.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// There is nothing in it.
    #[error("the filter is empty: it must be a comma-separated list of directives, such as info,{}=debug", env!("CARGO_CRATE_NAME"))]
    Empty,
    /// One of its directives means nothing.
    #[error("bad directive {directive:?}: {reason}")]
    Directive {
        /// As it was written.
        directive: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The log is gone, as at the end of a process.
    #[error("the filter cannot be replaced: {0}")]
    Gone(#[from] reload::Error),
}

impl LogFilter {
    /// What is in force.
    pub fn text(&self) -> String {
        self.lock().clone()
    }

    /// Replaces it, for log lines from now on; traces have a filter of their own.
    ///
    /// # Errors
    /// [`FilterError`]: what is in force stays.
    pub fn set(&self, text: &str) -> Result<(), FilterError> {
        let text = text.trim();
        check(text)?;
        let filter = asked(text).map_err(|error| FilterError::Directive {
            directive: text.to_owned(),
            reason: error.to_string(),
        })?;
        // Held meanwhile: of two who set it at once, the text is the winner's.
        let mut current = self.lock();
        // Before, for the new filter may be silent about it.
        tracing::warn!(
            before = *current,
            wanted = text,
            "the log filter is being replaced"
        );
        (self.0.replace)(filter)?;
        text.clone_into(&mut current);
        Ok(())
    }

    /// Before no layer, for tests of those who use one.
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

/// A filter to be put before a layer, and what replaces it.
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

/// Whatever a filter asks for, without the lines that may hold a token.
pub(super) fn guarded<S: Subscriber>(filter: impl Filter<S>) -> impl Filter<S> {
    let harmless = filter_fn(|metadata| {
        metadata.is_span() || metadata.target() != TELLS_TOKENS || *metadata.level() == Level::ERROR
    });
    // Without a hint the other one's would be lost.
    filter.and(harmless.with_max_level_hint(Level::TRACE))
}

/// Verbosity as in Kubernetes: 0 what an operator must see, 2 the usual, 4 for
/// finding faults, 6 and more every request and every step.
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

/// What somebody asks for comes last, so it wins where it names the same target.
pub(super) fn asked(text: &str) -> Result<EnvFilter, tracing_subscriber::filter::ParseError> {
    EnvFilter::try_new(format!("{QUIET},{text}"))
}

/// Finds the directive that is wrong. A lone word that is no level would be
/// taken for a target, and everything else be silent: a slip, most likely.
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
