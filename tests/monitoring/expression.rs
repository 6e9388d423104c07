//! PromQL in pieces: enough to see which metric is under which function, and
//! to change one piece at a time. Whether it is PromQL at all is Prometheus' to say.

use anyhow::{Context, Result, bail};

/// A piece of an expression, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub kind: Kind,
    pub text: String,
    pub start: usize,
    pub end: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A name, a function, a keyword.
    Word,
    Number,
    /// With its quotes.
    Text,
    /// With its brackets.
    Range,
    /// An operator, a parenthesis, a brace, a comma.
    Sign,
}

const SIGNS: [&str; 6] = [">=", "<=", "==", "!=", "=~", "!~"];

/// Its pieces.
pub fn tokens(expression: &str) -> Result<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut start = 0;
    while let Some(first) = expression[start..].chars().next() {
        if first.is_whitespace() {
            start += first.len_utf8();
            continue;
        }
        let (kind, length) = token(&expression[start..], first)
            .with_context(|| format!("at {start} of {expression}"))?;
        let end = start + length;
        let text = expression[start..end].to_owned();
        tokens.push(Token {
            kind,
            text,
            start,
            end,
        });
        start = end;
    }
    Ok(tokens)
}

fn token(rest: &str, first: char) -> Result<(Kind, usize)> {
    let while_any =
        |allowed: fn(char) -> bool| rest.find(|letter| !allowed(letter)).unwrap_or(rest.len());
    Ok(match first {
        'a'..='z' | 'A'..='Z' | '_' => (
            Kind::Word,
            while_any(|letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':'),
        ),
        '0'..='9' => (
            Kind::Number,
            while_any(|letter| letter.is_ascii_alphanumeric() || letter == '.'),
        ),
        '"' => (Kind::Text, quoted(rest)?),
        '[' => (
            Kind::Range,
            rest.find(']').context("no end of a range")? + 1,
        ),
        _ => {
            let two = SIGNS.iter().find(|sign| rest.starts_with(**sign));
            (Kind::Sign, two.map_or(first.len_utf8(), |sign| sign.len()))
        }
    })
}

fn quoted(rest: &str) -> Result<usize> {
    let mut escaped = false;
    for (index, letter) in rest.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Ok(index + 1),
            _ => {}
        }
    }
    bail!("no end of a text")
}

/// A metric, as it is asked for.
#[derive(Clone, Debug, Default)]
pub struct Selector {
    pub name: String,
    /// Each as written: `job=~"$job"`.
    pub matchers: Vec<String>,
    /// With brackets.
    pub range: Option<String>,
    /// The functions and aggregations around it, the innermost last.
    pub calls: Vec<String>,
}

const KEYWORDS: [&str; 6] = ["and", "or", "unless", "bool", "offset", "inf"];
const LABEL_LISTS: [&str; 6] = [
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
];

/// The metrics that it asks for.
pub fn selectors(expression: &str) -> Result<Vec<Selector>> {
    let tokens = tokens(expression)?;
    let mut selectors: Vec<Selector> = Vec::new();
    let mut calls: Vec<String> = Vec::new();
    let mut call = None;
    let mut index = 0;
    while let Some(token) = tokens.get(index) {
        let next = tokens.get(index + 1).map(|token| token.text.as_str());
        index += 1;
        match (token.kind, token.text.as_str()) {
            (Kind::Word, word) if LABEL_LISTS.contains(&word) && next == Some("(") => {
                index = after(&tokens, index, ")")?;
            }
            (Kind::Word, word) if KEYWORDS.contains(&word) || LABEL_LISTS.contains(&word) => {}
            (Kind::Word, word)
                if next == Some("(") || next.is_some_and(|n| LABEL_LISTS[..2].contains(&n)) =>
            {
                call = Some(word.to_owned());
            }
            (Kind::Word, name) => selectors.push(Selector {
                name: name.to_owned(),
                calls: calls
                    .iter()
                    .filter(|call| !call.is_empty())
                    .cloned()
                    .collect(),
                ..Selector::default()
            }),
            (Kind::Sign, "(") => calls.push(call.take().unwrap_or_default()),
            (Kind::Sign, ")") => drop(calls.pop()),
            (Kind::Sign, "{") => {
                let end = after(&tokens, index, "}")?;
                let selector = selectors.last_mut().context("matchers without a name")?;
                selector.matchers = matchers(&tokens[index..end - 1]);
                index = end;
            }
            (Kind::Range, range) => {
                let selector = selectors.last_mut().context("a range without a name")?;
                selector.range = Some(range.to_owned());
            }
            _ => {}
        }
    }
    Ok(selectors)
}

/// The index behind the next `sign`.
pub fn after(tokens: &[Token], from: usize, sign: &str) -> Result<usize> {
    let found = tokens[from..].iter().position(|token| token.text == sign);
    Ok(from + found.with_context(|| format!("no {sign}"))? + 1)
}

fn matchers(tokens: &[Token]) -> Vec<String> {
    tokens
        .split(|token| token.text == ",")
        .map(|matcher| matcher.iter().map(|token| token.text.as_str()).collect())
        .collect()
}

#[test]
fn metrics_are_found_with_what_is_around_them() -> Result<()> {
    let expression = r#"1 - sum by (job, le) (rate(a_total{job=~"$job", code!="2{0}0"}[5m])) > 2 and on (job) (b:c == 1)"#;
    let found = selectors(expression)?;
    let names: Vec<_> = found
        .iter()
        .map(|selector| selector.name.as_str())
        .collect();
    assert_eq!(names, ["a_total", "b:c"]);
    assert_eq!(found[0].calls, ["sum", "rate"]);
    assert_eq!(found[0].range.as_deref(), Some("[5m]"));
    assert_eq!(found[0].matchers, [r#"job=~"$job""#, r#"code!="2{0}0""#]);
    assert!(found[1].calls.is_empty() && found[1].matchers.is_empty());
    Ok(())
}
