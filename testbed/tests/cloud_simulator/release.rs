//! A load balancer whose owner gives it up belongs to nobody.

use serde_json::json;
use testbed::cloud::{Capabilities, Verb};

use super::{Cloud, wanted};

#[tokio::test]
async fn an_owner_gives_up_its_load_balancer_and_nobody_elses() {
    let cloud = Cloud::quiet().await;
    let id = cloud.create(&wanted("web", "u1")).await;
    let release = |uid: &str| json!({"lbId": id, "owner": {"cluster": "c1", "uid": uid}});
    let absent = cloud.call(Verb::Release, &release("u1")).await;
    assert_eq!(absent.text("code"), "NotFound", "a cloud without this call");

    cloud.simulator.set_capabilities(Some(Capabilities::all()));
    for (body, code) in [
        (json!({"lbId": id}), "InvalidArgument"),
        (
            json!({"owner": {"cluster": "c1", "uid": "u1"}}),
            "InvalidArgument",
        ),
        (
            json!({"lbId": "lb-9", "owner": {"cluster": "c1", "uid": "u1"}}),
            "NotFound",
        ),
        (release("u2"), "Conflict"),
        (release("u1"), ""),
        (release("u1"), ""),
        (release("u2"), "Conflict"),
    ] {
        let answer = cloud.call(Verb::Release, &body).await;
        assert_eq!(answer.text("code"), code, "{body}: {}", answer.text);
    }
    let found = cloud.call(Verb::Query, &json!({"lbId": id})).await.json();
    assert!(found["owner"].is_null(), "{found}");
    assert_eq!(found["formerOwner"]["uid"], "u1", "{found}");
    let listed = cloud
        .call(Verb::List, &json!({"owner": {"cluster": "c1"}}))
        .await;
    assert_eq!(listed.json()["items"], json!([]));
    let again = cloud.call(Verb::Create, &wanted("web", "u1")).await;
    assert_eq!(again.text("code"), "AlreadyExists", "the name stays taken");
}
