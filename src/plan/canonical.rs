//! One spelling for values that mean the same. A cloud may keep a value in its own
//! spelling; compared as texts, that would be drift for ever.

use std::collections::BTreeSet;

use ipnet::IpNet;

/// The units of bandwidth, the largest first, each as a power of the factor between two.
const UNITS: [(char, u32); 3] = [('G', 2), ('M', 1), ('K', 0)];
/// That factor.
const FACTOR: u64 = 1_000;
/// What some clouds take for it.
const BINARY_FACTOR: u64 = 1_024;

/// Source ranges in ascending order of their canonical form, each once.
pub fn ranges<T: AsRef<str>>(ranges: impl IntoIterator<Item = T>) -> Vec<String> {
    let ranges = ranges.into_iter().map(|range| self::range(range.as_ref()));
    ranges.collect::<BTreeSet<_>>().into_iter().collect()
}

/// A source range without host bits (`10.1.2.3/8` is `10.0.0.0/8`), and in the spelling of
/// RFC 5952 (`2001:DB8::/32` is `2001:db8::/32`). A text that is no range stays.
pub fn range(text: &str) -> String {
    let text = text.trim();
    text.parse::<IpNet>()
        .map_or_else(|_| text.to_owned(), |range| range.trunc().to_string())
}

/// A bandwidth in the largest unit that gives a whole number: `1000M` is `1G`. A text that
/// is no bandwidth stays.
pub fn bandwidth(text: String) -> String {
    parse(&text).unwrap_or(text)
}

fn parse(text: &str) -> Option<String> {
    let kilobits = kilobits(text)?;
    let units = UNITS.map(|(unit, power)| (unit, FACTOR.pow(power)));
    let (unit, size) = units.into_iter().find(|(_, size)| kilobits % size == 0)?;
    Some(format!("{}{unit}", kilobits / size))
}

/// Whether two bandwidths mean the same. A cloud may keep one in another unit, and may do so by
/// 1024: then `10M` is `10240K`.
pub fn is_same_bandwidth(one: &str, other: &str) -> bool {
    let is_same_by = |factor| {
        let one = kilobits_by(factor, one);
        one.is_some() && one == kilobits_by(factor, other)
    };
    one == other || is_same_by(FACTOR) || is_same_by(BINARY_FACTOR)
}

/// The kilobits per second of a bandwidth; `None` for a text that is none.
pub fn kilobits(text: &str) -> Option<u64> {
    kilobits_by(FACTOR, text)
}

fn kilobits_by(factor: u64, text: &str) -> Option<u64> {
    let last = text.chars().next_back()?.to_ascii_uppercase();
    let (_, power) = UNITS.into_iter().find(|(unit, _)| *unit == last)?;
    let digits = &text[..text.len() - 1];
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(factor.pow(power))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_mean_the_same_are_the_same() {
        let cases = [
            ("10.1.2.3/8", "10.0.0.0/8"),
            (" 192.0.2.0/24 ", "192.0.2.0/24"),
            ("2001:DB8::/32", "2001:db8::/32"),
            ("2001:db8:0:0::1/64", "2001:db8::/64"),
            ("anything", "anything"),
        ];
        for (text, expected) in cases {
            assert_eq!(range(text), expected);
        }
        let twice = ["10.1.0.0/8", "192.0.2.0/24", "10.2.0.0/8"];
        assert_eq!(ranges(twice), ["10.0.0.0/8", "192.0.2.0/24"]);
    }

    #[test]
    fn bandwidths_that_mean_the_same_are_the_same() {
        let cases = [
            ("1000M", "1G"),
            ("1000000K", "1G"),
            ("1G", "1G"),
            ("1500M", "1500M"),
            ("5M", "5M"),
            ("999999999M", "999999999M"),
            ("999999999G", "999999999G"),
            ("0M", "0G"),
            ("M", "M"),
            ("1 Gbps", "1 Gbps"),
            ("99999999999999999999G", "99999999999999999999G"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(bandwidth(text.to_owned()), expected);
        }
    }

    #[test]
    fn bandwidths_in_other_units_are_the_same_by_1000_and_by_1024() {
        let same = [
            ("10M", "10M"),
            ("10M", "10000K"),
            ("10M", "10240K"),
            ("10M", "10m"),
            ("1G", "1000M"),
            ("1G", "1024M"),
            ("1G", "1048576k"),
            ("1500M", "1536000K"),
            ("1000G", "1024000M"),
            ("fast", "fast"),
        ];
        for (one, other) in same {
            assert!(is_same_bandwidth(one, other), "{one}, {other}");
            assert!(is_same_bandwidth(other, one), "{other}, {one}");
        }
        let different = [
            ("10M", "11M"),
            ("10M", "10241K"),
            ("10M", "10G"),
            ("10M", "10"),
            ("10M", "10 M"),
            ("10M", "M"),
            ("10M", ""),
            ("1G", "1024000K"),
            ("fast", "Fast"),
            ("10M", "10\u{e9}"),
            ("18446744073709551615G", "18446744073709551614G"),
        ];
        for (one, other) in different {
            assert!(!is_same_bandwidth(one, other), "{one}, {other}");
            assert!(!is_same_bandwidth(other, one), "{other}, {one}");
        }
    }
}
