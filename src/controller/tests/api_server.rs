//! An API server that has at most one Service. It accepts merge patches whose
//! precondition, if any, holds.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Method, Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use crate::kubernetes::service_object::Service;

#[derive(Clone, Default)]
pub(in crate::controller) struct ApiServer(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    live: Option<Value>,
    patches: usize,
    /// Changes each object before it is stored, as an admission webhook does.
    admission: Option<fn(&mut Value)>,
    /// Whether every patch is answered with 409.
    refuses: bool,
    /// Whether each patch with an address is answered with 422.
    refuses_addresses: bool,
}

impl ApiServer {
    pub(in crate::controller) fn with(live: Option<&Service>) -> Self {
        let state = State {
            live: live.map(|live| json!(live)),
            ..State::default()
        };
        Self(Arc::new(Mutex::new(state)))
    }

    /// The server, which refuses each patch with an address.
    pub(in crate::controller) fn refusing_addresses(self) -> Self {
        self.0.lock().expect("a lock").refuses_addresses = true;
        self
    }

    pub(in crate::controller) fn client(&self) -> Client {
        let server = self.clone();
        let responder = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move { Ok::<_, Infallible>(server.respond(request).await) }
        });
        Client::new(responder, "default")
    }

    pub(in crate::controller) fn patches(&self) -> usize {
        self.0.lock().expect("a lock").patches
    }

    /// Changes each object before it is stored.
    pub(in crate::controller) fn admission(&self, webhook: fn(&mut Value)) {
        self.0.lock().expect("a lock").admission = Some(webhook);
    }

    /// Answers every patch with 409.
    pub(in crate::controller) fn refuse_patches(&self) {
        self.0.lock().expect("a lock").refuses = true;
    }

    pub(in crate::controller) fn live(&self) -> Service {
        let live = self.0.lock().expect("a lock").live.clone();
        serde_json::from_value(live.unwrap_or_default()).expect("a Service")
    }

    async fn respond(&self, request: Request<Body>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let patch = body.collect_bytes().await.expect("a body");
        let mut state = self.0.lock().expect("a lock");
        let State {
            live,
            patches,
            admission,
            refuses,
            refuses_addresses,
        } = &mut *state;
        let (code, body) = match live {
            None => failure(404),
            Some(live) if head.method == Method::PATCH => {
                *patches += 1;
                let patch: Value = serde_json::from_slice(&patch).expect("a patch");
                let version = |of: &Value| of["metadata"]["resourceVersion"].clone();
                let has_address = !patch["status"]["loadBalancer"].is_null();
                let is_current = version(&patch).is_null() || version(&patch) == version(live);
                if *refuses_addresses && has_address {
                    failure(422)
                } else if is_current && !*refuses {
                    merge(live, patch);
                    if let Some(webhook) = admission {
                        webhook(live);
                    }
                    (200, live.clone())
                } else {
                    failure(409)
                }
            }
            Some(live) => (200, live.clone()),
        };
        let bytes = serde_json::to_vec(&body).expect("JSON");
        let response = Response::builder().status(code);
        response.body(Body::from(bytes)).expect("a response")
    }
}

fn failure(code: u16) -> (u16, Value) {
    let reason = match code {
        404 => "NotFound",
        422 => "Invalid",
        _ => "Conflict",
    };
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": reason, "reason": reason, "code": code,
    });
    (code, status)
}

/// RFC 7386.
pub(in crate::controller) fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, change) in patch {
        if change.is_null() {
            target.as_object_mut().and_then(|of| of.remove(&name));
        } else {
            merge(&mut target[name], change);
        }
    }
}
