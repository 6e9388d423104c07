//! Label selectors, in the grammar of `kubectl get nodes --selector`: `labels.Parse` of
//! k8s.io/apimachinery.

mod tokens;

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use tokens::{Token, Tokens};

/// Maximum size of a selector in bytes. It is kept for each Service and compared with the
/// labels of every Node; the longest possible key with a value takes 381 bytes.
pub const SELECTOR_LIMIT: usize = 1024;

/// What the labels of a Node must be; the default selects every Node. Two texts that ask for
/// the same requirements give equal selectors.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct NodeSelector(BTreeSet<Requirement>);

/// One requirement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
enum Test {
    Exists,
    Absent,
    /// The label is there with one of these values.
    In(BTreeSet<String>),
    /// The label is not there, or has none of these values.
    NotIn(BTreeSet<String>),
    /// The label is a greater whole number.
    Above(i64),
    /// The label is a smaller whole number.
    Below(i64),
}

impl NodeSelector {
    /// Reads a selector; `None` if it breaks the grammar or is longer than
    /// [`SELECTOR_LIMIT`]. An empty text selects every Node.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > SELECTOR_LIMIT {
            return None;
        }
        let mut tokens = Tokens::of(text)?;
        let mut requirements = BTreeSet::new();
        if tokens.is_at_end() {
            return Some(Self::default());
        }
        loop {
            requirements.insert(requirement(&mut tokens)?);
            match tokens.next() {
                None => return Some(Self(requirements)),
                Some(Token::Comma) => {}
                Some(_) => return None,
            }
        }
    }

    /// Whether it selects every Node.
    pub fn is_everything(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it selects the Node whose labels `label` looks up.
    pub fn matches<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.0.iter().all(|Requirement { key, test }| {
            let value = label(key);
            let number = || value?.parse::<i64>().ok();
            match test {
                Test::Exists => value.is_some(),
                Test::Absent => value.is_none(),
                Test::In(values) => value.is_some_and(|value| values.contains(value)),
                Test::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
                Test::Above(bound) => number().is_some_and(|number| number > *bound),
                Test::Below(bound) => number().is_some_and(|number| number < *bound),
            }
        })
    }
}

/// The selector in one spelling.
impl fmt::Display for NodeSelector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Requirement { key, test }) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(formatter, "{comma}")?;
            match test {
                Test::Exists => write!(formatter, "{key}")?,
                Test::Absent => write!(formatter, "!{key}")?,
                Test::In(values) => write_values(formatter, key, "=", "in", values)?,
                Test::NotIn(values) => write_values(formatter, key, "!=", "notin", values)?,
                Test::Above(bound) => write!(formatter, "{key}>{bound}")?,
                Test::Below(bound) => write!(formatter, "{key}<{bound}")?,
            }
        }
        Ok(())
    }
}

fn write_values(
    formatter: &mut fmt::Formatter<'_>,
    key: &str,
    of_one: &str,
    of_several: &str,
    values: &BTreeSet<String>,
) -> fmt::Result {
    let all = Vec::from_iter(values.iter().map(String::as_str)).join(",");
    if values.len() == 1 {
        write!(formatter, "{key}{of_one}{all}")
    } else {
        write!(formatter, "{key} {of_several} ({all})")
    }
}

fn requirement(tokens: &mut Tokens<'_>) -> Option<Requirement> {
    let is_absent = tokens.take(&Token::Not);
    let key = match tokens.next()? {
        Token::Word(key) if is_key(key) => key.to_owned(),
        _ => return None,
    };
    if is_absent {
        let test = Test::Absent;
        return tokens
            .is_at_requirement_end()
            .then_some(Requirement { key, test });
    }
    if tokens.is_at_requirement_end() {
        let test = Test::Exists;
        return Some(Requirement { key, test });
    }
    let test = match tokens.next()? {
        Token::Equal => Test::In(exact_value(tokens)?),
        Token::NotEqual => Test::NotIn(exact_value(tokens)?),
        Token::Word("in") => Test::In(set(tokens)?),
        Token::Word("notin") => Test::NotIn(set(tokens)?),
        Token::Above => Test::Above(bound(tokens)?),
        Token::Below => Test::Below(bound(tokens)?),
        _ => return None,
    };
    Some(Requirement { key, test })
}

/// The value after `=`; nothing is the empty value.
fn exact_value(tokens: &mut Tokens<'_>) -> Option<BTreeSet<String>> {
    if tokens.is_at_requirement_end() {
        return Some([String::new()].into());
    }
    Some([value(tokens)?].into())
}

fn value(tokens: &mut Tokens<'_>) -> Option<String> {
    match tokens.next()? {
        Token::Word(value) if is_value(value) => Some(value.to_owned()),
        _ => None,
    }
}

/// The values in parentheses. Between commas, nothing is the empty value; `()` is no set.
fn set(tokens: &mut Tokens<'_>) -> Option<BTreeSet<String>> {
    let mut values = BTreeSet::new();
    if !tokens.take(&Token::Open) || tokens.take(&Token::Close) {
        return None;
    }
    loop {
        let is_empty = matches!(tokens.peek()?, Token::Comma | Token::Close);
        values.insert(if is_empty {
            String::new()
        } else {
            value(tokens)?
        });
        match tokens.next()? {
            Token::Comma => {}
            Token::Close => return Some(values),
            _ => return None,
        }
    }
}

fn bound(tokens: &mut Tokens<'_>) -> Option<i64> {
    value(tokens)?.parse().ok()
}

/// Whether this is a label key (`validation.IsQualifiedName`): a name, perhaps with the
/// prefix of a DNS subdomain.
fn is_key(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => is_subdomain(prefix) && is_name(name),
        None => is_name(key),
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && is_value(name)
}

/// Whether this is a label value (`validation.IsValidLabelValue`).
fn is_value(value: &str) -> bool {
    let is_alphanumeric = |byte: &u8| byte.is_ascii_alphanumeric();
    let bytes = value.as_bytes();
    let is_inner = |byte: &u8| is_alphanumeric(byte) || b"-_.".contains(byte);
    value.len() <= 63
        && bytes.iter().all(is_inner)
        && bytes.first().is_none_or(is_alphanumeric)
        && bytes.last().is_none_or(is_alphanumeric)
}

fn is_subdomain(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_part = |part: &str| {
        let bytes = part.as_bytes();
        bytes.iter().all(|byte| is_plain(*byte) || *byte == b'-')
            && bytes.first().is_some_and(|byte| is_plain(*byte))
            && bytes.last().is_some_and(|byte| is_plain(*byte))
    };
    text.len() <= 253 && text.split('.').all(is_part)
}

#[cfg(test)]
mod tests;
