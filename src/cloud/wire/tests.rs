//! Whatever a cloud answers, what is read from it keeps the rules.

use std::sync::Arc;

use proptest::collection::{hash_map, vec};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::listener::{ListenerBody, Listeners};
use super::*;
use crate::cloud::address_policy::AddressPolicy;
use crate::cloud::{Profile, Which, bounds};
use crate::plan::capabilities::Feature;
use crate::plan::load_balancer::{LoadBalancer, Protocol, State};
use crate::plan::naming::{
    ClusterId, LoadBalancerId, LoadBalancerName, Owner, ServiceUid, is_dns_label, is_plain,
};
use crate::plan::orphan::service_owner;

const FIELDS: [&str; 22] = [
    "lbId",
    "name",
    "nodes",
    "port",
    "nodePort",
    "spec",
    "bandwidth",
    "ip",
    "listeners",
    "algorithm",
    "sessionAffinity",
    "sourceRanges",
    "internal",
    "idleTimeoutSeconds",
    "tags",
    "addressFamilies",
    "owner",
    "formerOwner",
    "ips",
    "hostname",
    "state",
    "message",
];

/// Texts that some field knows, and any other.
fn text() -> impl Strategy<Value = String> {
    let known = [
        "lb-1",
        "web",
        "TCP",
        "HTTP",
        "127.0.0.1",
        "192.0.2.1",
        "::1",
        "::ffff:10.0.0.1",
        "0.0.0.0",
        "10.0.0.0/8",
        "active",
        "error",
        "5M",
        "1000M",
        "LB.example.com.",
        "x,y",
        "a\nb",
        "../..",
        "round-robin",
        "IPv4",
        "IPv6",
        "weighted",
        "",
    ];
    prop_oneof![
        4 => prop::sample::select(known.to_vec()).prop_map(str::to_owned),
        1 => ".{0,40}",
        1 => Just("y".repeat(300)),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        text().prop_map(Value::from),
    ];
    let keys = prop::sample::select(vec![
        "name",
        "protocol",
        "port",
        "nodePort",
        "type",
        "timeoutSeconds",
        "cluster",
        "namespace",
        "uid",
    ]);
    leaf.prop_recursive(3, 40, 20, move |inner| {
        let object = hash_map(keys.clone(), inner.clone(), 0..5);
        let object = object.prop_map(|fields| {
            let fields = fields.into_iter();
            let fields = fields.map(|(name, value)| (name.to_owned(), value));
            Value::Object(fields.collect::<Map<_, _>>())
        });
        prop_oneof![vec(inner, 0..20).prop_map(Value::Array), object]
    })
}

fn body() -> impl Strategy<Value = Value> {
    let fields = hash_map(prop::sample::select(&FIELDS[..]), value(), 0..FIELDS.len());
    (fields, any::<bool>()).prop_map(|(fields, is_named)| {
        let mut body = json!({"err": ""});
        for (name, value) in fields {
            body[name] = value;
        }
        if is_named {
            body["lbId"] = json!("lb-1");
            body["name"] = json!("web");
        }
        body
    })
}

fn check(found: &LoadBalancer) {
    let (id, name) = (found.id.as_str(), found.name.as_str());
    assert!(
        is_plain(id) && !id.contains(',') && is_plain(name),
        "{found:?}"
    );
    assert!(found.addresses.ips.len() <= bounds::ADDRESSES);
    assert!(
        found
            .addresses
            .ips
            .iter()
            .all(|ip| !ip.is_loopback() && !ip.is_unspecified())
    );
    let hostname = found.addresses.hostnames.iter();
    assert!(
        hostname
            .clone()
            .all(|name| name.len() <= 253 && is_plain(name))
    );
    if let Some(owner) = &found.owner {
        let namespace = owner.namespace.as_str();
        assert!(namespace.is_empty() || is_dns_label(namespace), "{owner:?}");
    }
    if let State::Error(message) = &found.state {
        check_text(message);
    }
    found
        .addresses
        .refused
        .iter()
        .for_each(|text| check_text(text));
}

fn check_text(text: &str) {
    assert!(
        text.len() < 3000 && !text.contains(char::is_control),
        "{text}"
    );
}

