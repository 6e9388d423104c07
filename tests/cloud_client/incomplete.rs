//! Answers that lack fields, or have values that this program does not know.

use my_cloud_controller_manager::cloud::{Cloud, CloudError, ErrorKind, Profile, Which};
use my_cloud_controller_manager::plan::CreateRequest;
use my_cloud_controller_manager::plan::load_balancer::{Algorithm, LoadBalancer, State};
use my_cloud_controller_manager::plan::naming::{ClusterId, LoadBalancerId};
use my_cloud_controller_manager::priority::Priority;
use serde_json::{Value, json};

use crate::edge::{Edge, answer, known, permit, plain_request, rich_request};

/// The result of an update that is answered with this, and the query after it with nothing
/// that could be read.
async fn updated(profile: Profile, before: &LoadBalancer, body: Value) -> LoadBalancer {
    let unreadable = (503, json!({}));
    let updated = updated_and_queried(profile, before, body, unreadable).await;
    let updated = updated.expect("updated");
    assert_eq!(updated.spec.bandwidth, "7M", "as requested");
    updated
}

/// The result of an update of the bandwidth to 7M with this answer, and with this one to the
/// query after it.
async fn updated_and_queried(
    profile: Profile,
    before: &LoadBalancer,
    body: Value,
    query: (u16, Value),
) -> Result<LoadBalancer, CloudError> {
    let edge = Edge::start(move |_, seen| {
        let is_query = seen.path.ends_with("query");
        let (code, body) = if is_query {
            query.clone()
        } else {
            (200, body.clone())
        };
        Box::pin(async move { answer(code, body.to_string()) })
    });
    let mut request = match profile {
        Profile::Standard => rich_request("web"),
        Profile::Basic => plain_request("web"),
    };
    request.spec.bandwidth = "7M".into();
    let cloud = edge.await.client(profile);
    let permit = permit();
    cloud
        .update(&permit, before, &request, Priority::User)
        .await
}

#[tokio::test]
async fn a_query_tells_what_an_update_that_says_nothing_has_done() {
    let before = known(&plain_request("web"));
    let owner = plain_request("web").owner;
    let shown = |cluster: &str, bandwidth: &str| {
        json!({"err": "", "lbId": "lb-1", "name": before.name, "ip": "192.0.2.1", "bandwidth": bandwidth,
            "owner": {"cluster": cluster, "uid": owner.uid.as_str(), "namespace": owner.namespace, "name": owner.name}})
    };
    let ours = owner.cluster.as_str();
    let cases = [
        (
            200,
            shown(ours, "5M"),
            Some("5M"),
            "the cloud keeps its own value",
        ),
        (200, shown(ours, "7M"), Some("7M"), "as requested"),
        (
            200,
            shown("another", "7M"),
            None,
            "it has another owner now",
        ),
        (
            404,
            json!({"err": "gone", "code": "NotFound"}),
            None,
            "it is gone",
        ),
    ];
    for (code, body, expected, why) in cases {
        let said = json!({"err": ""});
        let updated = updated_and_queried(Profile::Standard, &before, said, (code, body)).await;
        let bandwidth = updated.map(|updated| updated.spec.bandwidth);
        match (bandwidth, expected) {
            (Ok(bandwidth), Some(expected)) => assert_eq!(bandwidth, expected, "{why}"),
            (Err(error), None) => assert_eq!(error.kind(), ErrorKind::Conflict, "{why}"),
            (bandwidth, _) => panic!("{why}: {bandwidth:?}"),
        }
    }
}

/// Its address is published at once: whether it is internal must be known by then.
#[tokio::test]
async fn a_query_tells_whether_a_load_balancer_is_internal_if_its_create_does_not() {
    let request = |internal| {
        let mut request = plain_request("web");
        request.spec.internal = internal;
        request
    };
    let named = |internal: bool| {
        let CreateRequest { name, owner, .. } = plain_request("web");
        json!({"err": "", "lbId": "lb-1", "name": name, "owner": owner, "ip": "192.0.2.1",
            "internal": internal})
    };
    let short = json!({"err": "", "lbId": "lb-1", "ip": "192.0.2.1"});
    let lost = (503, json!({}));
    let absent = (404, json!({"err": "not yet", "code": "NotFound"}));
    let (yes, no) = (Some(true), Some(false));
    let cases = [
        (yes, named(true), lost.clone(), yes, 1, "it says so"),
        (yes, named(false), lost.clone(), no, 1, "it says so"),
        (
            yes,
            short.clone(),
            (200, named(true)),
            yes,
            1,
            "as requested",
        ),
        (yes, short.clone(), (200, named(false)), no, 1, "otherwise"),
        (no, short.clone(), (200, named(true)), yes, 1, "otherwise"),
        (yes, short.clone(), lost.clone(), yes, 0, "not known"),
        (yes, short.clone(), absent, yes, 0, "not known"),
        (None, short, lost, None, 1, "nobody asks"),
    ];
    for (asked, created, queried, internal, addresses, why) in cases {
        let edge = Edge::start(move |_, seen| {
            let (code, body) = match seen.path.ends_with("query") {
                true => queried.clone(),
                false => (200, created.clone()),
            };
            Box::pin(async move { answer(code, body.to_string()) })
        });
        let edge = edge.await;
        let cloud = edge.client(Profile::Standard);
        let permit = permit();
        let asked_for = request(asked);
        let made = cloud.create(&permit, &asked_for, Priority::User);
        let made = made.await.expect("created");
        let shown = (made.spec.internal, made.addresses.ips.len());
        assert_eq!(shown, (internal, addresses), "{asked:?}: {why}");
        let is_polled = made.state == State::Provisioning;
        assert_eq!(is_polled, addresses == 0, "{asked:?}: {why}");
    }
}

