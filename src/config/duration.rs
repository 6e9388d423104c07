//! Durations in the format of Go: `15s`, `1m30s`, `250ms`, `1.5h`.
//!
//! `kube::core::Duration` is unsuitable: it accepts the empty text and `--5s` as
//! durations, and panics on `1s-5s`.

use std::time::Duration;

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// The units, the longer name first where one is a prefix of another.
const UNITS: [(&str, u128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),  // micro sign
    ("\u{3bc}s", 1_000), // Greek letter mu
    ("ms", 1_000_000),
    ("s", NANOS_PER_SECOND),
    ("m", 60 * NANOS_PER_SECOND),
    ("h", 3_600 * NANOS_PER_SECOND),
];

/// Parses a duration. `None` if the text is not a duration, is negative, or is longer
/// than `u64` seconds.
pub fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let (nanos, after) = parse_part(rest)?;
        total = total.checked_add(nanos)?;
        rest = after;
    }
    let seconds = u64::try_from(total / NANOS_PER_SECOND).ok()?;
    let nanos = u32::try_from(total % NANOS_PER_SECOND).ok()?;
    Some(Duration::new(seconds, nanos))
}

/// Parses one number with its unit; returns the nanoseconds and the rest of the text.
fn parse_part(text: &str) -> Option<(u128, &str)> {
    let (whole, rest) = split_digits(text);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => split_digits(rest),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let unit_end = rest
        .find(|letter: char| letter == '.' || letter.is_ascii_digit())
        .unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(unit_end);
    let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let mut nanos = match whole {
        "" => 0,
        digits => digits.parse::<u128>().ok()?.checked_mul(*scale)?,
    };
    let mut digit_scale = *scale;
    for digit in fraction.bytes() {
        digit_scale /= 10; // digits below a nanosecond are dropped, as in Go
        nanos = nanos.checked_add(u128::from(digit - b'0') * digit_scale)?;
    }
    Some((nanos, rest))
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

/// Formats a duration so that [`parse`] returns the same one: `1h30m`, `250ms`.
pub fn write(duration: Duration) -> String {
    let mut nanos = duration.as_nanos();
    let mut text = String::new();
    for unit in ["h", "m", "s", "ms", "us", "ns"] {
        let scale = UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .map_or(1, |(_, scale)| *scale);
        if nanos >= scale {
            text.push_str(&format!("{}{unit}", nanos / scale));
            nanos %= scale;
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_go_reads() {
        let cases = [
            ("15s", 15_000_000_000, "the usual form"),
            ("1m30s", 90_000_000_000, "parts add up"),
            ("250ms", 250_000_000, "ms is not m followed by s"),
            ("1.5h", 5_400_000_000_000, "a fraction scales with its unit"),
            (".5s", 500_000_000, "the whole part may be missing"),
            ("5.s", 5_000_000_000, "so may the digits after the point"),
            ("+2s", 2_000_000_000, "a plus sign is allowed"),
            ("10us", 10_000, "microseconds in ASCII"),
            ("10\u{b5}s", 10_000, "microseconds with the micro sign"),
            ("10\u{3bc}s", 10_000, "microseconds with the Greek letter"),
            ("0", 0, "zero is the only number without a unit"),
            ("0s", 0, "zero with a unit"),
        ];
        for (text, nanos, reason) in cases {
            assert_eq!(
                parse(text).map(|duration| duration.as_nanos()),
                Some(nanos),
                "{text}: {reason}"
            );
        }
    }

    #[test]
    fn refuses_what_is_not_a_duration() {
        let long = format!("{}s", "9".repeat(400));
        let cases = [
            ("", "nothing is not zero"),
            ("15", "a unit is required"),
            ("-5s", "negative"),
            ("--5s", "two signs"),
            ("1s-5s", "a sign in the middle"),
            ("s", "a unit without a number"),
            (".s", "a point without digits"),
            ("1d", "Go has no days"),
            ("1 s", "no blanks"),
            (" 1s", "no blanks around it"),
            ("1S", "units are lower case"),
            ("1e3s", "no exponents"),
            ("infs", "no floating-point words"),
            (&long, "too large for any clock"),
        ];
        for (text, reason) in cases {
            assert_eq!(parse(text), None, "{text}: {reason}");
        }
    }

    #[test]
    fn writes_what_it_reads() {
        for text in ["1h30m", "15s", "250ms", "1m500ms", "0s", "3us7ns"] {
            let duration = parse(text).unwrap();
            assert_eq!(write(duration), text);
        }
    }
}
