//! The bearer token, read again when its file changes.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use tokio::time::Instant;

/// A token is read again after this time even if its file looks unchanged.
const FRESH: Duration = Duration::from_secs(60);

/// A file with a bearer token, such as a projected service account token.
#[derive(Debug)]
pub(super) struct TokenFile {
    path: PathBuf,
    last: Mutex<Option<Reading>>,
}

#[derive(Debug)]
struct Reading {
    header: HeaderValue,
    modified: Option<SystemTime>,
    at: Instant,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenError {
    /// The file cannot be read.
    #[error("cannot read the token file {path}: {source}")]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    /// The file holds no token.
    #[error("the token file {0} is empty or holds more than one line of plain text")]
    NoToken(PathBuf),
}

impl TokenFile {
    pub(super) fn new(path: PathBuf) -> Self {
        let last = Mutex::new(None);
        Self { path, last }
    }

    /// The value of the header `Authorization`. A file that became unreadable
    /// leaves the last token in use: it may well be valid still.
    ///
    /// Reads a small local file on the calling task, as seldom as that is.
    pub(super) fn authorization(&self) -> Result<HeaderValue, TokenError> {
        let modified = std::fs::metadata(&self.path)
            .and_then(|metadata| metadata.modified())
            .ok();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reading) = last.as_ref()
            && reading.modified == modified
            && reading.at.elapsed() < FRESH
        {
            return Ok(reading.header.clone());
        }
        let header = match (self.read(), last.take()) {
            (Ok(header), _) => header,
            (Err(error), None) => return Err(error),
            (Err(error), Some(reading)) => {
                tracing::warn!(%error, "the last token stays in use");
                reading.header
            }
        };
        let at = Instant::now();
        *last = Some(Reading {
            header: header.clone(),
            modified,
            at,
        });
        Ok(header)
    }

    fn read(&self) -> Result<HeaderValue, TokenError> {
        let text =
            std::fs::read_to_string(&self.path).map_err(|source| TokenError::Unreadable {
                path: self.path.clone(),
                source,
            })?;
        let token = text.trim();
        let header = HeaderValue::try_from(format!("Bearer {token}"));
        let mut header = match header {
            Ok(header) if !token.is_empty() => header,
            _ => return Err(TokenError::NoToken(self.path.clone())),
        };
        header.set_sensitive(true);
        Ok(header)
    }
}
