//! The admin API, and its twin in the process.

use serde_json::{Value, json};
use testbed::cloud::{Event, LoadBalancer, Plant, State, Verb};

use super::{Cloud, wanted};

impl Cloud {
    fn admin(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(
            method,
            format!("{}/admin/{path}", self.simulator.endpoint()),
        )
    }
}

async fn body(request: reqwest::RequestBuilder) -> Value {
    let response = request.send().await.expect("an answer");
    let status = response.status();
    let text = response.text().await.expect("a body");
    assert!(status.is_success(), "{status}: {text}");
    serde_json::from_str(&text).unwrap_or_default()
}

#[tokio::test]
async fn what_is_planted_edited_and_removed_shows_in_the_api() {
    let cloud = Cloud::quiet().await;
    let planted = json!({
        "lbId": "legacy/1",
        "name": "legacy",
        "listeners": [{ "port": 443, "nodePort": 30_443 }],
        "createdAt": "2020-01-01T00:00:00Z",
    });
    let planted = body(
        cloud
            .admin(reqwest::Method::POST, "load-balancers")
            .json(&planted),
    )
    .await;
    let planted: LoadBalancer = serde_json::from_value(planted).expect("a load balancer");
    assert_eq!((planted.owner, planted.state), (None, State::Active));
    let shown = cloud
        .call(Verb::Query, &json!({ "name": "legacy" }))
        .await
        .json();
    assert_eq!(
        (&shown["port"], &shown["createdAt"]),
        (&json!(443), &json!("2020-01-01T00:00:00Z"))
    );

    let patch = json!({ "state": "error", "message": "out of order", "owner": { "cluster": "c1", "uid": "u1" } });
    let path = "load-balancers/legacy%2F1";
    body(cloud.admin(reqwest::Method::PATCH, path).json(&patch)).await;
    let shown = cloud
        .call(Verb::Query, &json!({ "lbId": "legacy/1" }))
        .await
        .json();
    assert_eq!(
        (&shown["state"], &shown["message"]),
        (&json!("error"), &json!("out of order"))
    );
    assert_eq!(
        (&shown["owner"]["uid"], &shown["port"]),
        (&json!("u1"), &json!(443))
    );

    body(cloud.admin(reqwest::Method::DELETE, path)).await;
    assert_eq!(
        cloud
            .call(Verb::Query, &json!({ "name": "legacy" }))
            .await
            .status,
        404
    );
    assert_eq!(
        cloud.simulator.mutations(),
        [],
        "nothing of this is a call of the API"
    );
}

#[tokio::test]
async fn a_name_can_be_planted_twice() {
    let cloud = Cloud::quiet().await;
    let oldest = cloud.create(&wanted("web", "u1")).await;
    let twin = Plant {
        name: "web".into(),
        ..Plant::default()
    };
    let twin = cloud.simulator.plant(twin).await.expect("a twin");
    assert_eq!(
        cloud
            .call(Verb::Query, &json!({ "name": "web" }))
            .await
            .text("lbId"),
        oldest
    );
    cloud.simulator.remove(&oldest).await.expect("it was there");
    assert_eq!(
        cloud
            .call(Verb::Query, &json!({ "name": "web" }))
            .await
            .text("lbId"),
        twin.id
    );
    let edited = cloud
        .simulator
        .edit(&twin.id, |twin| twin.state = State::Provisioning)
        .await;
    assert_eq!(edited.expect("it is there").ip, None);
}

#[tokio::test]
async fn faults_and_events_go_over_http() {
    let cloud = Cloud::quiet().await;
    let faults = json!([
        { "verb": "create", "count": 1, "kind": "failBefore", "code": "Unavailable", "retryAfterSeconds": 3 },
        { "kind": "latency", "millis": 1 },
        { "verb": "list", "kind": "executeLate", "delayMillis": 5, "reply": { "fail": { "status": 504 } } },
    ]);
    let set = body(cloud.admin(reqwest::Method::PUT, "faults").json(&faults)).await;
    assert_eq!(set.as_array().map(Vec::len), Some(3));
    let answer = cloud.call(Verb::Create, &wanted("web", "u1")).await;
    assert_eq!(
        (answer.status, answer.retry_after.as_deref()),
        (503, Some("3"))
    );
    let left = body(cloud.admin(reqwest::Method::GET, "faults")).await;
    assert_eq!(
        left.as_array().map(Vec::len),
        Some(2),
        "the first was used up"
    );

    let one = json!({ "kind": "stale" });
    let set = body(cloud.admin(reqwest::Method::PUT, "faults").json(&one)).await;
    assert_eq!(set.as_array().map(Vec::len), Some(1), "put replaces");
    body(cloud.admin(reqwest::Method::DELETE, "faults")).await;
    assert_eq!(cloud.simulator.faults(), []);

    let unknown = cloud
        .admin(reqwest::Method::PUT, "faults")
        .json(&json!({ "kind": "fire" }));
    assert_eq!(unknown.send().await.expect("an answer").status(), 400);

    cloud.create(&wanted("web", "u1")).await;
    let events = body(cloud.admin(reqwest::Method::GET, "events?after=1")).await;
    let events: Vec<Event> = serde_json::from_value(events).expect("events");
    assert_eq!(events, cloud.simulator.events_after(1));
    let inventory = body(cloud.admin(reqwest::Method::GET, "inventory")).await;
    let inventory: Vec<LoadBalancer> = serde_json::from_value(inventory).expect("an inventory");
    assert_eq!(inventory, cloud.simulator.inventory());
}
