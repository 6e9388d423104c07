//! The text format of Prometheus, as far as a test needs it.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

/// Series as printed, with its value.
pub(super) fn parse(text: &str) -> Result<BTreeMap<String, f64>> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| series(line).with_context(|| format!("not a metric: {line}")))
        .collect()
}

/// A label value may hold blanks and braces, so the name ends at the last brace.
/// A timestamp may follow the value; rust writes `inf` and `NaN` as Prometheus reads them.
fn series(line: &str) -> Option<(String, f64)> {
    let end = match line.rfind('}') {
        Some(brace) => brace + 1,
        None => line.find(' ')?,
    };
    let (name, rest) = line.split_at(end);
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some((name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_keep_their_labels_and_lose_their_help() {
        let text = "# HELP up Whether.\n# TYPE up gauge\nup 1\n\n\
            calls{code=\"2 00\",path=\"/{id}\"} 3.5 1700000000000\ntook{le=\"+Inf\"} +Inf\n";
        let parsed = parse(text).unwrap();
        let expected = [
            ("calls{code=\"2 00\",path=\"/{id}\"}", 3.5),
            ("took{le=\"+Inf\"}", f64::INFINITY),
            ("up", 1.0),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value));
        assert_eq!(parsed, BTreeMap::from(expected));
    }

    #[test]
    fn a_page_that_is_no_metrics_is_an_error() {
        assert!(parse("<html>").is_err());
    }
}
