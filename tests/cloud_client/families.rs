//! The IP families of a load balancer in requests and answers.

use std::collections::BTreeSet;

use my_cloud_controller_manager::cloud::{Cloud, Profile, Which};
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
        let edge = Edge::always(200, &[], answer.to_string()).await;
        let cloud = edge.client(Profile::Standard);
        let found = cloud
            .query(Which::Name(&request.name), Priority::User)
            .await;
        let found = found.expect("answered").expect("found");
        assert_eq!(found.spec.address_families, families, "{shown}");
        assert_eq!(found.is_understood, is_understood, "{shown}");
    }
}
