//! The bearer token, reloaded when its file changes.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use parking_lot::Mutex;
use tokio::time::Instant;

/// Age after which a token is reloaded even if its file looks unchanged.
const MAX_AGE: Duration = Duration::from_secs(60);

/// A file with a bearer token, such as a projected service account token.
#[derive(Debug)]
pub(super) struct TokenFile {
    path: PathBuf,
    last: Mutex<Option<CachedToken>>,
}

#[derive(Debug)]
struct CachedToken {
    header: HeaderValue,
    modified: Option<SystemTime>,
    at: Instant,
}

/// The error of [`TokenFile::authorization`].
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenError {
    #[error("cannot read the token file {path}: {source}")]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the token file {0} is empty or holds more than one line of plain text")]
    NoToken(PathBuf),
}

impl TokenFile {
    pub(super) fn new(path: PathBuf) -> Self {
        let last = Mutex::new(None);
        Self { path, last }
    }

    /// The value of the header `Authorization`. If the file becomes unreadable, the
    /// previous token stays in use, because it may still be valid.
    ///
    /// Reads a small local file on the calling task, which is rare enough.
    pub(super) fn authorization(&self) -> Result<HeaderValue, TokenError> {
        let modified = std::fs::metadata(&self.path)
            .and_then(|metadata| metadata.modified())
            .ok();
        let mut last = self.last.lock();
        if let Some(reading) = last.as_ref()
            && reading.modified == modified
            && reading.at.elapsed() < MAX_AGE
        {
            return Ok(reading.header.clone());
        }
        let header = match (self.read(), last.take()) {
            (Ok(header), _) => header,
            (Err(error), None) => return Err(error),
            (Err(error), Some(reading)) => {
                tracing::warn!(%error, "cannot reload the token of the cloud; the previous one stays in use");
                reading.header
            }
        };
        let at = Instant::now();
        *last = Some(CachedToken {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_changed_file_is_read_again_and_a_lost_one_stays_in_use() {
        let path = std::env::temp_dir().join(format!("token-{}", std::process::id()));
        let file = TokenFile::new(path.clone());
        let text = || {
            file.authorization()
                .map(|header| header.to_str().map(str::to_owned))
        };
        assert!(matches!(text(), Err(TokenError::Unreadable { .. })));

        std::fs::write(&path, " \n").expect("written");
        assert!(matches!(text(), Err(TokenError::NoToken(_))));
        std::fs::write(&path, "one\n").expect("written");
        assert_eq!(text().expect("read").expect("text"), "Bearer one");

        std::fs::write(&path, "two").expect("written");
        tokio::time::advance(MAX_AGE).await;
        assert_eq!(text().expect("read").expect("text"), "Bearer two");

        let later = SystemTime::now() + MAX_AGE;
        std::fs::write(&path, "three").expect("written");
        let opened = std::fs::File::options().write(true).open(&path);
        opened
            .expect("opened")
            .set_modified(later)
            .expect("touched");
        assert_eq!(text().expect("read").expect("text"), "Bearer three");

        std::fs::remove_file(&path).expect("removed");
        assert_eq!(
            text().expect("the previous token").expect("text"),
            "Bearer three"
        );
    }
}