proptest! {
    #[test]
    fn any_answer_is_read_by_the_rules(body in body(), is_basic: bool) {
        let text = body.to_string();
        let policy = AddressPolicy::default();
        let profile = if is_basic { Profile::Basic } else { Profile::Standard };
        let reading = Reading { profile, addresses: &policy, features: Arc::default() };
        let read = || serde_json::from_str::<LoadBalancerBody<'_>>(&text).expect("an object");
        let (id, name) = (LoadBalancerId::new("lb-1"), LoadBalancerName::new("web"));
        let before = LoadBalancer::plain("lb-1", name.clone(), None);
        let request = crate::plan::CreateRequest {
            name: name.clone(),
            owner: crate::plan::naming::Owner {
                cluster: crate::plan::naming::ClusterId::new("cluster"),
                namespace: "default".into(),
                name: "web".into(),
                uid: crate::plan::naming::ServiceUid::new("uid"),
            },
            spec: before.spec.clone(),
        };
        let results = [
            read().listed(&reading),
            read().found(&reading, Which::Id(&id)),
            read().found(&reading, Which::Name(&name)),
            read().created(&reading, &request),
            read().updated(&reading, &before, &request),
        ];
        for result in results {
            match result {
                Ok(found) => check(&found),
                Err(message) => check_text(&message),
            }
        }
    }

    #[test]
    fn any_page_is_read_to_its_end_or_refused(bytes: Vec<u8>, items in vec(value(), 0..10)) {
        let _ = read_page(&bytes, |_| Ok(()));
        let page = json!({"err": "", "items": items, "nextPageToken": null}).to_string();
        let mut count = 0;
        let read = read_page(page.as_bytes(), |_| {
            count += 1;
            Ok(())
        });
        prop_assert_eq!(read.expect("a page"), None);
        prop_assert_eq!(count, items.len());
        let cut = &page.as_bytes()[..page.len() / 2];
        prop_assert!(read_page(cut, |_| Ok(())).is_err());
    }
}

#[test]
fn whose_owner_was_taken_off_is_nobodys() {
    let owner = Owner {
        cluster: ClusterId::new("c1"),
        namespace: "shop".into(),
        name: "web".into(),
        uid: ServiceUid::new("u1"),
    };
    let name = owner.load_balancer_name();
    let reading = Reading {
        profile: Profile::Standard,
        addresses: &AddressPolicy::default(),
        features: Arc::default(),
    };
    let shown = |fields: Value| {
        let mut body = json!({"lbId": "lb-1", "name": name});
        let fields = fields.as_object().cloned().unwrap_or_default();
        body.as_object_mut().expect("an object").extend(fields);
        let text = body.to_string();
        let Object(body) =
            serde_json::from_str::<Object<LoadBalancerBody<'_>>>(&text).expect("an object");
        body.listed(&reading)
    };
    let ours = json!({"cluster": "c1", "namespace": "shop", "name": "web", "uid": "u1"});
    let cases = [
        (json!({"owner": ours}), true, "its owner"),
        (json!({}), true, "a cloud without owners: its name"),
        (json!({"formerOwner": ours}), false, "its former owner"),
        (
            json!({"owner": ours, "formerOwner": ours}),
            true,
            "an owner that came back",
        ),
        (
            json!({"owner": null, "formerOwner": ours}),
            false,
            "no owner, and a former one",
        ),
    ];
    for (fields, expected, reason) in cases {
        let found = shown(fields).expect("a load balancer");
        assert_eq!(found.belongs_to(&owner), expected, "{reason}");
        let proven = service_owner(&found, &owner.cluster);
        assert!(proven.is_none() || expected, "{reason}: for the sweep");
    }
    assert!(shown(json!({"formerOwner": "web"})).is_err());
}

/// A field that is not known costs others something only where an update would send their
/// listeners.
#[test]
fn fields_of_listeners_are_looked_at_where_others_have_any() {
    let policy = AddressPolicy::default();
    let reading = Reading {
        profile: Profile::Standard,
        addresses: &policy,
        features: Arc::default(),
    };
    let owner = |uid: &str| json!({"cluster": "c1", "uid": uid});
    let cases = [
        (json!({}), true, "nobody's"),
        (json!({"formerOwner": owner("u1")}), true, "a retained one"),
        (json!({"owner": owner("existing-u1")}), true, "attached"),
        (json!({"owner": owner("u1")}), false, "ours"),
    ];
    for (mut body, expected, reason) in cases {
        body["lbId"] = json!("lb-1");
        body["name"] = json!("web");
        body["listeners"] = json!([
            {"port": 80, "nodePort": 30080}, {"port": 443, "nodePort": 30443, "tls": {}}]);
        let text = body.to_string();
        let read = serde_json::from_str::<LoadBalancerBody<'_>>(&text).expect("an object");
        let id = LoadBalancerId::new("lb-1");
        let found = read.found(&reading, Which::Id(&id)).expect("one");
        let opaque = expected.then_some((Protocol::Tcp, 443));
        assert_eq!(found.opaque_listener, opaque, "{reason}");
        assert!(found.is_understood, "{reason}");
    }
}

