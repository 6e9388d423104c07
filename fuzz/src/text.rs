//! The rule for texts from outside that log lines, Events and conditions repeat.

/// The longest message in bytes: two excerpts of 200 characters, each escaped in ten, and
/// the words around them.
const LONGEST: usize = 5_000;

/// Panics if a text is not short and on one line: it could then fill the log, or forge a
/// line of it.
pub fn assert_one_short_line(text: &str) {
    assert!(text.len() <= LONGEST, "{} bytes: {text:.300}", text.len());
    let breaks = |letter: char| letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}');
    assert!(!text.contains(breaks), "{text:?}");
}
