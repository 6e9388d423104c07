//! One spelling for values that mean the same. A cloud may keep a value in its own
//! spelling; compared as texts, that would be drift for ever.

use std::collections::BTreeSet;

use ipnet::IpNet;

/// The units of bandwidth in kilobits per second, the largest first.
const UNITS: [(char, u64); 3] = [('G', 1_000_000), ('M', 1_000), ('K', 1)];

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
    let is_whole = |(_, factor): &(char, u64)| kilobits % factor == 0;
    let (unit, factor) = UNITS.into_iter().find(is_whole)?;
    Some(format!("{}{unit}", kilobits / factor))
}

/// The kilobits per second of a bandwidth; `None` for a text that is none.
pub fn kilobits(text: &str) -> Option<u64> {
    let (_, factor) = UNITS.into_iter().find(|(unit, _)| text.ends_with(*unit))?;
    let digits = &text[..text.len() - 1];
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(factor)
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
}
