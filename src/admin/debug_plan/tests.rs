use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ConnectInfo;
use futures::FutureExt;
use http::Request;
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::*;
use crate::plan::naming::ClusterId;

fn empty() -> Report {
    Report {
        cluster: ClusterId::new("cluster"),
        replica: None,
        previews: Vec::new(),
    }
}

async fn request(plans: &Plans, peer: &str, path: &str) -> (u16, String) {
    let peer = SocketAddr::new(peer.parse().unwrap(), 40_000);
    let request = Request::get(path).extension(ConnectInfo(peer));
    let request = request.body(Body::empty()).unwrap();
    let response = route(plans.clone()).oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn only_loopback_clients_get_a_plan_of_a_service_that_exists() {
    let plans = Plans::default();
    let web = "/debug/plan/default/web";
    let (status, text) = request(&plans, "127.0.0.1", web).await;
    assert_eq!((status, text.as_str()), (503, "this replica is starting\n"));
    plans.begin(Box::new(|key| {
        let answer = match key.name.as_str() {
            "web" => Ok(empty()),
            "early" => Err(NoReport::NotListed),
            _ => Err(NoReport::NoSuchService),
        };
        std::future::ready(answer).boxed()
    }));
    let cases = [
        ("127.0.0.1", "/debug/plan/default/web", 200),
        ("::ffff:127.0.0.1", "/debug/plan/default/web", 200),
        ("10.0.0.7", "/debug/plan/default/web", 403),
        ("::1", "/debug/plan/default/web?output=json", 200),
        ("127.0.0.1", "/debug/plan/default/web?output=xml", 400),
        ("127.0.0.1", "/debug/plan/default/early", 503),
        ("127.0.0.1", "/debug/plan/default/gone", 404),
        ("127.0.0.1", "/debug/plan/default/%0A", 404),
        ("127.0.0.1", "/debug/plan/default", 404),
    ];
    for (peer, path, expected) in cases {
        let (status, text) = request(&plans, peer, path).await;
        assert_eq!(status, expected, "{peer} {path}: {text}");
    }
    let (_, json) = request(&plans, "127.0.0.1", "/debug/plan/default/web?output=json").await;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["cluster"], "cluster");
}

#[tokio::test]
async fn a_few_plans_are_made_at_once() {
    let plans = Plans::default();
    plans.begin(Box::new(|_| std::future::pending().boxed()));
    let web = "/debug/plan/default/web";
    let waiting: Vec<_> = (0..PLANS_AT_ONCE)
        .map(|_| Box::pin(request(&plans, "127.0.0.1", web)))
        .collect();
    let mut waiting = futures::future::join_all(waiting);
    assert!(futures::poll!(&mut waiting).is_pending());
    let (status, text) = request(&plans, "127.0.0.1", web).await;
    assert_eq!(status, 503, "{text}");
    assert!(text.contains("4 plans are being made"), "{text}");
    drop(waiting);
    let retried = request(&plans, "127.0.0.1", web);
    assert!(retried.now_or_never().is_none(), "there is a slot again");
}
