//! A Service of any size that the API server takes costs little memory, and says what is
//! wrong with it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Service;
use crate::kubernetes::MetadataKeys;
use crate::kubernetes::service::view;
use crate::plan::desired::{Desired, desired};
use crate::plan::naming::ClusterId;
use crate::plan::problem::describe_problems;

/// More than any Service of ours occupies in the store.
const MOST: usize = 128 << 10;

fn keys() -> MetadataKeys {
    MetadataKeys::new("mycloud.com")
}

fn service(annotations: Value, spec: Value) -> Service {
    let mut all = json!({"mycloud.com/enable": "true", "mycloud.com/provider": "cloud1"});
    all.as_object_mut()
        .expect("an object")
        .extend(annotations.as_object().expect("an object").clone());
    let mut whole = json!({"type": "LoadBalancer", "ports": [{"port": 80, "nodePort": 30080}]});
    whole
        .as_object_mut()
        .expect("an object")
        .extend(spec.as_object().expect("an object").clone());
    let metadata = json!({"namespace": "default", "name": "web", "uid": "u",
        "finalizers": ["mycloud.com/load-balancer"], "annotations": all});
    serde_json::from_value(json!({"metadata": metadata, "spec": whole})).expect("a Service")
}

/// The bytes of the texts and lists that a store keeps of it.
fn kept(service: &Service) -> usize {
    let annotations = service.annotations();
    let annotations: usize = annotations
        .map(|(name, value)| name.len() + value.len() + 2 * size_of::<Box<str>>())
        .sum();
    let ranges = service.spec.source_ranges.iter();
    let ranges: usize = ranges.map(|range| range.len() + size_of::<String>()).sum();
    let finalizers = service.metadata.finalizers.iter().flatten();
    let finalizers: usize = finalizers
        .map(|name| name.len() + size_of::<String>())
        .sum();
    let ports = service.spec.ports.iter();
    let ports: usize = ports
        .map(|port| 128 + port.app_protocol.as_ref().map_or(0, String::len))
        .sum();
    let ip = service.spec.requested_ip.as_ref().map_or(0, String::len);
    annotations + ranges + finalizers + ports + ip
}

/// The message of the condition, if the Service is invalid.
fn problems(service: &Service) -> Option<String> {
    let view = view(service, &keys()).expect("readable");
    match desired(&view, &ClusterId::new("cluster"), &BTreeMap::new()) {
        Desired::Invalid(invalid) => Some(describe_problems(&invalid.problems, "mycloud.com")),
        _ => None,
    }
}

fn ports(count: u16) -> Value {
    let port = |index: u16| json!({"name": format!("p{index}"), "port": index, "nodePort": 30_000 + index});
    json!({"ports": (1..=count).map(port).collect::<Vec<_>>()})
}

fn ranges(count: usize) -> Value {
    json!({"loadBalancerSourceRanges": vec!["192.0.2.0/24"; count]})
}

#[test]
fn what_is_too_large_is_named_with_its_rule_and_costs_little() {
    let many: BTreeMap<String, String> = (0..5_000)
        .map(|index| (format!("mycloud.com/unknown-{index}"), "x".repeat(30)))
        .collect();
    let padded = format!("192.0.2.0/24{}", " ".repeat(1_000_000));
    let cases = [
        (
            json!({}),
            ranges(100_000),
            "spec.loadBalancerSourceRanges is",
        ),
        (
            json!({}),
            json!({"loadBalancerSourceRanges": [padded]}),
            "spec.loadBalancerSourceRanges is",
        ),
        (json!({}), ports(10_000), "spec.ports is"),
        (
            json!({}),
            json!({"loadBalancerIP": format!("192.0.2.7{}", " ".repeat(1_000_000))}),
            "spec.loadBalancerIP is",
        ),
        (json!(many), json!({}), "metadata.annotations is"),
        (
            json!({"mycloud.com/lb-spec": "x".repeat(250_000)}),
            json!({}),
            "metadata.annotations is",
        ),
        (
            json!({"mycloud.com/lb-id": "é".repeat(120_000)}),
            json!({}),
            "metadata.annotations is",
        ),
    ];
    for (annotations, spec, expected) in cases {
        let mut service = service(annotations, spec);
        let before = view(&service, &keys());
        service.trim(&keys());
        let bytes = kept(&service);
        assert!(bytes < MOST, "{expected}: {bytes} bytes");
        assert_eq!(view(&service, &keys()), before, "{expected}: as before");
        let message = problems(&service).expect("invalid");
        assert!(message.starts_with(expected), "{message}");
        assert!(message.contains("at most"), "{message}");
    }
}

#[test]
fn a_service_at_its_bounds_is_read_in_full() {
    let overrides: BTreeMap<String, String> = (1..=200)
        .map(|port| {
            (
                format!("mycloud.com/health-check-path.p{port}"),
                "/".repeat(60),
            )
        })
        .collect();
    let mut service = service(json!(overrides), ports(200));
    service.trim(&keys());
    let view = view(&service, &keys()).expect("readable");
    assert_eq!((view.ports.len(), view.annotations.len()), (200, 202));
    let message = problems(&service).expect("no cloud is configured");
    assert!(!message.contains("at most"), "{message}");
}

#[test]
fn a_service_of_another_type_keeps_no_ports_and_ranges() {
    let mut spec = ports(10_000);
    spec["type"] = json!("ClusterIP");
    spec["loadBalancerSourceRanges"] = ranges(100_000)["loadBalancerSourceRanges"].clone();
    let mut service = service(json!({}), spec);
    service.trim(&keys());
    assert!(kept(&service) < 1_000, "{} bytes", kept(&service));
}

#[test]
fn too_many_finalizers_make_a_service_unreadable() {
    let finalizers: Vec<String> = (0..20_000).map(|index| format!("x/{index}")).collect();
    let service: Service = serde_json::from_value(json!({"metadata": {
        "namespace": "default", "name": "web", "uid": "u", "finalizers": finalizers}}))
    .expect("a Service");
    assert_eq!(service.unreadable(), ["metadata.finalizers"]);
    assert!(!service.can_be_patched(), "a patch replaces the whole list");
    assert!(kept(&service) < MOST, "{} bytes", kept(&service));
}
