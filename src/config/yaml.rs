//! A YAML document as written: every node with its line, every scalar as text.
//!
//! Deserializing directly into the settings would stop at the first unknown field or
//! wrong type. With this tree all errors are found at once, and a cluster id that looks
//! like a number keeps its spelling.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::DuplicateKeyPolicy;
use serde_saphyr::{Location, Spanned};

use crate::plan::excerpt;

/// Maximum size in bytes of the parser's message, which may repeat a part of the text.
const MESSAGE_LIMIT: usize = 300;

/// A node of the document.
#[derive(Debug)]
pub struct Node {
    /// The line, from 1.
    pub line: u64,
    pub content: Content,
}

/// The content of a node.
#[derive(Debug)]
pub enum Content {
    /// `null`, `~` or nothing at all, which means the same as a missing field.
    Nothing,
    /// A scalar of any type, as text.
    Scalar(String),
    List(Vec<Node>),
    /// The fields in the order of the file, including repeated fields.
    Mapping(Vec<Field>),
}

/// A field of a mapping.
#[derive(Debug)]
pub struct Field {
    /// The line of the name, from 1.
    pub line: u64,
    pub name: String,
    pub value: Node,
}

/// The error for a text that is not exactly one YAML document.
#[derive(Debug, PartialEq, Eq)]
pub struct NotYaml {
    /// The line, from 1, if the parser reports it.
    pub line: Option<u64>,
    /// The message of the parser, on one line.
    pub message: String,
}

/// Parses one document. An empty text is [`Content::Nothing`].
pub fn parse(text: &str) -> Result<Node, NotYaml> {
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        with_snippet: false,
    };
    let document: Option<Spanned<Raw>> = serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| NotYaml {
            line: error.location().map(|location| location.line()),
            message: one_line(&error.to_string()),
        })?;
    Ok(document.map_or(
        Node {
            line: 1,
            content: Content::Nothing,
        },
        |raw| node(raw, text),
    ))
}

fn one_line(message: &str) -> String {
    let message = message.replace('\n', " ");
    excerpt::message(&message, MESSAGE_LIMIT).into_owned()
}

/// A node as the deserializer produces it.
enum Raw {
    Nothing,
    Text(String),
    /// A number or boolean, whose spelling is only in the source.
    Literal(String),
    List(Vec<Spanned<Raw>>),
    Mapping(Vec<(Spanned<String>, Spanned<Raw>)>),
}

fn node(raw: Spanned<Raw>, source: &str) -> Node {
    let content = match raw.value {
        Raw::Nothing => Content::Nothing,
        Raw::Text(text) => Content::Scalar(text),
        Raw::Literal(text) => {
            Content::Scalar(spelling(raw.defined, source).map_or(text, str::to_owned))
        }
        Raw::List(items) => {
            Content::List(items.into_iter().map(|item| node(item, source)).collect())
        }
        Raw::Mapping(fields) => Content::Mapping(
            fields
                .into_iter()
                .map(|(name, value)| Field {
                    line: name.referenced.line(),
                    name: name.value,
                    value: node(value, source),
                })
                .collect(),
        ),
    };
    Node {
        line: raw.referenced.line(),
        content,
    }
}

fn spelling(location: Location, source: &str) -> Option<&str> {
    let start = usize::try_from(location.span().byte_offset()?).ok()?;
    let length = usize::try_from(location.span().byte_len()?).ok()?;
    let text = source.get(start..start.checked_add(length)?)?.trim();
    (!text.is_empty()).then_some(text)
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("YAML")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Nothing)
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Literal(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Literal(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Literal(value.to_string()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Raw, E> {
        Ok(Raw::Literal(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Raw, E> {
        Ok(Raw::Literal(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Literal(value.to_string()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut fields = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            fields.push(entry);
        }
        Ok(Raw::Mapping(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(node: &Node) -> String {
        match &node.content {
            Content::Nothing => "nothing".into(),
            Content::Scalar(text) => format!("{text}@{}", node.line),
            Content::List(items) => {
                let items: Vec<_> = items.iter().map(written).collect();
                format!("[{}]", items.join(" "))
            }
            Content::Mapping(fields) => {
                let fields: Vec<_> = fields
                    .iter()
                    .map(|field| format!("{}@{}={}", field.name, field.line, written(&field.value)))
                    .collect();
                format!("{{{}}}", fields.join(" "))
            }
        }
    }

    #[test]
    fn keeps_lines_order_and_spelling() {
        let cases = [
            ("", "nothing", "an empty file is no error"),
            ("# only a comment\n", "nothing", "nor is one of comments"),
            (
                "a: 5s\nb:\n",
                "{a@1=5s@1 b@2=nothing}",
                "an empty value is nothing",
            ),
            (
                "a: 010\nb: 1e3\nc: \"x\"\n",
                "{a@1=010@1 b@2=1e3@2 c@3=x@3}",
                "numbers stay as written",
            ),
            (
                "a: true\nb: Yes\n",
                "{a@1=true@1 b@2=Yes@2}",
                "truth values stay as written",
            ),
            (
                "a: 1\na: 2\n",
                "{a@1=1@1 a@2=2@2}",
                "a repeated field stays, so that it can be reported",
            ),
            (
                "- x\n-\n  y: z\n",
                "[x@1 {y@3=z@3}]",
                "lists and mappings nest",
            ),
            (
                "a: &n 07\nb: *n\n",
                "{a@1=07@1 b@2=07@2}",
                "an alias stands where it is used",
            ),
            ("12: a\n", "{12@1=a@1}", "a name that looks like a number"),
        ];
        for (text, expected, reason) in cases {
            let node = parse(text).unwrap_or_else(|error| panic!("{reason}: {error:?}"));
            assert_eq!(written(&node), expected, "{reason}");
        }
    }

    #[test]
    fn an_error_has_the_line_of_the_invalid_yaml() {
        let error = parse("a: 1\nb: [1, 2\n").unwrap_err();
        assert!(error.line.is_some_and(|line| line >= 2), "{error:?}");
        assert!(!error.message.contains('\n'), "{error:?}");
        assert!(parse("a: 1\n---\nb: 2\n").is_err(), "two documents");
    }
}
