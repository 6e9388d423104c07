//! A cloud that keeps load balancers as a good one does, and shows them as a test says.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, Response};
use parking_lot::Mutex;
use serde_json::{Value, json};
use testbed::Environment;
use testbed::environment::SIMULATED_ADDRESSES;
use tokio::time::sleep;

/// What a call is answered with instead: the verb, the body of the request, the answer of a
/// good cloud.
pub type Twist = dyn Fn(&str, &Value, Value) -> Bytes + Send + Sync;

/// The server and what it has.
#[derive(Clone)]
pub struct OddCloud {
    pub endpoint: String,
    state: Arc<Mutex<State>>,
}

struct State {
    load_balancers: BTreeMap<String, Value>,
    made: usize,
    calls: Vec<(String, Value)>,
    twist: Arc<Twist>,
    /// The verb whose answers take this long.
    slow: Option<(&'static str, Duration)>,
    /// The header `Retry-After` of each answer.
    retry_after: Option<HeaderValue>,
}

/// The answers of a good cloud.
pub fn honest(_: &str, _: &Value, answer: Value) -> Bytes {
    Bytes::from(answer.to_string())
}

impl OddCloud {
    pub async fn start() -> Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let state = Arc::new(Mutex::new(State {
            load_balancers: BTreeMap::new(),
            made: 0,
            calls: Vec::new(),
            twist: Arc::new(honest),
            slow: None,
            retry_after: None,
        }));
        let shared = state.clone();
        let router = Router::new().fallback(move |request: Request| {
            let shared = shared.clone();
            async move {
                let (parts, body) = request.into_parts();
                let verb = parts.uri.path().rsplit('/').next().unwrap_or_default();
                let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
                let body = serde_json::from_slice(&body).unwrap_or_default();
                let answer = respond(&shared, verb, &body);
                let slow = shared.lock().slow.filter(|(of, _)| *of == verb);
                if let Some((_, time)) = slow {
                    sleep(time).await;
                }
                let mut response = Response::new(Body::from(answer));
                let retry_after = shared.lock().retry_after.clone();
                let retry_after = retry_after.map(|value| (RETRY_AFTER, value));
                response.headers_mut().extend(retry_after);
                response
            }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { endpoint, state })
    }

    /// Answers from now on as this function says.
    pub fn answer(&self, twist: impl Fn(&str, &Value, Value) -> Bytes + Send + Sync + 'static) {
        self.state.lock().twist = Arc::new(twist);
    }

    /// Takes this long from now on for the answers to a verb.
    pub fn slow_down(&self, verb: &'static str, time: Duration) {
        self.state.lock().slow = Some((verb, time));
    }

    /// Sends this `Retry-After` with each answer from now on, whatever the answer is.
    pub fn ask_for_a_pause(&self, retry_after: &'static str) {
        self.state.lock().retry_after = Some(HeaderValue::from_static(retry_after));
    }

    /// Changes what it has.
    pub fn edit(&self, change: impl Fn(&mut Value)) {
        self.state
            .lock()
            .load_balancers
            .values_mut()
            .for_each(change);
    }

    pub fn len(&self) -> usize {
        self.state.lock().load_balancers.len()
    }

    /// The requests of a verb.
    pub fn calls(&self, verb: &str) -> Vec<Value> {
        let state = self.state.lock();
        let of_verb = state.calls.iter().filter(|(of, _)| of == verb);
        of_verb.map(|(_, body)| body.clone()).collect()
    }

    /// The configuration of a replica that uses it as cloud1.
    pub fn as_cloud1(&self, test: &Environment, config: &str) -> String {
        config.replace(&test.cloud1.endpoint(), &self.endpoint)
    }

    /// The same, but as a cloud that is not on this machine.
    pub fn as_strange_cloud1(&self, test: &Environment, config: &str) -> String {
        let config = self.as_cloud1(test, config);
        config.replacen(&format!(", {SIMULATED_ADDRESSES}"), "", 1)
    }
}

fn respond(shared: &Mutex<State>, verb: &str, body: &Value) -> Bytes {
    let (answer, twist) = {
        let mut state = shared.lock();
        state.calls.push((verb.to_owned(), body.clone()));
        (state.perform(verb, body), state.twist.clone())
    };
    twist(verb, body, answer)
}

impl State {
    fn perform(&mut self, verb: &str, body: &Value) -> Value {
        if verb == "list" {
            let items: Vec<_> = self.load_balancers.values().cloned().collect();
            return json!({"err": "", "items": items});
        }
        let id = self.id_of(body);
        match (verb, id) {
            ("create", None) => {
                self.made += 1;
                let id = format!("lb-{}", self.made);
                let mut made = body.clone();
                made["lbId"] = json!(id);
                made["ip"] = json!(format!("192.0.2.{}", self.made));
                made["state"] = json!("active");
                self.load_balancers.insert(id.clone(), made);
                self.shown(&id)
            }
            ("query" | "create", Some(id)) => self.shown(&id),
            ("update", Some(id)) => {
                let found = self.load_balancers.entry(id.clone()).or_default();
                if let (Some(found), Some(body)) = (found.as_object_mut(), body.as_object()) {
                    found.extend(body.clone());
                }
                self.shown(&id)
            }
            ("delete", Some(id)) => {
                self.load_balancers.remove(&id);
                json!({"err": ""})
            }
            _ => json!({"err": "not found", "code": "NotFound"}),
        }
    }

    fn id_of(&self, body: &Value) -> Option<String> {
        if let Some(id) = body["lbId"].as_str() {
            return self.load_balancers.contains_key(id).then(|| id.to_owned());
        }
        let is_so = |(_, found): &(&String, &Value)| found["name"] == body["name"];
        let found = self.load_balancers.iter().find(is_so);
        found.map(|(id, _)| id.clone())
    }

    fn shown(&self, id: &str) -> Value {
        let mut shown = self.load_balancers.get(id).cloned().unwrap_or_default();
        shown["err"] = json!("");
        shown
    }
}
