//! What is sent, and what is read from a good answer.

use my_cloud_controller_manager::cloud::{Cloud, ErrorKind, Profile, Which};
use my_cloud_controller_manager::plan::load_balancer::{Addresses, State};
use my_cloud_controller_manager::plan::naming::LoadBalancerId;
use my_cloud_controller_manager::priority::Priority;
use opentelemetry::Context;
use opentelemetry::context::FutureExt;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use serde_json::json;

use crate::edge::{Edge, client, known, permit, plain_request, rich_request, settings};

#[tokio::test]
async fn a_create_says_all_there_is_to_say() {
    let answer = r#"{"err":"","lbId":"lb-1","ip":"192.0.2.1","internal":true}"#;
    let edge = Edge::always(200, &[], answer).await;
    let (permit, request) = (permit(), rich_request("web"));
    let cloud = edge.client(Profile::Standard);
    let created = cloud
        .create(&permit, &request, Priority::User)
        .await
        .expect("created");
    assert_eq!(created.spec, request.spec);
    assert_eq!(created.owner.as_ref(), Some(&request.owner));
    assert_eq!(created.state, State::Active, "absent means active");

    let seen = edge.seen().remove(0);
    assert_eq!(seen.path, "/api/v1/lb/create");
    let expected = json!({
        "name": request.name, "nodes": ["10.0.0.1"], "port": 80, "nodePort": 30080,
        "spec": "high-performance", "bandwidth": "20M",
        "listeners": [
            {"name": "web", "protocol": "TCP", "port": 80, "nodePort": 30080,
             "proxyProtocol": "v2", "appProtocol": "web"},
            {"name": "dns", "protocol": "UDP", "port": 53, "nodePort": 30053,
             "appProtocol": "dns"},
        ],
        "algorithm": "source-hash",
        "sessionAffinity": {"type": "ClientIP", "timeoutSeconds": 60},
        "sourceRanges": ["192.0.2.0/24", "198.51.100.0/24"],
        "internal": true,
        "idleTimeoutSeconds": 350,
        "tags": {"team": "web"},
        "owner": {
            "cluster": "cluster", "namespace": "default", "name": "web", "uid": "uid-of-web",
        },
    });
    assert_eq!(seen.body, expected);
    assert_eq!(seen.headers["idempotency-key"], request.name.as_str());
    assert_eq!(
        seen.headers["fencing-token"],
        permit.term().to_string().as_str()
    );
    assert_eq!(
        seen.headers["user-agent"],
        concat!("my-cloud-controller-manager/", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(seen.headers["content-type"], "application/json");
    assert!(
        !seen.headers.contains_key("traceparent"),
        "no trace is active"
    );
    assert!(
        !seen.headers.contains_key("authorization"),
        "no token is configured"
    );
}

#[tokio::test]
async fn a_create_that_finds_an_older_load_balancer_shows_what_that_has() {
    let request = plain_request("web");
    let shown = json!({
        "err": "", "lbId": "lb-1", "name": request.name, "nodes": ["10.0.0.9"], "port": 81,
        "nodePort": 30081, "spec": "standard", "bandwidth": "1M",
    });
    let edge = Edge::always(200, &[], shown.to_string()).await;
    for profile in [Profile::Standard, Profile::Basic] {
        let created = edge
            .client(profile)
            .create(&permit(), &request, Priority::User)
            .await;
        let spec = created.expect("found").spec;
        assert_eq!(
            (spec.listeners[0].port, spec.bandwidth.as_str()),
            (81, "1M")
        );
        let node: std::net::IpAddr = "10.0.0.9".parse().expect("address");
        assert!(
            spec.nodes.iter().eq([&node]),
            "or nobody would see that it has to be updated"
        );
    }
}

#[tokio::test]
async fn an_update_and_a_delete_carry_the_fencing_token() {
    let edge = Edge::always(200, &[], r#"{"err":""}"#).await;
    let (permit, request) = (permit(), plain_request("web"));
    let before = known(&request);
    let cloud = edge.client(Profile::Standard);
    let updated = cloud
        .update(&permit, &before, &request, Priority::User)
        .await;
    let updated = updated.expect("updated");
    assert_eq!(updated, before, "an empty answer says nothing else");
    cloud.delete(&permit, &before.id).await.expect("deleted");
    for seen in edge.seen() {
        assert_eq!(seen.body["lbId"], "lb-1");
        assert_eq!(
            seen.headers["fencing-token"],
            permit.term().to_string().as_str()
        );
        assert!(!seen.headers.contains_key("idempotency-key"));
    }
    let update = &edge.seen()[0].body;
    assert_eq!(
        update["sessionAffinity"],
        json!({"type": "None"}),
        "affinity can be taken away"
    );
    assert_eq!(update["sourceRanges"], json!([]), "so can source ranges");
}

#[tokio::test]
async fn a_cloud_of_the_seed_is_sent_the_seeds_fields_only() {
    let body = r#"{"err":"","lbId":"lb-1","ip":"192.0.2.1","state":"error","owner":{"cluster":"x","uid":"y"}}"#;
    let edge = Edge::always(200, &[], body).await;
    let cloud = edge.client(Profile::Basic);
    let request = plain_request("web");
    let created = cloud
        .create(&permit(), &request, Priority::User)
        .await
        .expect("created");
    assert_eq!((created.owner, created.state), (None, State::Active));
    assert_eq!(created.spec, request.spec);
    let expected = json!({
        "name": request.name, "nodes": ["10.0.0.1", "10.0.0.2"], "port": 80, "nodePort": 30080,
        "spec": "standard", "bandwidth": "5M",
    });
    assert_eq!(edge.seen()[0].body, expected);

    let unsupported = cloud
        .create(&permit(), &rich_request("web"), Priority::User)
        .await;
    assert_eq!(
        unsupported.expect_err("two ports").kind(),
        ErrorKind::Unsupported
    );
    let cluster = request.owner.cluster.clone();
    let unsupported = cloud.list(&cluster).await;
    assert_eq!(
        unsupported.expect_err("no list").kind(),
        ErrorKind::Unsupported
    );
    assert_eq!(edge.seen().len(), 1, "neither was sent");
}

#[tokio::test]
async fn a_query_reads_a_whole_load_balancer() {
    let request = rich_request("web");
    let edge = Edge::start({
        let name = request.name.clone();
        move |_, seen| {
            let mut shown = json!({
                "err": "", "lbId": "lb-1", "name": name, "state": "provisioning",
                "ip": "192.0.2.1", "ips": ["192.0.2.1", "2001:db8::1"], "hostname": "",
                "nodes": ["10.0.0.1"], "spec": "high-performance", "bandwidth": "20M",
                "algorithm": "source-hash",
                "sessionAffinity": {"type": "ClientIP", "timeoutSeconds": 60},
                "sourceRanges": ["198.51.100.0/24", "192.0.2.0/24"],
                "internal": true,
                "idleTimeoutSeconds": 350,
                "tags": {"team": "web"},
                "createdAt": "2026-01-01T00:00:00Z", "unknown": {"field": 1},
            });
            shown["listeners"] = json!([
                {"name": "web", "protocol": "TCP", "port": 80, "nodePort": 30080,
             "proxyProtocol": "v2", "appProtocol": "web"},
                {"name": "dns", "protocol": "UDP", "port": 53, "nodePort": 30053,
             "appProtocol": "dns"},
            ]);
            shown["owner"] =
                json!({"cluster": "cluster", "namespace": "default", "name": "web", "uid": "uid-of-web"});
            assert!(seen.body == json!({"name": name}) || seen.body == json!({"lbId": "lb-1"}));
            Box::pin(async move { crate::edge::answer(200, shown.to_string()) })
        }
    })
    .await;
    let cloud = edge.client(Profile::Standard);
    let id = LoadBalancerId::new("lb-1");
    for which in [Which::Name(&request.name), Which::Id(&id)] {
        let found = cloud.query(which, Priority::User).await;
        let found = found.expect("answered").expect("found");
        assert_eq!(found.spec, request.spec);
        assert_eq!(found.owner.as_ref(), Some(&request.owner));
        assert_eq!(found.state, State::Provisioning);
        let ips = ["192.0.2.1", "2001:db8::1"].map(|ip| ip.parse().expect("address"));
        let expected = Addresses {
            ips: ips.into(),
            ..Addresses::default()
        };
        assert_eq!(found.addresses, expected);
    }
}

#[tokio::test]
async fn the_path_of_an_endpoint_and_a_token_are_kept() {
    let edge = Edge::always(200, &[], r#"{"err":""}"#).await;
    let path = std::env::temp_dir().join(format!("cloud-client-token-{}", std::process::id()));
    std::fs::write(&path, "secret\n").expect("written");
    let mut settings = settings(&format!("{}/tenant/", edge.endpoint), Profile::Standard);
    settings.token_file = Some(path.clone());
    let (cloud, _) = client(settings);
    let id = LoadBalancerId::new("../../x?y");
    cloud.delete(&permit(), &id).await.expect("deleted");
    std::fs::remove_file(path).expect("removed");
    let seen = edge.seen().remove(0);
    assert_eq!(
        seen.path, "/tenant/api/v1/lb/delete",
        "an id is never part of a path"
    );
    assert_eq!(seen.headers["authorization"], "Bearer secret");
}

#[tokio::test]
async fn the_active_trace_goes_with_a_call() {
    let edge = Edge::always(200, &[], r#"{"err":""}"#).await;
    let span = SpanContext::new(
        TraceId::from_bytes([0xAB; 16]),
        SpanId::from_bytes([0xCD; 8]),
        TraceFlags::SAMPLED,
        false,
        TraceState::default(),
    );
    let active = Context::new().with_remote_span_context(span);
    let cloud = edge.client(Profile::Standard);
    let deleted = async { cloud.delete(&permit(), &LoadBalancerId::new("a")).await };
    deleted.with_context(active).await.expect("deleted");
    let seen = edge.seen().remove(0);
    let expected = format!("00-{}-{}-01", "ab".repeat(16), "cd".repeat(8));
    assert_eq!(seen.headers["traceparent"], expected.as_str());
    assert!(!seen.headers.contains_key("tracestate"), "it says nothing");
}
