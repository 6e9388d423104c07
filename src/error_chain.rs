//! Formats an error with its causes on one line.

use std::error::Error;

/// The messages of the error and of its causes, each once: "client error (Connect)"
/// alone is no help.
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.contains(&message) {
            text = format!("{text}: {message}");
        }
        cause = error.source();
    }
    text
}
