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

/// A kubelet writes the addresses of its own Node, as many as it likes.
#[test]
fn the_first_addresses_of_a_node_are_read() {
    let rule = AddressRule::default();
    for (before, expected) in [(ADDRESSES - 1, true), (ADDRESSES, false)] {
        let link_local =
            |index: usize| json!({"type": "InternalIP", "address": format!("fe80::{index:x}")});
        let mut addresses = Vec::from_iter((0..before).map(link_local));
        addresses.push(json!({"type": "InternalIP", "address": "10.0.0.1"}));
        let mut json = whole();
        json["status"]["addresses"] = json!(addresses);
        let node: Node = serde_json::from_value(json.clone()).expect("a Node");
        assert_eq!(is_back_end(json.clone()), expected, "after {before}");
        assert_eq!(node.too_large().is_empty(), expected, "after {before}");

        addresses.extend((0..20_000).map(link_local));
        json["status"]["addresses"] = json!(addresses);
        let node: Node = serde_json::from_value(json).expect("a Node");
        let found = node::address(&node, rule, IpFamily::V4).is_some();
        assert_eq!(found, expected, "with more behind it");
        assert_eq!(node.addresses.len(), ADDRESSES);
        assert_eq!(node.too_large(), ["status.addresses"]);
        assert!(node.unreadable().is_empty(), "{:?}", node.unreadable());
    }
}

#[test]
fn labels_of_more_than_a_bound_are_not_kept() {
    let mut json = whole();
    let labels = json["metadata"]["labels"].as_object_mut().expect("labels");
    labels.extend((0..20_000).map(|index| (format!("x-{index:0>60}"), json!("x"))));
    let mut node: Node = serde_json::from_value(json.clone()).expect("a Node");
    assert_eq!(node.too_large(), ["metadata.labels"]);
    assert!(node.unreadable().is_empty(), "{:?}", node.unreadable());
    let labels = node.labels().expect("labels");
    assert_eq!(labels.get("zone"), None);
    assert!(labels.entries.is_empty(), "{}", labels.entries.len());
    node.drop_labels();
    assert!(node.too_large().is_empty(), "nobody needs them");
    assert!(is_eligible(&node), "as a back end of all others");
    json["metadata"]["labels"][EXCLUDE_LABEL] = json!("");
    assert!(!is_back_end(json), "this one is always read");
}
