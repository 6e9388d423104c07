//! A Service as the API server may show it.
//!
//! Whatever the JSON is: reading it does not fail, so that it costs no other Service; a
//! value of another shape than expected is no decision; what was read is what was there;
//! and the conditions of others are kept for our patches.

use my_cloud_controller_manager::kubernetes::MetadataKeys;
use my_cloud_controller_manager::kubernetes::service::view;
use my_cloud_controller_manager::kubernetes::service_object::Service;
use my_cloud_controller_manager::plan::service::ServiceView;
use my_cloud_controller_manager::plan::service_size::TooLarge;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::desired_state;

const PREFIX: &str = "mycloud.com/";

/// A field, and whether a value has its shape.
type Field = (&'static str, fn(&Value) -> bool);

/// The fields whose value decides something.
const FIELDS: [Field; 19] = [
    ("/metadata", Value::is_object),
    ("/metadata/namespace", Value::is_string),
    ("/metadata/uid", Value::is_string),
    ("/metadata/resourceVersion", Value::is_string),
    ("/metadata/deletionTimestamp", Value::is_string),
    ("/metadata/finalizers", is_texts),
    ("/metadata/annotations", Value::is_object),
    ("/spec", Value::is_object),
    ("/spec/type", Value::is_string),
    ("/spec/loadBalancerClass", Value::is_string),
    ("/spec/ports", is_objects),
    ("/spec/loadBalancerSourceRanges", is_texts),
    ("/spec/sessionAffinity", Value::is_string),
    ("/spec/ipFamilies", is_texts),
    ("/spec/ipFamilyPolicy", Value::is_string),
    ("/spec/loadBalancerIP", Value::is_string),
    ("/status", Value::is_object),
    ("/status/conditions", is_objects),
    ("/status/loadBalancer", Value::is_object),
];

fn is_texts(value: &Value) -> bool {
    let list = value.as_array();
    list.is_some_and(|list| list.iter().all(Value::is_string))
}

fn is_objects(value: &Value) -> bool {
    let list = value.as_array();
    list.is_some_and(|list| list.iter().all(Value::is_object))
}

/// The JSON of a Service.
pub fn check(input: &[u8]) {
    if is_plausible(input)
        && let Err(error) = serde_json::from_slice::<Service>(input)
    {
        assert!(is_beyond_go(&error), "{error}");
    }
    let Ok(json) = serde_json::from_slice::<Value>(input) else {
        return;
    };
    // Without repeated fields.
    let service = serde_json::from_slice(json.to_string().as_bytes());
    let mut service: Service = service.expect("lenient");
    check_conditions(&service, &json);
    let keys = MetadataKeys::new("mycloud.com");
    let read = view(&service, &keys);
    service.trim(&keys);
    assert_eq!(view(&service, &keys), read, "trimmed");
    let Some(read) = read else {
        return;
    };
    let is_odd = |(path, is_right): &&Field| {
        let value = json.pointer(path).filter(|value| !value.is_null());
        value.is_some_and(|value| !is_right(value))
    };
    let odd = FIELDS.iter().find(is_odd);
    assert!(odd.is_none(), "{odd:?} decides something");
    check_view(&read, &json);
    desired_state::check(&read);
}

/// Whether a text is JSON whose status is not nested deeply: an API server reads it into a
/// type. It does not read `managedFields` into one.
pub fn is_plausible(input: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Object {
        #[serde(rename = "metadata")]
        _metadata: Option<IgnoredAny>,
        #[serde(rename = "status")]
        _status: Option<Value>,
    }
    serde_json::from_slice::<Object>(input).is_ok()
}

/// Whether JSON has what Go never writes: a repeated field, a number beyond all floats, or
/// half of a character.
pub fn is_beyond_go(error: &serde_json::Error) -> bool {
    let text = error.to_string();
    let all = [
        "duplicate field",
        "number out of range",
        "surrogate",
        "unicode code point",
        "hex escape",
    ];
    all.iter().any(|part| text.contains(part))
}

fn check_view(view: &ServiceView, json: &Value) {
    let text = |path: &str| json.pointer(path).and_then(Value::as_str);
    let has = |path: &str| json.pointer(path).is_some_and(|value| !value.is_null());
    assert_eq!(
        text("/metadata/namespace"),
        Some(view.key.namespace.as_str())
    );
    assert_eq!(text("/metadata/name"), Some(view.key.name.as_str()));
    assert_eq!(text("/metadata/uid"), Some(view.uid.as_str()));
    assert_eq!(
        view.is_load_balancer,
        text("/spec/type") == Some("LoadBalancer")
    );
    assert_eq!(view.class.as_deref(), text("/spec/loadBalancerClass"));
    assert_eq!(view.deleting, has("/metadata/deletionTimestamp"));
    let list = |path: &str| json.pointer(path).and_then(Value::as_array).cloned();
    let finalizers = list("/metadata/finalizers").unwrap_or_default();
    let ours = Value::from(format!("{PREFIX}load-balancer"));
    assert_eq!(view.finalizer, finalizers.contains(&ours));
    // Those of a Service of another type are of no use, and too many are not kept.
    let ports = list("/spec/ports").unwrap_or_default();
    let are_kept = view.is_load_balancer && !view.too_large.contains(&TooLarge::Ports);
    let ports = if are_kept { ports } else { Vec::new() };
    assert_eq!(view.ports.len(), ports.len(), "a listener less");
    for (view, json) in view.ports.iter().zip(&ports) {
        assert_eq!(json["port"].as_i64(), Some(i64::from(view.port)));
    }
    if view.too_large.contains(&TooLarge::Annotations) {
        return;
    }
    let annotations = json.pointer("/metadata/annotations");
    for (name, value) in annotations.and_then(Value::as_object).into_iter().flatten() {
        if let Some(name) = name.strip_prefix(PREFIX) {
            let read = view.annotations.get(name).map(String::as_str);
            assert_eq!(read, Some(value.as_str().unwrap_or_default()), "{name}");
        }
    }
}

/// A patch of the status repeats the conditions of all other writers.
fn check_conditions(service: &Service, json: &Value) {
    let Some(before) = json.pointer("/status/conditions").and_then(Value::as_array) else {
        return;
    };
    if !service.can_be_patched() {
        return;
    }
    assert_eq!(service.conditions.len(), before.len());
    for (kept, before) in service.conditions.iter().zip(before) {
        let kept = serde_json::to_value(kept).unwrap();
        for (field, value) in before.as_object().into_iter().flatten() {
            assert_eq!(&kept[field], value, "{field}");
        }
    }
}
