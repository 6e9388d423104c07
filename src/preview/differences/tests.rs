use serde_json::json;

use super::*;
use crate::preview::scene::load_balancer;

/// The differences that an update to `change` of the load balancer would remove.
fn after(change: impl FnOnce(&mut Value)) -> Vec<Difference> {
    let found = load_balancer().spec;
    let mut wanted = serde_json::to_value(&found).expect("JSON");
    change(&mut wanted);
    differences(&found, &serde_json::from_value(wanted).expect("a spec"))
}

fn value(field: &str, from: Value, to: Value) -> Difference {
    let field = field.to_owned();
    let change = Change::Value { from, to };
    Difference { field, change }
}

fn members(field: &str, added: Value, removed: Value) -> Difference {
    let list = |value: Value| value.as_array().cloned().unwrap_or_default();
    Difference {
        field: field.to_owned(),
        change: Change::Members {
            added: list(added),
            removed: list(removed),
        },
    }
}

#[test]
fn each_field_that_differs_is_named_with_both_values() {
    assert_eq!(after(|_| {}), [], "nothing differs");
    let cases = [
        (
            after(|spec| spec["bandwidth"] = json!("20M")),
            vec![value("bandwidth", json!("5M"), json!("20M"))],
            "a scalar",
        ),
        (
            after(|spec| spec["client_affinity_seconds"] = json!(600)),
            vec![value("clientAffinitySeconds", Value::Null, json!(600))],
            "one that is not set; the names are those of the API",
        ),
        (
            after(|spec| spec["nodes"] = json!(["10.0.0.2", "10.0.0.3"])),
            vec![members(
                "nodes",
                json!(["10.0.0.2", "10.0.0.3"]),
                json!(["10.0.0.1"]),
            )],
            "back ends come and go",
        ),
        (
            after(|spec| spec["listeners"][0]["node_port"] = json!(30081)),
            vec![value(
                "listeners[80/TCP].nodePort",
                json!(30080),
                json!(30081),
            )],
            "a field of a listener, which the port identifies",
        ),
        (
            after(|spec| spec["listeners"][0]["node_port"] = json!(0)),
            vec![value(
                "listeners[80/TCP].nodePort",
                json!(30080),
                Value::Null,
            )],
            "a node port that is not allocated yet",
        ),
        (
            after(|spec| {
                spec["bandwidth"] = json!("20M");
                spec["spec"] = json!("large");
            }),
            vec![
                value("bandwidth", json!("5M"), json!("20M")),
                value("spec", json!("standard"), json!("large")),
            ],
            "all of them, in the order of their names",
        ),
    ];
    for (found, expected, reason) in cases {
        assert_eq!(found, expected, "{reason}");
    }
}

#[test]
fn a_listener_is_added_or_removed_as_a_whole() {
    let found = after(|spec| {
        spec["listeners"] = json!([
            {"name": "", "protocol": "TCP", "port": 443, "node_port": 30443},
            {"name": "", "protocol": "UDP", "port": 80, "node_port": 30081},
        ]);
    });
    let https = json!({"name": "", "protocol": "TCP", "port": 443, "nodePort": 30443});
    let udp = json!({"name": "", "protocol": "UDP", "port": 80, "nodePort": 30081});
    let http = json!({"name": "", "protocol": "TCP", "port": 80, "nodePort": 30080});
    assert_eq!(
        found,
        [members("listeners", json!([https, udp]), json!([http]))]
    );
}

/// What `is_met_by` ignores is no difference, or a plan would name what no update removes.
#[test]
fn what_the_plan_does_not_compare_is_no_difference() {
    let mut found = load_balancer().spec;
    let mut wanted = found.clone();
    wanted.listeners[0].name = "http".into();
    assert_eq!(differences(&found, &wanted), [], "the cloud shows no names");
    let mut second = found.listeners[0].clone();
    second.port = 443;
    found.listeners.push(second.clone());
    wanted.listeners[0].name.clear();
    wanted.listeners.insert(0, second);
    assert_eq!(differences(&found, &wanted), [], "the order of listeners");
    assert!(wanted.is_met_by(&found));
}

#[test]
fn of_equal_members_the_number_counts() {
    let mut found = Vec::new();
    compare("list", &json!([1, 1, 2]), &json!([1, 2, 2]), &mut found);
    assert_eq!(found, [members("list", json!([2]), json!([1]))]);
}

#[test]
fn a_field_that_this_code_does_not_know_is_compared_too() {
    let mut found = Vec::new();
    let (from, to) = (
        json!({"new": {"deep": [1, 2]}, "gone": true}),
        json!({"new": {"deep": [2, 3]}}),
    );
    compare("", &from, &to, &mut found);
    let expected = [
        value("gone", json!(true), Value::Null),
        members("new.deep", json!([3]), json!([1])),
    ];
    assert_eq!(found, expected);
}
