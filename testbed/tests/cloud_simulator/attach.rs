//! A caller puts its owner and its listeners on a load balancer that others made.

use serde_json::{Value, json};
use testbed::cloud::{Capabilities, Plant, Settings, Verb};

use super::Cloud;

#[tokio::test]
async fn only_back_ends_listeners_and_a_missing_owner_change() {
    let cloud = Cloud::quiet().await;
    let settings = Settings {
        spec: "large".into(),
        internal: true,
        idle_timeout_seconds: Some(7),
        ..Settings::default()
    };
    let plant = Plant {
        id: Some("lb-9".into()),
        name: "by-hand".into(),
        settings,
        ..Plant::default()
    };
    cloud.simulator.plant(plant).await.expect("planted");
    let attach = |edit: fn(&mut Value)| {
        let mut body = json!({
            "lbId": "lb-9", "name": "by-hand", "attach": true, "nodes": ["127.0.0.1"],
            "listeners": [{"name": "ours", "port": 81, "nodePort": 30081}],
            "owner": {"cluster": "c1", "uid": "u1"},
        });
        edit(&mut body);
        body
    };
    let absent = cloud.call(Verb::Update, &attach(|_| {})).await;
    assert_eq!(
        absent.text("code"),
        "InvalidArgument",
        "a cloud that cannot"
    );

    cloud.simulator.set_capabilities(Some(Capabilities::all()));
    type Edit = fn(&mut Value);
    let cases: [(Edit, &str); 6] = [
        (|body| body["owner"] = Value::Null, "InvalidArgument"),
        (|body| body["name"] = json!("other"), "InvalidArgument"),
        (|body| body["attach"] = json!(false), "Conflict"),
        (|_| {}, ""),
        (|_| {}, ""),
        (|body| body["owner"]["uid"] = json!("u2"), "Conflict"),
    ];
    for (edit, code) in cases {
        let body = attach(edit);
        let answer = cloud.call(Verb::Update, &body).await;
        assert_eq!(answer.text("code"), code, "{body}: {}", answer.text);
    }
    let found = cloud.call(Verb::Query, &json!({"lbId": "lb-9"})).await;
    let found = found.json();
    assert_eq!(found["owner"]["uid"], "u1", "{found}");
    assert_eq!(found["spec"], "large", "{found}");
    assert_eq!(found["internal"], true, "{found}");
    assert_eq!(found["idleTimeoutSeconds"], 7, "{found}");
    assert_eq!(found["listeners"][0]["name"], "ours", "{found}");
    let other = json!({"lbId": "lb-9", "owner": {"cluster": "c1", "uid": "u2"}});
    let refused = cloud.call(Verb::Release, &other).await;
    assert_eq!(refused.text("code"), "Conflict", "{}", refused.text);
}
