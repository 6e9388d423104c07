//! Nothing makes a Node unreadable.

use serde_json::{Value, json};

use super::*;
use crate::kubernetes::node::{self, AddressRule, is_eligible};
use crate::plan::node_addresses::IpFamily;

/// How kube-apiserver shows `9999-12-31T23:59:59-23:59`.
const YEAR_10000: &str = "10000-01-01T23:58:59Z";

fn whole() -> Value {
    json!({
        "metadata": {
            "name": "n1", "resourceVersion": "10", "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"zone": "a"},
            "managedFields": [{"manager": "kubelet", "time": "2026-01-01T00:00:00Z", "fieldsV1": {}}],
        },
        "spec": {"taints": [{"key": "k", "effect": "NoExecute", "timeAdded": "2026-01-01T00:00:00Z"}]},
        "status": {
            "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
            "conditions": [{
                "type": "Ready", "status": "True",
                "lastHeartbeatTime": "2026-01-01T00:00:00Z", "lastTransitionTime": "2026-01-01T00:00:00Z",
            }],
        },
    })
}

fn is_back_end(json: Value) -> bool {
    let node: Node = serde_json::from_value(json).expect("anything is read");
    is_eligible(&node) && node::address(&node, AddressRule::default(), IpFamily::V4).is_some()
}

/// With the typed Node of k8s-openapi, each of these hid all Nodes of the cluster.
#[test]
fn a_value_that_go_admits_and_the_typed_node_does_not_costs_nothing() {
    let times = [
        "/metadata/creationTimestamp",
        "/metadata/managedFields/0/time",
        "/spec/taints/0/timeAdded",
        "/status/conditions/0/lastHeartbeatTime",
        "/status/conditions/0/lastTransitionTime",
    ];
    assert!(is_back_end(whole()));
    for path in times {
        let mut json = whole();
        *json.pointer_mut(path).expect("a field") = json!(YEAR_10000);
        let typed = serde_json::from_value::<typed::Node>(json.clone());
        assert!(typed.is_err(), "{path}: {typed:?}");
        assert!(is_back_end(json), "{path}");
    }
}

/// Whether Go would read the value too.
fn is_of_shape(path: &str, value: &Value) -> bool {
    let is_object = value.is_object();
    match path {
        "/metadata/labels" | "/spec" | "/spec/taints/0" | "/status" | "/status/addresses/0" => {
            is_object || value.is_null() && !path.ends_with("/0")
        }
        "/spec/taints/0/key" | "/status/addresses/0/address" => {
            value.is_string() || value.is_null()
        }
        _ => value.is_null(),
    }
}

/// A Node whose field counts as missing is unreadable, so that it stays as it was.
#[test]
fn a_value_of_another_type_counts_as_missing() {
    let odd = [
        json!(null),
        json!(7),
        json!("text"),
        json!([7]),
        json!({"text": 7}),
    ];
    let unused = [
        "/metadata/resourceVersion",
        "/metadata/labels",
        "/spec",
        "/spec/taints",
        "/spec/taints/0",
        "/spec/taints/0/key",
    ];
    let used = [
        "/status",
        "/status/addresses",
        "/status/addresses/0",
        "/status/addresses/0/address",
    ];
    for odd in odd {
        for (paths, expected) in [(&unused[..], true), (&used[..], false)] {
            for path in paths {
                let mut json = whole();
                *json.pointer_mut(path).expect("a field") = odd.clone();
                assert_eq!(is_back_end(json.clone()), expected, "{path} is {odd}");
                let node: Node = serde_json::from_value(json).expect("anything is read");
                let is_needed = *path != "/metadata/resourceVersion" && !is_of_shape(path, &odd);
                assert_eq!(node.unreadable().is_empty(), !is_needed, "{path} is {odd}");
            }
        }
    }
}

#[test]
fn a_node_whose_time_of_deletion_is_unreadable_is_no_back_end() {
    let mut json = whole();
    json["metadata"]["deletionTimestamp"] = json!(YEAR_10000);
    assert!(!is_back_end(json));
}

#[test]
fn labels_are_kept_until_they_are_dropped() {
    let mut json = whole();
    json["metadata"]["labels"] = json!({"zone": "a", "pool": "edge", "odd": 7, "empty": ""});
    let mut node: Node = serde_json::from_value(json).expect("a Node");
    let labels = node.labels().expect("labels");
    let found = ["zone", "pool", "odd", "empty", "none"].map(|key| labels.get(key));
    let expected = [Some("a"), Some("edge"), Some(""), Some(""), None];
    assert_eq!(found, expected);
    node.drop_labels();
    assert_eq!(node.labels(), None);
    assert!(is_eligible(&node));
}
