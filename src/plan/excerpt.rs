//! Text that users or other programs chose, in the form in which this program repeats it in
//! conditions, Events and log lines: short and on one line.

use std::borrow::Cow;

/// Maximum number of characters of a value in quotes: enough to recognise it. A user may
/// put 256 KiB into one annotation.
pub const VALUE_LIMIT: usize = 100;

/// Maximum size of a message in bytes: that of the note of an Event, so that an Event can
/// repeat a condition. The API server accepts 32,768 bytes in a condition.
pub const MESSAGE_LIMIT: usize = 1024;

/// Marks an omission.
const OMISSION: char = '…';

/// A value in quotes and escaped as in a Rust string. A long value is cut, and its size
/// follows the quotes.
pub fn quoted(value: &str) -> String {
    let mut quoted = String::from("\"");
    let mut length = 0;
    for letter in value.chars() {
        let escaped = escape(letter);
        length += escaped.chars().count();
        if length > VALUE_LIMIT {
            return format!("{quoted}\"{OMISSION} ({} bytes)", value.len());
        }
        quoted.push_str(&escaped);
    }
    quoted.push('"');
    quoted
}

fn escape(letter: char) -> Cow<'static, str> {
    if letter == '\'' {
        return "'".into();
    }
    letter.escape_debug().collect::<String>().into()
}

/// A whole message, on one line and in at most this number of bytes.
pub fn message(text: &str, limit: usize) -> Cow<'_, str> {
    let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if text.len() <= limit && is_plain {
        return text.into();
    }
    let mut message = String::new();
    for letter in text.chars() {
        let end = message.len();
        push_on_one_line(&mut message, letter);
        if message.len() > limit {
            message.truncate(end);
            return cut(message, limit).into();
        }
    }
    message.into()
}

/// Appends a letter; one that is not visible is escaped, so that the text of somebody else
/// can neither end the line nor turn its direction.
pub fn push_on_one_line(line: &mut String, letter: char) {
    match letter {
        '"' | '\'' | '\\' => line.push(letter),
        _ => line.extend(letter.escape_debug()),
    }
}

/// The text with a mark at its end, within the limit.
fn cut(mut text: String, limit: usize) -> String {
    let end = limit.saturating_sub(OMISSION.len_utf8());
    text.truncate(text.floor_char_boundary(end));
    text.push(OMISSION);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_quoted_escaped_and_short() {
        let long = "x".repeat(101);
        let cases = [
            ("fast", "\"fast\"".to_owned(), "as it is"),
            (
                "it's",
                "\"it's\"".to_owned(),
                "an apostrophe needs no escape",
            ),
            (
                "a\nb\"c",
                "\"a\\nb\\\"c\"".to_owned(),
                "no new line, no end of quotes",
            ),
            (
                "\u{1b}[31m",
                "\"\\u{1b}[31m\"".to_owned(),
                "no terminal sequence",
            ),
            (
                &long,
                format!("\"{}\"… (101 bytes)", "x".repeat(100)),
                "cut, with its size",
            ),
        ];
        for (value, expected, reason) in cases {
            assert_eq!(quoted(value), expected, "{reason}");
        }
        let control = quoted(&"\u{1}".repeat(260_000));
        assert!(control.len() < 130, "{control}");
    }

    #[test]
    fn a_message_is_one_line_within_its_limit() {
        assert_eq!(message("all is well", 20), "all is well");
        assert_eq!(message("a\nINFO forged", 20), "a\\nINFO forged");
        assert_eq!(message("\u{202e}on", 20), "\\u{202e}on", "direction");
        assert_eq!(message("caf\u{e9} \"à\"", 20), "caf\u{e9} \"à\"");
        assert_eq!(message("a\u{2028}b", 20), "a\\u{2028}b");
        assert_eq!(message("a\u{202e}b", 20), "a\\u{202e}b");
        for text in ["x".repeat(5_000), "é".repeat(5_000), "\n".repeat(5_000)] {
            let short = message(&text, 100);
            assert!(short.len() <= 100 && short.ends_with('…'), "{short}");
            assert!(short.len() > 95, "{short}");
        }
        let exact = "x".repeat(100);
        assert_eq!(message(&exact, 100), exact);
    }
}
