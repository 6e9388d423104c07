//! A cloud may answer what is valid and too large to keep.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::cloud::address_policy::AddressPolicy;
use crate::cloud::{Profile, Which};
use crate::plan::CreateRequest;
use crate::plan::load_balancer::LoadBalancer;
use crate::plan::naming::{ClusterId, LoadBalancerId, LoadBalancerName, Owner, ServiceUid};

/// Reads an answer to each call; the names of the calls whose answer is kept.
fn kept(field: &str, value: &Value) -> Vec<&'static str> {
    let name = LoadBalancerName::new("web");
    let before = LoadBalancer::plain("lb-1", name.clone(), None);
    let owner = Owner {
        cluster: ClusterId::new("cluster"),
        namespace: "default".into(),
        name: "web".into(),
        uid: ServiceUid::new("uid"),
    };
    let spec = before.spec.clone();
    let request = CreateRequest { name, owner, spec };
    let mut answer = json!({"lbId": "lb-1", "name": "web"});
    answer[field] = value.clone();
    let text = answer.to_string();
    let policy = AddressPolicy::default();
    let reading = Reading {
        profile: Profile::Standard,
        addresses: &policy,
        features: Arc::default(),
    };
    let read = || serde_json::from_str::<LoadBalancerBody<'_>>(&text).expect("an object");
    let id = LoadBalancerId::new("lb-1");
    let results = [
        ("list", read().listed(&reading)),
        ("query", read().found(&reading, Which::Id(&id))),
        ("create", read().created(&reading, &request)),
        ("update", read().updated(&reading, &before, &request)),
    ];
    let mut kept = Vec::new();
    for (call, result) in results {
        match result {
            Ok(_) => kept.push(call),
            Err(message) => assert!(message.contains("more than"), "{call}: {message}"),
        }
    }
    kept
}

/// Listeners with health checks whose path has this many characters.
fn listeners(count: u16, path: usize) -> Value {
    let path = format!("/{}", "x".repeat(path));
    let listener = |number: u16| {
        json!({"name": format!("{number:063}"), "protocol": "TCP", "port": number, "nodePort": number,
            "healthCheck": {"protocol": "HTTP", "port": number, "path": path}})
    };
    (1..=count).map(listener).collect()
}

#[test]
fn a_large_answer_to_any_call_is_not_kept() {
    let addresses = |count: u32| -> Value {
        let all = (0..count).map(|number| json!(std::net::Ipv4Addr::from(number)));
        all.collect()
    };
    let cases = [
        ("spec", json!("x".repeat(900_000))),
        ("bandwidth", json!("x".repeat(900_000))),
        ("listeners", listeners(1, 900_000)),
        ("listeners", listeners(5_000, 0)),
        (
            "sourceRanges",
            (0..100_000).map(|range| json!(range.to_string())).collect(),
        ),
        ("nodes", addresses(60_000)),
    ];
    for (field, value) in cases {
        let kept = kept(field, &value);
        assert!(kept.is_empty(), "{field}: {kept:?}");
    }
}

#[test]
fn the_largest_load_balancer_that_a_service_may_ask_for_is_kept() {
    let ranges: Vec<String> = (0..500)
        .map(|number| format!("2001:db8:1111:2222:3333:4444:5555:{number:x}/128"))
        .collect();
    for (field, value) in [
        ("listeners", listeners(256, 254)),
        ("sourceRanges", json!(ranges)),
    ] {
        assert_eq!(kept(field, &value).len(), 4, "{field}");
    }
}
