//! Reads the header `Retry-After` (RFC 9110, section 10.2.3): seconds or a date.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::RETRY_AFTER;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

/// Maximum cooldown. A faulty header (a date in the year 9999) must not stop all calls
/// to a cloud until the process restarts.
const LONGEST: Duration = Duration::from_secs(3600);

/// What the header asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RetryAfter {
    /// An hour at most; zero for a date in the past.
    pub(super) delay: Duration,
    /// The delay in the header, if it is longer.
    pub(super) shortened_from: Option<Duration>,
}

/// What the header asks for; `None` without the header or if it is unreadable.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<RetryAfter> {
    let requested = requested_delay(headers, now)?;
    Some(RetryAfter {
        delay: requested.min(LONGEST),
        shortened_from: (requested > LONGEST).then_some(requested),
    })
}

fn requested_delay(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Duration::from_secs);
    }
    let date: Timestamp = DateTimeParser::new().parse_timestamp(text).ok()?;
    let until = SystemTime::from(date).duration_since(now);
    Some(until.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_read() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_700);
        let cases = [
            ("0", Some(0), "at once"),
            ("120", Some(120), "seconds"),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(77), "a date to come"),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0), "a date gone by"),
            ("31536000", Some(3600), "a year is limited to an hour"),
            (
                "9999999999999999999",
                Some(3600),
                "so is more than a clock holds",
            ),
            ("soon", None, "neither"),
            ("-5", None, "not a number of the header's form"),
            ("", None, "nothing"),
            ("99999999999999999999999", None, "more than there is"),
        ];
        for (text, seconds, reason) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().expect("header"));
            let expected = seconds.map(Duration::from_secs);
            let found = retry_after(&headers, now);
            assert_eq!(found.map(|found| found.delay), expected, "{reason}");
            let is_shortened = found.is_some_and(|found| found.shortened_from.is_some());
            assert_eq!(is_shortened, seconds == Some(3600), "{reason}");
        }
    }
}
