//! The differences between two specs, field by field. Generic over their JSON, so that a
//! field that is added to the spec needs nothing here.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::plan::load_balancer::LoadBalancerSpec;

/// The field whose value is zero until the API server allocates one.
const NODE_PORT: &str = "nodePort";

/// A field in which the observed state is not the desired one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Its path: `bandwidth`, or `listeners[80/TCP].nodePort`.
    pub field: String,
    #[serde(flatten)]
    pub change: Change,
}

impl Difference {
    /// A load balancer has values that this program cannot read.
    pub fn unknown_values() -> Self {
        Self {
            field: "fields that are not known here".into(),
            change: Change::Value {
                from: "some".into(),
                to: Value::Null,
            },
        }
    }
}

/// How the field would change.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Change {
    Value {
        from: Value,
        to: Value,
    },
    Members {
        added: Vec<Value>,
        removed: Vec<Value>,
    },
}

/// The differences that an update would remove, by [`LoadBalancerSpec::compared_with`].
pub fn differences(found: &LoadBalancerSpec, wanted: &LoadBalancerSpec) -> Vec<Difference> {
    let (wanted, found) = wanted.compared_with(found);
    let mut differences = Vec::new();
    compare("", &json(&found), &json(&wanted), &mut differences);
    differences
}

/// A value as JSON, with the names of fields in camel case, as the API of a cloud has them.
pub fn json(value: &impl Serialize) -> Value {
    // Fails for maps with keys that are no text, which no type of the plan has.
    camel_case(serde_json::to_value(value).unwrap_or_default())
}

fn camel_case(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (camel_case_name(&name), value))
            .map(|(name, value)| match name == NODE_PORT && value == 0 {
                true => (name, Value::Null),
                false => (name, camel_case(value)),
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(camel_case).collect(),
        scalar => scalar,
    }
}

fn camel_case_name(name: &str) -> String {
    let mut parts = name.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |name, part| {
        let mut letters = part.chars();
        let initial = letters.next().map(|letter| letter.to_ascii_uppercase());
        name + &initial.into_iter().chain(letters).collect::<String>()
    })
}

/// Adds the differences between two values at this path.
pub fn compare(path: &str, from: &Value, to: &Value, differences: &mut Vec<Difference>) {
    match (from, to) {
        _ if from == to => {}
        (Value::Object(from), Value::Object(to)) => {
            let dot = if path.is_empty() { "" } else { "." };
            compare_fields(from, to, |name| format!("{path}{dot}{name}"), differences);
        }
        (Value::Array(from), Value::Array(to)) => compare_lists(path, from, to, differences),
        _ => differences.push(Difference {
            field: path.to_owned(),
            change: Change::Value {
                from: from.clone(),
                to: to.clone(),
            },
        }),
    }
}

fn compare_fields(
    from: &Map<String, Value>,
    to: &Map<String, Value>,
    path: impl Fn(&str) -> String,
    differences: &mut Vec<Difference>,
) {
    let names: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    let value = |fields: &Map<String, Value>, name| fields.get(name).cloned().unwrap_or_default();
    for name in names {
        let (from, to) = (value(from, name), value(to, name));
        compare(&path(name), &from, &to, differences);
    }
}

/// The order of a list means nothing: ports are compared by their number, other things by
/// their value.
fn compare_lists(path: &str, from: &[Value], to: &[Value], differences: &mut Vec<Difference>) {
    let (mut removed, mut added) = (without(from, to), without(to, from));
    if let (Some(before), Some(after)) = (by_port(&removed), by_port(&added)) {
        for (port, before) in &before {
            if let Some(after) = after.get(port) {
                compare(&format!("{path}[{port}]"), before, after, differences);
            }
        }
        removed.retain(|item| port(item).is_none_or(|port| !after.contains_key(&port)));
        added.retain(|item| port(item).is_none_or(|port| !before.contains_key(&port)));
    }
    if !(removed.is_empty() && added.is_empty()) {
        let field = path.to_owned();
        let change = Change::Members { added, removed };
        differences.push(Difference { field, change });
    }
}

/// The items that the others lack; of equal items, as many as they lack.
fn without(items: &[Value], others: &[Value]) -> Vec<Value> {
    // By text, because a thousand Nodes on both sides are common.
    let mut left = BTreeMap::<String, usize>::new();
    for other in others {
        *left.entry(other.to_string()).or_default() += 1;
    }
    let is_new = |item: &&Value| match left.get_mut(&item.to_string()) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    items.iter().filter(is_new).cloned().collect()
}

/// The items by port; `None` if one has none, or two have the same.
fn by_port(items: &[Value]) -> Option<BTreeMap<String, Value>> {
    let mut ports = BTreeMap::new();
    for item in items {
        if ports.insert(port(item)?, item.clone()).is_some() {
            return None;
        }
    }
    Some(ports)
}

fn port(item: &Value) -> Option<String> {
    let (port, protocol) = (item.get("port")?.as_u64()?, item.get("protocol")?.as_str()?);
    Some(format!("{port}/{protocol}"))
}

#[cfg(test)]
mod tests;
