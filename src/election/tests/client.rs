//! The client under the election, over a real connection.

use std::future::pending;
use std::time::Duration;

use axum::Router;
use http::{Request, StatusCode};
use kube::Config;
use kube::client::Body;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::election::{Timing, request_client};

const LONG: Duration = Duration::from_secs(10);

/// By default kube's client retries a request after 503 for minutes: a renewal would
/// be sent long after the instant from which its deadline is counted.
#[tokio::test]
async fn what_is_refused_for_now_is_not_sent_again() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (arrived, mut arrivals) = watch::channel(0);
    let busy = Router::new().fallback(move || {
        arrived.send_modify(|count| *count += 1);
        std::future::ready(StatusCode::SERVICE_UNAVAILABLE)
    });
    tokio::spawn(axum::serve(listener, busy).into_future());
    let config = Config::new(url.parse().expect("a URL"));
    assert!(config.default_retry, "what kube does by itself");

    let client = request_client(config, Timing::default()).expect("a client");
    let request = Request::get("/lease").body(Body::empty());
    let sent_again = async {
        if arrivals.wait_for(|count| *count > 1).await.is_err() {
            pending().await
        }
    };
    let answer = tokio::select! {
        answer = timeout(LONG, client.send(request.expect("a request"))) => answer,
        () = sent_again => panic!("one try is one request"),
    };
    let answer = answer.expect("an answer within 10 s").expect("no error");
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
}
