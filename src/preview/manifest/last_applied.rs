//! What a user declared the last time, of which only the names of the fields count: what is
//! missing in the next manifest goes.

use serde_json::{Map, Value};

/// Where `kubectl apply` keeps the manifest of the last time.
pub const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The fields that the last manifest had: by the annotation of a client-side apply, or else
/// by the fields that a server-side apply owns. `None` if nothing was applied.
pub fn fields(live: &Value) -> Option<Value> {
    let text = live["metadata"]["annotations"][ANNOTATION].as_str();
    if let Some(text) = text {
        return serde_json::from_str(text).ok();
    }
    let owners = live["metadata"]["managedFields"].as_array()?;
    let mut applied = owners.iter().filter(|owner| owner["operation"] == "Apply");
    let owned = &applied.next()?["fieldsV1"];
    // Who of several appliers applies this manifest is not known.
    applied.next().is_none().then(|| names(owned))
}

/// The fields of a set of `fieldsV1`: `f:name` is a field; other entries are members of
/// lists, which are replaced as a whole.
fn names(set: &Value) -> Value {
    let entries = set.as_object().into_iter().flatten();
    let fields = entries.filter_map(|(entry, inner)| {
        let name = entry.strip_prefix("f:")?;
        Some((name.to_owned(), names(inner)))
    });
    Value::Object(fields.collect::<Map<_, _>>())
}
