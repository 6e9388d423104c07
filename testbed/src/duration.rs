//! Durations on the command lines of the testbed's programs.

use std::time::Duration;

use jiff::fmt::friendly::SpanParser;

/// Reads a duration such as `250ms`, `40s`, `10m` or `2h`.
///
/// # Errors
/// The text is not a duration, or it is negative.
pub fn parse_duration(text: &str) -> Result<Duration, jiff::Error> {
    SpanParser::new().parse_unsigned_duration(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_a_unit_and_is_not_negative() {
        let cases = [
            ("0s", Some(Duration::ZERO)),
            ("250ms", Some(Duration::from_millis(250))),
            ("40s", Some(Duration::from_secs(40))),
            ("10m", Some(Duration::from_secs(600))),
            ("1h30m", Some(Duration::from_secs(5_400))),
            ("-1s", None),
            ("40", None),
            ("soon", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_duration(text).ok(), expected, "{text}");
        }
    }
}
