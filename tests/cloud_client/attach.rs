//! The update of a load balancer that others made: what is sent, and whose it is afterwards.

use my_cloud_controller_manager::cloud::{Cloud, CloudError, ErrorKind, Profile};
use my_cloud_controller_manager::plan::CreateRequest;
use my_cloud_controller_manager::plan::load_balancer::LoadBalancer;
use my_cloud_controller_manager::priority::Priority;
use serde_json::{Value, json};

use crate::edge::{Edge, answer, known, permit, rich_request};

/// The request of an owner on a load balancer that others made, and that one.
fn attaching() -> (CreateRequest, LoadBalancer) {
    let mut request = rich_request("web");
    request.owner = request.owner.on_existing();
    let before = LoadBalancer {
        owner: None,
        ..known(&request)
    };
    (request, before)
}

/// A cloud that answers an update with nothing, and then a query with this body.
async fn cloud(status: u16, shown: Value) -> Edge {
    Edge::start(move |number, _| {
        let shown = shown.to_string();
        Box::pin(async move {
            match number {
                0 => answer(200, r#"{"err":""}"#),
                _ => answer(status, shown),
            }
        })
    })
    .await
}

async fn attach(edge: &Edge, profile: Profile) -> Result<LoadBalancer, CloudError> {
    let (request, before) = attaching();
    let cloud = edge.client(profile);
    let permit = permit();
    let updated = cloud.update(&permit, &before, &request, Priority::User);
    updated.await
}

#[tokio::test]
async fn settings_are_not_sent() {
    let (request, _) = attaching();
    let edge = Edge::always(200, &[], r#"{"err":""}"#).await;
    _ = attach(&edge, Profile::Standard).await;
    let seen = edge.seen().remove(0);
    assert_eq!(seen.path, "/api/v1/lb/update");
    let Value::Object(mut body) = seen.body else {
        panic!("{:?}", seen.body);
    };
    let listeners = body.remove("listeners").expect("listeners");
    assert_eq!(listeners.as_array().map(Vec::len), Some(2));
    let expected = json!({
        "lbId": "lb-1", "name": request.name, "attach": true,
        "nodes": ["10.0.0.1"], "port": 80, "nodePort": 30080,
        "owner": {
            "cluster": "cluster", "namespace": "default", "name": "web",
            "uid": "existing-uid-of-web",
        },
    });
    assert_eq!(Value::Object(body), expected);
}

#[tokio::test]
async fn whose_it_is_the_cloud_itself_must_show() {
    let (request, _) = attaching();
    let shown = |owner: Value| {
        json!({
            "err": "", "lbId": "lb-1", "name": request.name, "nodes": [], "owner": owner,
            "ip": "192.0.2.1", "listeners": [], "state": "active",
        })
    };
    let ours = json!({"cluster": "cluster", "uid": "existing-uid-of-web"});
    let edge = cloud(200, shown(ours)).await;
    let attached = attach(&edge, Profile::Standard).await.expect("attached");
    assert!(attached.belongs_to(&request.owner));

    let theirs = json!({"cluster": "theirs", "uid": "uid"});
    let cases = [
        (
            200,
            shown(Value::Null),
            ErrorKind::Conflict,
            "nobody's still",
        ),
        (200, shown(theirs), ErrorKind::Conflict, "somebody else's"),
        (
            503,
            json!({"err": "busy"}),
            ErrorKind::Unavailable { retry_after: None },
            "not known",
        ),
    ];
    for (status, shown, kind, reason) in cases {
        let edge = cloud(status, shown).await;
        let error = attach(&edge, Profile::Standard).await;
        let found = error.map_err(|error| error.kind());
        assert_eq!(found.err(), Some(kind), "{reason}");
    }
}

#[tokio::test]
async fn a_cloud_without_owners_is_not_called() {
    let edge = Edge::always(200, &[], r#"{"err":""}"#).await;
    let refused = attach(&edge, Profile::Basic).await.expect_err("refused");
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    assert!(edge.seen().is_empty());
}
