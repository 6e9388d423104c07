//! The IP families of a load balancer in requests and answers.

use std::collections::BTreeSet;

use my_cloud_controller_manager::cloud::{Cloud, Profile, RestCloud, Which};
use my_cloud_controller_manager::plan::node_addresses::IpFamily;
use my_cloud_controller_manager::priority::Priority;
use serde_json::{Value, json};

use crate::edge::{Edge, permit, plain_request};

#[tokio::test]
async fn families_are_sent_only_if_the_cloud_has_a_choice() {
    let edge = Edge::always(200, &[], r#"{"err":"","lbId":"lb-1","ip":"192.0.2.1"}"#).await;
    let cloud = edge.client(Profile::Standard);
    let mut request = plain_request("web");
    for families in [&[][..], &[IpFamily::V6, IpFamily::V4]] {
        request.spec.address_families = families.iter().copied().collect();
        let created = cloud.create(&permit(), &request, Priority::User).await;
        assert_eq!(created.expect("created").spec, request.spec);
    }
    let sent: Vec<Value> = edge.seen().into_iter().map(|seen| seen.body).collect();
    assert_eq!(sent[0].get("addressFamilies"), None);
    assert_eq!(sent[1]["addressFamilies"], json!(["IPv4", "IPv6"]));
}

/// A cloud that tells that it has this feature, and answers everything else with `answer`.
async fn able(feature: &str, answer: Value) -> RestCloud {
    let told = json!({"err": "", "features": [feature]});
    let edge = Edge::start(move |_, seen| {
        let body = match seen.path.ends_with("capabilities") {
            true => told.to_string(),
            false => answer.to_string(),
        };
        Box::pin(async move { crate::edge::answer(200, body) })
    });
    let cloud = edge.await.client(Profile::Standard);
    let told = cloud.capabilities().await;
    assert!(told.is_ok_and(|told| told.is_some()));
    cloud
}

/// To another cloud, a field of that name may mean something else.
#[tokio::test]
async fn a_value_that_is_not_known_counts_only_where_the_cloud_has_its_feature() {
    let cases = [
        ("sourceRanges", "sourceRanges", json!("all")),
        ("affinity", "sessionAffinity", json!("sticky")),
        ("internal", "internal", json!("no")),
        ("idleTimeout", "idleTimeoutSeconds", json!("1m")),
        ("tags", "tags", json!(["web"])),
        ("dualStack", "addressFamilies", json!("IPv4")),
    ];
    let request = plain_request("web");
    for (feature, field, value) in cases {
        let mut answer = json!({
            "err": "", "lbId": "lb-1", "name": request.name, "ip": "192.0.2.1",
            "nodes": ["10.0.0.1"], "port": 80, "nodePort": 30080,
        });
        answer[field] = value;
        for (told, is_understood) in [(feature, false), ("list", true)] {
            let cloud = able(told, answer.clone()).await;
            let found = cloud
                .query(Which::Name(&request.name), Priority::User)
                .await;
            let found = found.expect("answered").expect("found");
            assert_eq!(found.is_understood, is_understood, "{field}: {told}");
        }
    }
}

#[tokio::test]
async fn families_that_an_answer_shows_are_read_and_one_that_is_none_is_not_understood() {
    let request = plain_request("web");
    let both = BTreeSet::from([IpFamily::V4, IpFamily::V6]);
    let cases = [
        (json!(null), BTreeSet::new(), true),
        (json!([]), BTreeSet::new(), true),
        (json!(["IPv6", "IPv4"]), both, true),
        (json!(["IPv5"]), BTreeSet::new(), false),
        (json!("IPv4"), BTreeSet::new(), false),
    ];
    for (shown, families, is_understood) in cases {
        let answer = json!({
            "err": "", "lbId": "lb-1", "name": request.name, "ip": "192.0.2.1",
            "nodes": ["10.0.0.1"], "port": 80, "nodePort": 30080, "addressFamilies": shown,
        });
        let cloud = able("dualStack", answer).await;
        let found = cloud
            .query(Which::Name(&request.name), Priority::User)
            .await;
        let found = found.expect("answered").expect("found");
        assert_eq!(found.spec.address_families, families, "{shown}");
        assert_eq!(found.is_understood, is_understood, "{shown}");
    }
}
