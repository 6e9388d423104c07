//! What an API server may show, and more: nothing makes a Service unreadable.

use kube::ResourceExt;
use kube::core::{ObjectList, WatchEvent};
use serde_json::{Value, json};

use crate::plan::node_addresses::IpFamily;

use super::*;
use crate::kubernetes::service::view;
use crate::plan::service::ServiceView;

/// How kube-apiserver shows `9999-12-31T23:59:59-23:59`.
const YEAR_10000: &str = "10000-01-01T23:58:59Z";

fn metadata_keys() -> MetadataKeys {
    MetadataKeys::new("mycloud.com")
}

/// A Service with a value for each field that is read, and for some that are not.
fn whole() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "10", "generation": 1,
            "creationTimestamp": "2026-01-01T00:00:00Z", "deletionTimestamp": "2026-02-01T00:00:00Z",
            "finalizers": ["mycloud.com/load-balancer"],
            "annotations": {"mycloud.com/enable": "true", "kubectl.kubernetes.io/last-applied-configuration": "{}"},
            "labels": {"app": "web"},
            "managedFields": [{
                "manager": "kubectl", "operation": "Update", "time": "2026-01-02T00:00:00Z",
                "fieldsType": "FieldsV1",
                "fieldsV1": {
                    "f:metadata": {"f:annotations": {"f:mycloud.com/enable": {}}},
                    "f:spec": {"f:type": {}},
                },
            }],
        },
        "spec": {
            "type": "LoadBalancer", "loadBalancerClass": "example.com/class",
            "ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": "http", "nodePort": 30080}],
            "loadBalancerSourceRanges": ["192.0.2.0/24"],
            "ipFamilies": ["IPv6", "IPv4"],
            "sessionAffinity": "ClientIP",
            "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 60}},
        },
        "status": {
            "loadBalancer": {"ingress": [{"ip": "192.0.2.1", "ipMode": "VIP"}]},
            "conditions": [{
                "type": "example.com/Checked", "status": "True", "reason": "Checked", "message": "",
                "lastTransitionTime": "2026-01-03T00:00:00Z", "observedGeneration": 1,
            }],
        },
    })
}

fn read(json: Value) -> Service {
    serde_json::from_value(json).expect("anything is read")
}

fn view_of(service: &Service) -> ServiceView {
    view(service, &metadata_keys()).expect("a whole Service")
}

#[test]
fn all_that_is_needed_is_read() {
    let mut service = read(whole());
    service.trim(&metadata_keys());
    let view = view_of(&service);
    assert!(view.deleting && view.finalizer && view.is_load_balancer);
    assert_eq!(view.class.as_deref(), Some("example.com/class"));
    assert_eq!(view.annotations.len(), 1);
    assert_eq!(
        (view.ports[0].port, view.ports[0].node_port),
        (80, Some(30080))
    );
    assert_eq!(view.source_ranges, ["192.0.2.0/24"]);
    assert_eq!(view.client_affinity_seconds, Some(60));
    assert_eq!(view.ip_families.first, IpFamily::V6);
    assert_eq!(view.published.len(), 1);
    assert_eq!(service.resource_version().as_deref(), Some("10"));
    assert_eq!(json!(service.conditions), whole()["status"]["conditions"]);
    let requested_at = managed_fields::requested_at(&service, &metadata_keys());
    assert_eq!(requested_at, "2026-01-02T00:00:00Z".parse().ok());
}

/// With the typed Service of k8s-openapi, each of these hid all Services of the cluster.
#[test]
fn a_value_that_go_admits_and_the_typed_service_does_not_costs_its_field_at_most() {
    let cases = [
        ("/metadata/creationTimestamp", json!(YEAR_10000)),
        ("/metadata/deletionTimestamp", json!(YEAR_10000)),
        ("/metadata/managedFields/0/time", json!(YEAR_10000)),
        ("/status/conditions/0/lastTransitionTime", json!(YEAR_10000)),
        ("/status/conditions/0/lastTransitionTime", Value::Null),
        (
            "/status/conditions/0",
            json!({"type": "example.com/Checked", "status": "True"}),
        ),
    ];
    let as_usual = view_of(&read(whole()));
    for (path, value) in cases {
        let mut json = whole();
        *json.pointer_mut(path).expect("a field") = value.clone();
        let typed = serde_json::from_value::<typed::Service>(json.clone());
        assert!(typed.is_err(), "{path} is {value}: {typed:?}");
        assert_eq!(view_of(&read(json)), as_usual, "{path} is {value}");
    }
}

/// Every value of a JSON, as paths of [`Value::pointer`].
fn paths(json: &Value) -> Vec<String> {
    let children: Vec<(String, &Value)> = match json {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), value))
            .collect(),
        Value::Array(items) => (0..)
            .map(|index: usize| index.to_string())
            .zip(items)
            .collect(),
        _ => Vec::new(),
    };
    let below = children.into_iter().flat_map(|(name, value)| {
        let name = name.replace('/', "~1");
        let below = paths(value).into_iter();
        below.map(move |path| format!("/{name}{path}"))
    });
    std::iter::once(String::new()).chain(below).collect()
}