#[tokio::test]
async fn what_an_update_does_not_say_stays_as_it_was_known() {
    for profile in [Profile::Standard, Profile::Basic] {
        let before = known(&plain_request("web"));
        for body in [
            json!({"err": ""}),
            json!({"err": "", "lbId": "lb-1"}),
            json!({"err": "", "lbId": "lb-1", "ip": ""}),
            json!({"err": "", "lbId": "lb-1", "ip": null, "ips": [], "state": ""}),
            json!({"err": "", "lbId": "lb-1", "name": before.name}),
            json!({"err": "", "port": 80, "nodePort": 30080}),
        ] {
            let after = updated(profile, &before, body.clone()).await;
            assert_eq!(after.addresses, before.addresses, "{body}");
            assert_eq!(after.state, State::Active, "{body}");
            assert_eq!(after.owner, before.owner, "{body}");
            assert!(after.is_understood, "{body}");
        }
    }
    let mut before = known(&plain_request("web"));
    before.state = State::Error("no capacity".into());
    let after = updated(Profile::Standard, &before, json!({"err": ""})).await;
    assert_eq!(after.state, before.state, "the next query may tell");
}

#[tokio::test]
async fn what_an_update_says_counts() {
    let before = known(&plain_request("web"));
    let body = json!({"err": "", "ip": "192.0.2.9", "nodes": ["10.0.0.9"], "sourceRanges": []});
    let after = updated(Profile::Standard, &before, body).await;
    let ip: std::net::IpAddr = "192.0.2.9".parse().expect("address");
    assert_eq!(after.addresses.ips, [ip]);
    assert_eq!(after.spec.nodes.len(), 1);
    assert!(after.spec.source_ranges.is_empty());
    let after = updated(
        Profile::Standard,
        &before,
        json!({"err": "", "state": "provisioning"}),
    )
    .await;
    assert_eq!(after.state, State::Provisioning);
}

#[tokio::test]
async fn a_value_that_is_not_known_costs_its_field_only() {
    let listener =
        |protocol: &str| json!([{"name": "", "protocol": protocol, "port": 80, "nodePort": 30080}]);
    let cases = [
        ("listeners", listener("HTTP")),
        ("listeners", json!([{"port": 70000}])),
        ("algorithm", json!("weighted")),
        ("nodes", json!(["10.0.0.1", "vm-7"])),
        (
            "sessionAffinity",
            json!({"type": "ClientIP", "timeoutSeconds": 0.5}),
        ),
        ("sourceRanges", json!("all")),
        ("bandwidth", json!(5)),
        ("port", json!("http")),
    ];
    let request = plain_request("web");
    for (field, value) in cases {
        let mut body = json!({
            "err": "", "lbId": "lb-1", "name": request.name, "owner": request.owner,
            "nodes": ["10.0.0.1", "10.0.0.2"], "port": 80, "nodePort": 30080,
            "spec": "standard", "bandwidth": "5M", "ip": "192.0.2.1", "state": "deleting",
        });
        body[field] = value;
        let page = json!({"err": "", "items": [body]});
        let edge = Edge::start(move |_, seen| {
            let answered = match seen.path.ends_with("/list") {
                true => page.to_string(),
                false => body.to_string(),
            };
            Box::pin(async move { crate::edge::answer(200, answered) })
        })
        .await;
        let cloud = edge.client(Profile::Standard);
        let id = LoadBalancerId::new("lb-1");
        let found = cloud.query(Which::Id(&id), Priority::User).await;
        let found = found.expect(field).expect(field);
        assert_eq!(found.owner.as_ref(), Some(&request.owner), "{field}");
        assert_eq!(found.state, State::Deleting, "{field}");
        assert_eq!(found.addresses.ips.len(), 1, "{field}");
        assert!(!found.meets(&request.spec), "{field}: not as requested");
        let list = cloud.list(&ClusterId::new("cluster")).await;
        let list = list.expect(field);
        assert_eq!(list.iter().collect::<Vec<_>>(), [&found], "{field}");
    }
}

#[tokio::test]
async fn a_cloud_that_spells_values_its_own_way_has_what_was_requested() {
    let mut request = plain_request("web");
    request.spec.bandwidth = "10M".into();
    request.spec.algorithm = Algorithm::LeastConnections;
    request.spec.source_ranges = vec!["10.0.0.0/8".into(), "2001:db8::/32".into()];
    let body = json!({
        "err": "", "lbId": "lb-1", "name": request.name, "owner": request.owner,
        "nodes": ["::ffff:10.0.0.2", "10.0.0.1"], "port": 80, "nodePort": 30080,
        "spec": "Standard", "bandwidth": "10240K", "algorithm": "LEAST-CONNECTIONS",
        "sessionAffinity": {"type": "NONE"}, "state": "Active",
        "sourceRanges": ["2001:DB8::/32", "10.1.2.3/8"],
    });
    let edge = Edge::always(200, &[], body.to_string()).await;
    let id = LoadBalancerId::new("lb-1");
    let cloud = edge.client(Profile::Standard);
    let found = cloud.query(Which::Id(&id), Priority::User).await;
    let found = found.expect("answered").expect("found");
    assert!(found.meets(&request.spec), "{:?}", found.spec);
    assert_eq!(found.state, State::Active);
}
