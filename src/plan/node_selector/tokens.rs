//! The tokens of a label selector.

use std::iter::Peekable;
use std::vec::IntoIter;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A key, a value, or one of the words `in` and `notin`.
    Word(&'a str),
    Comma,
    Open,
    Close,
    Not,
    /// `=` or `==`.
    Equal,
    NotEqual,
    Above,
    Below,
}

/// The tokens that were not read yet.
pub(super) struct Tokens<'a>(Peekable<IntoIter<Token<'a>>>);

impl<'a> Tokens<'a> {
    /// The tokens of a text; `None` if it has a symbol that is none.
    pub(super) fn of(text: &'a str) -> Option<Self> {
        let mut tokens = Vec::new();
        let mut rest = text.trim_start_matches(is_space);
        while let Some(first) = rest.chars().next() {
            let (token, length) = match first {
                ',' => (Token::Comma, 1),
                '(' => (Token::Open, 1),
                ')' => (Token::Close, 1),
                '>' => (Token::Above, 1),
                '<' => (Token::Below, 1),
                '!' if rest.starts_with("!=") => (Token::NotEqual, 2),
                '!' => (Token::Not, 1),
                '=' if rest.starts_with("==") => (Token::Equal, 2),
                '=' => (Token::Equal, 1),
                _ => {
                    let ends = |letter| is_space(letter) || ",()><!=".contains(letter);
                    let length = rest.find(ends).unwrap_or(rest.len());
                    (Token::Word(rest.get(..length)?), length)
                }
            };
            tokens.push(token);
            rest = rest.get(length..)?.trim_start_matches(is_space);
        }
        Some(Self(tokens.into_iter().peekable()))
    }

    pub(super) fn next(&mut self) -> Option<Token<'a>> {
        self.0.next()
    }

    pub(super) fn peek(&mut self) -> Option<Token<'a>> {
        self.0.peek().copied()
    }

    /// Reads the next token if it is this one.
    pub(super) fn take(&mut self, token: &Token<'_>) -> bool {
        self.0.next_if(|next| next == token).is_some()
    }

    pub(super) fn is_at_end(&mut self) -> bool {
        self.0.peek().is_none()
    }

    pub(super) fn is_at_requirement_end(&mut self) -> bool {
        matches!(self.0.peek(), None | Some(Token::Comma))
    }
}

/// As in the lexer of k8s.io/apimachinery.
fn is_space(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\r' | '\n')
}
