//! Formats an error on one line of bounded length: with its causes, or as the text of
//! another program.

use std::error::Error;

use crate::plan::excerpt::push_on_one_line;

/// Longest text of an error, in characters; of a longer one, the beginning and the end stay.
/// kube-apiserver repeats a whole object between them when it refuses a patch, and a
/// condition that repeats that in turn would grow with each attempt.
pub const LONGEST: usize = 600;

/// What stands for the part that was cut.
const CUT: &str = " [...] ";

/// The messages of the error and of its causes, each once: "client error (Connect)"
/// alone is no help. At most [`LONGEST`] characters on one line.
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
    bounded(&text)
}

/// The text as one line of at most [`LONGEST`] characters: control characters are escaped,
/// and the middle of a longer text is cut.
pub fn bounded(text: &str) -> String {
    let half = (LONGEST - CUT.len()) / 2;
    // Escapes only make it longer, so the rest need not be looked at.
    let is_long = text.chars().nth(LONGEST).is_some();
    if !is_long {
        let line = escaped(text.chars());
        if line.chars().nth(LONGEST).is_none() {
            return line;
        }
    }
    let head: String = escaped(text.chars().take(half))
        .chars()
        .take(half)
        .collect();
    let tail = text.char_indices().rev().take(half).last();
    let tail = escaped(text[tail.map_or(0, |(start, _)| start)..].chars());
    let tail_start = tail.chars().count().saturating_sub(half);
    let tail: String = tail.chars().skip(tail_start).collect();
    format!("{head}{CUT}{tail}")
}

fn escaped(text: impl Iterator<Item = char>) -> String {
    let mut line = String::new();
    text.for_each(|letter| push_on_one_line(&mut line, letter));
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_line() {
        assert_eq!(bounded("a\nb\u{1b}[31m"), "a\\nb\\u{1b}[31m");
        assert_eq!(bounded("plain text, \u{e9}"), "plain text, \u{e9}");
    }

    #[test]
    fn of_a_long_text_the_beginning_and_the_end_stay() {
        let texts = [
            format!("the beginning{}the end", "x".repeat(1_000_000)),
            format!("the beginning{}the end", "\n".repeat(LONGEST - 25)),
            format!("the beginning{}the end", "\u{e9}".repeat(LONGEST)),
        ];
        for text in texts {
            let line = bounded(&text);
            assert!(line.starts_with("the beginning"), "{line}");
            assert!(line.ends_with("the end"), "{line}");
            assert!(line.contains(CUT) && !line.contains('\n'), "{line}");
            assert!(line.chars().count() <= LONGEST, "{}", line.chars().count());
        }
    }

    #[test]
    fn a_text_of_the_longest_length_stays() {
        let text = "x".repeat(LONGEST);
        assert_eq!(bounded(&text), text);
    }
}
