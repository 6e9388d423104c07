//! Values and differences on one line.

use serde_json::Value;

use crate::plan::excerpt;
use crate::preview::differences::{Change, Difference};

/// Maximum number of members of a list in the text: a load balancer may have thousands of
/// back ends. The JSON has all.
const MEMBERS: usize = 10;
/// Maximum size of a value in the text in bytes.
const VALUE_LIMIT: usize = 200;

/// A difference as one line.
pub fn line(difference: &Difference) -> String {
    let change = match &difference.change {
        Change::Value { from, to } => format!("{} -> {}", plain(from), plain(to)),
        Change::Members { added, removed } => {
            let parts = [("added", added), ("removed", removed)].into_iter();
            let parts = parts.filter(|(_, members)| !members.is_empty());
            let parts = parts.map(|(what, members)| format!("{what} {}", members_of(members)));
            parts.collect::<Vec<_>>().join("; ")
        }
    };
    format!("{}: {change}", difference.field)
}

pub fn members_of(members: &[Value]) -> String {
    let named = joined(members.iter().take(MEMBERS).map(plain));
    match members.len().saturating_sub(MEMBERS) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// A value on one line.
pub fn plain(value: &Value) -> String {
    let text = match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Object(fields) => {
            let is_set = |value: &Value| !value.is_null() && value != "";
            let fields = fields.iter().filter(|(_, value)| is_set(value));
            let fields = fields.map(|(name, value)| format!("{name}={}", plain(value)));
            fields.collect::<Vec<_>>().join(" ")
        }
        Value::Array(members) => members_of(members),
        value => value.to_string(),
    };
    short(&text)
}

/// A text on one line, cut.
pub fn short(text: &str) -> String {
    excerpt::message(text, VALUE_LIMIT).into_owned()
}

/// The parts, separated by commas.
pub fn joined(parts: impl Iterator<Item = String>) -> String {
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() {
        return "none".to_owned();
    }
    parts.join(", ")
}
