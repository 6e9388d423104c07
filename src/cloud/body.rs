//! Response bodies of bounded size, and excerpts that are safe to log.

use reqwest::Response;

use super::bounds::EXCERPT;
use crate::plan::excerpt::push_on_one_line;

/// The error of [`read`].
#[derive(Debug)]
pub(super) enum BodyError {
    /// The body is larger than the limit.
    TooLarge,
    /// The connection ended.
    Lost(reqwest::Error),
}

/// Reads a body of at most `limit` bytes after decompression, and never buffers more.
pub(super) async fn read(mut response: Response, limit: usize) -> Result<Vec<u8>, BodyError> {
    if response
        .content_length()
        .is_some_and(|length| length > limit as u64)
    {
        return Err(BodyError::TooLarge);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(BodyError::Lost)? {
        if body.len() + chunk.len() > limit {
            return Err(BodyError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The first 200 characters, on one line.
pub(super) fn excerpt(text: &[u8]) -> String {
    // Four bytes hold any character, so the rest need not be decoded.
    let head = &text[..text.len().min(4 * EXCERPT)];
    let mut excerpt = String::new();
    for letter in String::from_utf8_lossy(head).chars().take(EXCERPT) {
        push_on_one_line(&mut excerpt, letter);
    }
    excerpt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_short_and_one_line() {
        assert_eq!(excerpt(b"a\nb\x1b[31m"), "a\\nb\\u{1b}[31m");
        let unseen = "\u{2028}\u{202e}\u{200b}\u{85}";
        assert_eq!(
            excerpt(unseen.as_bytes()),
            "\\u{2028}\\u{202e}\\u{200b}\\u{85}"
        );
        assert_eq!(excerpt(br#"{"err": '\n'}"#), r#"{"err": '\n'}"#);
        assert_eq!(
            excerpt("\u{e9}".repeat(300).as_bytes()).chars().count(),
            200
        );
        assert_eq!(excerpt(b"\xff"), "\u{fffd}");
    }
}