/// What others have not set is not set for them.
#[test]
fn a_health_check_of_others_is_sent_as_it_was_shown() {
    for check in [
        json!({"protocol": "HTTP", "port": 1, "path": "/ready"}),
        json!({"protocol": "TCP", "port": 1, "intervalSeconds": 7}),
    ] {
        let shown = json!({"name": "", "protocol": "TCP", "port": 80, "nodePort": 1,
            "healthCheck": check});
        let list = serde_json::value::to_raw_value(&json!([shown])).expect("JSON");
        let Shown::Value(read) = Listeners::read(Some(&list), &Feature::ALL.into()) else {
            panic!("{list} is a list");
        };
        let sent = serde_json::to_value(ListenerBody::from(&read.listeners[0]));
        assert_eq!(sent.expect("JSON"), shown);
    }
}

/// An answer about the load balancer of a Service.
fn answer(fields: Value) -> String {
    let mut body = json!({
        "err": "", "lbId": "lb-1", "name": named().as_str(), "nodes": ["10.0.0.1"],
        "port": 80, "nodePort": 30080, "spec": "standard", "bandwidth": "5M", "ip": "192.0.2.1",
    });
    let fields = fields.as_object().cloned().unwrap_or_default();
    body.as_object_mut().expect("an object").extend(fields);
    body.to_string()
}

fn named() -> LoadBalancerName {
    LoadBalancerName::new("shop-web-0a1b2c3d4e5f6071")
}

#[test]
fn a_state_is_read_in_any_case() {
    let policy = AddressPolicy::default();
    let reading = Reading {
        profile: Profile::Standard,
        addresses: &policy,
        features: Arc::default(),
    };
    let cases = [
        ("active", State::Active),
        ("ACTIVE", State::Active),
        ("", State::Active),
        ("Deleting", State::Deleting),
        ("Provisioning", State::Provisioning),
        ("resizing", State::Provisioning),
        ("ERROR", State::Error("full".into())),
    ];
    for (state, expected) in cases {
        let text = answer(json!({"state": state, "message": "full"}));
        let body = serde_json::from_str::<LoadBalancerBody<'_>>(&text).expect("an object");
        let found = body.listed(&reading).expect("a load balancer");
        assert_eq!(found.state, expected, "{state}");
    }
}

#[test]
fn a_name_in_capitals_is_that_of_the_load_balancer_that_was_asked_for() {
    let policy = AddressPolicy::default();
    for profile in [Profile::Standard, Profile::Basic] {
        let reading = Reading {
            profile,
            addresses: &policy,
            features: Arc::default(),
        };
        let text = answer(json!({"name": "SHOP-WEB-0A1B2C3D4E5F6071"}));
        let read = || serde_json::from_str::<LoadBalancerBody<'_>>(&text).expect("an object");
        let before = LoadBalancer::plain("lb-1", named(), None);
        let request = crate::plan::CreateRequest {
            name: named(),
            owner: Owner {
                cluster: ClusterId::new("cluster"),
                namespace: "shop".into(),
                name: "web".into(),
                uid: ServiceUid::new("uid"),
            },
            spec: before.spec.clone(),
        };
        let results = [
            ("query", read().found(&reading, Which::Name(&named()))),
            ("create", read().created(&reading, &request)),
            ("update", read().updated(&reading, &before, &request)),
        ];
        for (call, found) in results {
            assert_eq!(found.map(|found| found.name), Ok(named()), "{call}");
        }
        let other = LoadBalancerName::new("shop-web-0a1b2c3d4e5f6072");
        assert!(read().found(&reading, Which::Name(&other)).is_err());
    }
}

#[test]
fn a_listener_that_is_not_known_costs_no_other() {
    let policy = AddressPolicy::default();
    let reading = Reading {
        profile: Profile::Standard,
        addresses: &policy,
        features: Arc::default(),
    };
    let known = json!({"port": 443, "nodePort": 30443, "proxyProtocol": "V2"});
    let unknown = json!({"port": 80, "nodePort": 30080, "protocol": "QUIC"});
    for (listeners, is_understood) in [(json!([known]), true), (json!([unknown, known]), false)] {
        let text = answer(json!({"listeners": listeners}));
        let body = serde_json::from_str::<LoadBalancerBody<'_>>(&text).expect("an object");
        let found = body.listed(&reading).expect("a load balancer");
        assert_eq!(found.is_understood, is_understood, "{listeners}");
        let ports = found.spec.listeners.iter().map(|listener| listener.port);
        assert_eq!(ports.collect::<Vec<_>>(), [443], "{listeners}");
    }
}
