//! An API server that keeps Events, and fails as told.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response};
use kube::Client;
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::sleep;

#[derive(Default)]
struct State {
    events: Vec<Value>,
    requests: usize,
    failures: VecDeque<u16>,
    is_down: bool,
    latency: Duration,
    in_flight: usize,
    most_in_flight: usize,
}

/// Clones share the state.
#[derive(Clone, Default)]
pub(super) struct ApiServer(Arc<Mutex<State>>);

impl ApiServer {
    pub(super) fn client(&self) -> Client {
        let server = self.clone();
        let responder = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move { Ok::<_, Infallible>(server.respond(request).await) }
        });
        Client::new(responder, "default")
    }

    /// The next requests fail with these statuses; 0 is no answer, and 1 is no answer
    /// although the request took effect.
    pub(super) fn fail_next(&self, statuses: &[u16]) {
        self.0.lock().failures.extend(statuses);
    }

    pub(super) fn down(&self, is_down: bool) {
        self.0.lock().is_down = is_down;
    }

    pub(super) fn slow(&self, latency: Duration) {
        self.0.lock().latency = latency;
    }

    pub(super) fn events(&self) -> Vec<Value> {
        self.0.lock().events.clone()
    }

    pub(super) fn notes(&self) -> Vec<String> {
        let text = |event: &Value| event["note"].as_str().unwrap_or_default().to_owned();
        self.0.lock().events.iter().map(text).collect()
    }

    pub(super) fn clear(&self) {
        self.0.lock().events.clear();
    }

    pub(super) fn requests(&self) -> usize {
        self.0.lock().requests
    }

    pub(super) fn most_in_flight(&self) -> usize {
        self.0.lock().most_in_flight
    }

    pub(super) fn forget_most_in_flight(&self) {
        self.0.lock().most_in_flight = 0;
    }

    async fn respond(&self, request: Request<Body>) -> Response<Body> {
        let latency = {
            let mut state = self.0.lock();
            state.requests += 1;
            state.in_flight += 1;
            state.most_in_flight = state.most_in_flight.max(state.in_flight);
            state.latency
        };
        sleep(latency).await;
        let (head, body) = request.into_parts();
        let body = body.collect_bytes().await.expect("a body");
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        let answer = {
            let mut state = self.0.lock();
            state.in_flight -= 1;
            let failure = state.failures.pop_front();
            let failure = failure.or(state.is_down.then_some(500));
            match failure {
                None => Some(accept(&mut state.events, &head, body)),
                Some(0) => None,
                Some(1) => {
                    accept(&mut state.events, &head, body);
                    None
                }
                Some(status) => Some((status, failed(status))),
            }
        };
        let Some((status, body)) = answer else {
            return std::future::pending().await;
        };
        let bytes = serde_json::to_vec(&body).expect("JSON");
        let response = Response::builder().status(status);
        response.body(Body::from(bytes)).expect("a response")
    }
}

/// Creates an Event, or sets its series.
fn accept(events: &mut Vec<Value>, head: &http::request::Parts, body: Value) -> (u16, Value) {
    let collection = "/apis/events.k8s.io/v1/namespaces/default/events";
    let rest = head.uri.path().strip_prefix(collection).expect("Events");
    let name = match head.method {
        Method::POST => body["metadata"]["name"].as_str().unwrap_or_default(),
        _ => rest.trim_start_matches('/'),
    };
    let found = events
        .iter_mut()
        .find(|event| event["metadata"]["name"] == name);
    match (&head.method, found) {
        (&Method::POST, None) => {
            events.push(body.clone());
            (201, body)
        }
        (&Method::POST, Some(_)) => (409, failed(409)),
        (_, None) => (404, failed(404)),
        (_, Some(event)) => {
            event["series"] = body["series"].clone();
            (200, event.clone())
        }
    }
}

fn failed(status: u16) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "as told", "reason": "AsTold", "code": status,
    })
}
