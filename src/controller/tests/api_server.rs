//! An API server that has one Service, or none any more. It takes every patch
//! and keeps none.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Method, Request, Response};
use k8s_openapi::api::core::v1::Service;
use kube::Client;
use kube::client::Body;
use serde_json::json;

/// What is live.
#[derive(Clone, Default)]
pub(super) struct ApiServer {
    pub(super) live: Arc<Mutex<Option<Service>>>,
    /// The method of each request that arrived.
    requests: Arc<Mutex<Vec<Method>>>,
}

impl ApiServer {
    pub(super) fn client(&self) -> Client {
        let server = self.clone();
        let answer = tower::service_fn(move |request: Request<Body>| {
            let answer = server.answer(request.method());
            async move { Ok::<_, Infallible>(answer) }
        });
        Client::new(answer, "default")
    }

    pub(super) fn patches(&self) -> usize {
        let requests = self.requests.lock().expect("a lock");
        let patches = requests.iter().filter(|method| **method == Method::PATCH);
        patches.count()
    }

    fn answer(&self, method: &Method) -> Response<Body> {
        self.requests.lock().expect("a lock").push(method.clone());
        let (code, body) = match &*self.live.lock().expect("a lock") {
            Some(live) => (200, json!(live)),
            None => (
                404,
                json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                    "message": "not found", "reason": "NotFound", "code": 404}),
            ),
        };
        let bytes = serde_json::to_vec(&body).expect("JSON");
        let response = Response::builder().status(code);
        response.body(Body::from(bytes)).expect("a response")
    }
}