#[test]
fn no_value_of_any_field_hides_another_service() {
    let odd = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!("text"),
        json!([]),
        json!([null, 7, "text", {}, [7]]),
        json!({}),
        json!({"text": {"text": [7]}}),
    ];
    let other = json!({"metadata": {"name": "other", "namespace": "shop", "uid": "o"}});
    for path in paths(&whole()) {
        for odd in &odd {
            let mut json = whole();
            *json.pointer_mut(&path).expect("a field") = odd.clone();
            let why = format!("{path:?} is {odd}");
            let list = json!({"apiVersion": "v1", "kind": "ServiceList", "metadata": {}, "items": [json, other]});
            let list: ObjectList<Service> = serde_json::from_str(&list.to_string()).expect(&why);
            assert_eq!(list.items[1].name_any(), "other", "{why}");
            let keeps_name = !["", "/metadata", "/metadata/name"].contains(&&*path);
            assert_eq!(
                list.items[0].metadata.name.is_some(),
                keeps_name || *odd == "text" && path == "/metadata/name",
                "{why}"
            );
        }
    }
}

/// Go would read none of these; nothing may follow from them, and least of all the end of a
/// load balancer or a patch that drops what others wrote.
#[test]
fn a_service_is_unreadable_if_a_needed_value_has_another_shape() {
    let odd = [json!(true), json!(-1), json!(1.5), json!([null])];
    let needed = [
        ("/metadata", "metadata"),
        ("/metadata/namespace", "metadata.namespace"),
        ("/metadata/uid", "metadata.uid"),
        ("/metadata/resourceVersion", "metadata.resourceVersion"),
        ("/metadata/deletionTimestamp", "metadata.deletionTimestamp"),
        ("/metadata/finalizers", "metadata.finalizers"),
        ("/metadata/finalizers/0", "metadata.finalizers"),
        ("/metadata/annotations", "metadata.annotations"),
        (
            "/metadata/annotations/mycloud.com~1enable",
            "metadata.annotations",
        ),
        ("/spec", "spec"),
        ("/spec/type", "spec.type"),
        ("/spec/loadBalancerClass", "spec.loadBalancerClass"),
        ("/spec/ports", "spec.ports"),
        ("/spec/ports/0", "spec.ports"),
        ("/spec/ports/0/name", "spec.ports"),
        ("/spec/ports/0/protocol", "spec.ports"),
        ("/spec/ports/0/port", "spec.ports"),
        ("/spec/ports/0/nodePort", "spec.ports"),
        (
            "/spec/loadBalancerSourceRanges",
            "spec.loadBalancerSourceRanges",
        ),
        (
            "/spec/loadBalancerSourceRanges/0",
            "spec.loadBalancerSourceRanges",
        ),
        ("/spec/sessionAffinity", "spec.sessionAffinity"),
        ("/spec/sessionAffinityConfig", "spec.sessionAffinityConfig"),
        (
            "/spec/sessionAffinityConfig/clientIP",
            "spec.sessionAffinityConfig",
        ),
        (
            "/spec/sessionAffinityConfig/clientIP/timeoutSeconds",
            "spec.sessionAffinityConfig",
        ),
        ("/spec/ipFamilies", "spec.ipFamilies"),
        ("/spec/ipFamilies/0", "spec.ipFamilies"),
        ("/status", "status"),
        ("/status/conditions", "status.conditions"),
        ("/status/conditions/0", "status.conditions"),
        ("/status/loadBalancer", "status.loadBalancer"),
        (
            "/status/loadBalancer/ingress",
            "status.loadBalancer.ingress",
        ),
    ];
    assert!(read(whole()).unreadable().is_empty());
    for (path, field) in needed {
        for odd in &odd {
            let mut json = whole();
            *json.pointer_mut(path).expect("a field") = odd.clone();
            let service = read(json);
            let why = format!("{path} is {odd}");
            assert_eq!(service.unreadable(), [field], "{why}");
            assert_eq!(view(&service, &metadata_keys()), None, "{why}");
            assert_eq!(service.can_be_patched(), field.starts_with("spec"), "{why}");
        }
    }
}

/// serde_json builds no value beyond 127 levels, and `managedFields` may have as many as
/// whoever may update the Service wants.
#[test]
fn what_is_nested_deeply_hides_no_service() {
    let nested = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let paths = [
        ("/metadata/managedFields/0/manager", false),
        ("/metadata/managedFields/0/time", false),
        (
            "/metadata/managedFields/0/fieldsV1/f:metadata/f:annotations/f:mycloud.com~1enable",
            false,
        ),
        ("/metadata/annotations/mycloud.com~1enable", true),
        ("/metadata/finalizers/0", true),
        ("/spec/type", true),
        ("/spec/ports/0/port", true),
    ];
    for (path, is_needed) in paths {
        let mut json = whole();
        *json.pointer_mut(path).expect(path) = "nested".into();
        let json = json.to_string().replace("\"nested\"", &nested);
        let service: Service = serde_json::from_str(&json).expect("anything is read");
        assert_eq!(!service.unreadable().is_empty(), is_needed, "{path}");
    }
}

#[test]
fn it_is_read_from_a_watch_whatever_the_order_of_the_fields() {
    let service = whole();
    let events = [
        format!(r#"{{"type": "MODIFIED", "object": {service}}}"#),
        format!(r#"{{"object": {service}, "type": "MODIFIED"}}"#),
    ];
    for event in events {
        let event: WatchEvent<Service> = serde_json::from_str(&event).expect("an event");
        let WatchEvent::Modified(service) = event else {
            panic!("{event:?}");
        };
        assert_eq!(view_of(&service), view_of(&read(whole())));
    }
}

#[test]
fn a_service_whose_time_of_deletion_is_unreadable_is_being_deleted_all_the_same() {
    for time in [json!(YEAR_10000), json!("soon"), json!(7)] {
        let service = read(json!({"metadata": {"deletionTimestamp": time}}));
        assert!(service.metadata.deletion_timestamp.is_some(), "{time}");
    }
    let service = read(json!({"metadata": {"deletionTimestamp": null}}));
    assert_eq!(service.metadata.deletion_timestamp, None);
}
