//! The tags of the caller, and those of others.

use std::collections::BTreeMap;

use serde_json::json;
use testbed::cloud::{Capabilities, Verb};

use super::{Cloud, wanted, with};

#[tokio::test]
async fn a_tag_of_others_stays_until_a_request_names_it() {
    let cloud = Cloud::quiet().await;
    cloud.simulator.set_capabilities(Some(Capabilities::all()));
    let body = with(wanted("web", "u1"), json!({ "tags": { "team": "web" } }));
    let id = cloud.create(&body).await;
    let edited = cloud.simulator.edit(&id, |found| {
        found.other_tags = [("owner", "finance"), ("audit", "yes")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
    });
    edited.await.expect("edited");
    let cases = [
        (json!({ "team": "web" }), &["audit", "owner"][..]),
        (json!({}), &["audit", "owner"]),
        (json!({ "owner": "shop" }), &["audit"]),
        (json!({}), &["audit"]),
    ];
    for (tags, others) in cases {
        let body = with(body.clone(), json!({ "lbId": id, "tags": tags }));
        let answer = cloud.call(Verb::Update, &body).await;
        assert_eq!(answer.text("err"), "", "{tags}: {}", answer.text);
        let shown = cloud.call(Verb::Query, &json!({ "lbId": id })).await;
        // None are left out.
        let shown = shown.json()["tags"].clone();
        let shown = if shown.is_null() { json!({}) } else { shown };
        assert_eq!(shown, tags, "only the caller's are shown");
        let there = cloud.simulator.inventory();
        let left: &BTreeMap<String, String> = &there[0].other_tags;
        let left: Vec<&str> = left.keys().map(String::as_str).collect();
        assert_eq!(left, others, "{tags}");
    }
}
