//! An API server that has one Lease: reads, creates, merge patches, and the
//! precondition `resourceVersion`. Tests can make it hang or fail.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use http::{Method, Request, Response};
use kube::client::Body;
use parking_lot::{Mutex, MutexGuard};
use serde_json::{Value, json};

use crate::election::lease_object::LeaseObject;

/// The behaviour for the next requests of a method.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// Waits before it handles the request.
    LateStart(Duration),
    /// Handles the request and responds late.
    LateAnswer(Duration),
    /// Responds with this code without handling the request.
    Refuse(u16),
}

#[derive(Default)]
pub(super) struct State {
    lease: Option<Value>,
    version: u64,
    fault: Option<(Method, Fault)>,
    /// Method and body of every request that arrived.
    pub(super) requests: Vec<(Method, Value)>,
}

#[derive(Clone, Default)]
pub(super) struct Server(Arc<Mutex<State>>);

impl Server {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }

    /// Writes the Lease like another candidate; returns its version.
    pub(super) fn put(&self, lease: &LeaseObject) -> u64 {
        self.put_spec(serde_json::to_value(&lease.spec).expect("a spec"))
    }

    pub(super) fn put_spec(&self, spec: Value) -> u64 {
        let mut state = self.state();
        state.write(json!({"metadata": {"name": "lease"}, "spec": spec}));
        state.version
    }

    pub(super) fn delete(&self) {
        self.state().lease = None;
    }

    pub(super) fn fail(&self, method: Method, fault: Fault) {
        self.state().fault = Some((method, fault));
    }

    pub(super) fn work(&self) {
        self.state().fault = None;
    }

    /// Waits until that many requests have arrived.
    pub(super) async fn requests(&self, count: usize) {
        let arrived = async {
            while self.state().requests.len() < count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let deadline = Duration::from_secs(60);
        let awaited = tokio::time::timeout(deadline, arrived).await;
        assert!(awaited.is_ok(), "{count} requests within {deadline:?}");
    }

    pub(super) fn spec(&self, field: &str) -> Value {
        let state = self.state();
        state.lease.as_ref().expect("a Lease")["spec"][field].clone()
    }

    pub(super) fn annotation(&self, name: &str) -> Value {
        let state = self.state();
        state.lease.as_ref().expect("a Lease")["metadata"]["annotations"][name].clone()
    }

    pub(super) fn version(&self) -> u64 {
        self.state().version
    }

    /// The service for a client of this server.
    pub(super) fn service(
        &self,
    ) -> impl tower::Service<
        Request<Body>,
        Response = Response<Body>,
        Error = Infallible,
        Future = BoxFuture<'static, Result<Response<Body>, Infallible>>,
    > + Clone
    + Send
    + 'static {
        let server = self.clone();
        tower::service_fn(move |request| {
            let server = server.clone();
            let answer: BoxFuture<'static, _> =
                Box::pin(async move { Ok(server.answer(request).await) });
            answer
        })
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let bytes = body.collect_bytes().await.expect("a body");
        let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        self.state()
            .requests
            .push((head.method.clone(), body.clone()));
        let fault = match &self.state().fault {
            Some((method, fault)) if *method == head.method => Some(fault.clone()),
            _ => None,
        };
        let (code, answer) = match fault {
            Some(Fault::Refuse(code)) => failure(code),
            Some(Fault::LateStart(delay)) => {
                tokio::time::sleep(delay).await;
                self.state().handle(&head.method, body)
            }
            Some(Fault::LateAnswer(delay)) => {
                let answer = self.state().handle(&head.method, body);
                tokio::time::sleep(delay).await;
                answer
            }
            None => self.state().handle(&head.method, body),
        };
        let bytes = serde_json::to_vec(&answer).expect("JSON");
        Response::builder()
            .status(code)
            .body(Body::from(bytes))
            .expect("a response")
    }
}

impl State {
    /// Continues with the versions of an earlier time.
    pub(super) fn restore(&mut self, version: u64) {
        self.version = version;
    }

    fn handle(&mut self, method: &Method, body: Value) -> (u16, Value) {
        match (method.as_str(), self.lease.clone()) {
            ("GET", Some(lease)) => (200, lease),
            ("GET" | "PATCH", None) => failure(404),
            ("POST", Some(_)) => failure(409),
            ("POST", None) => (201, self.write(body)),
            ("PATCH", Some(mut lease)) => {
                let wanted = &body["metadata"]["resourceVersion"];
                if !wanted.is_null() && *wanted != lease["metadata"]["resourceVersion"] {
                    return failure(409);
                }
                merge(&mut lease, &body);
                (200, self.write(lease))
            }
            (other, _) => panic!("unexpected {other}"),
        }
    }

    fn write(&mut self, mut lease: Value) -> Value {
        self.version += 1;
        lease["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.lease = Some(lease.clone());
        lease
    }
}

fn failure(code: u16) -> (u16, Value) {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": format!("scripted {code}"), "reason": "Scripted", "code": code,
    });
    (code, status)
}

/// RFC 7386, but for the removal of fields.
fn merge(target: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        merge(&mut target[key], value);
    }
}
