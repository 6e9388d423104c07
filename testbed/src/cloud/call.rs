//! A call of the API as it arrived.

use axum::body::Bytes;
use axum::http::HeaderMap;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::engine::Engine;
use super::event::{Arrival, Verb};
use super::refusal::Refusal;

/// Longest piece of a body that is not JSON in the event log.
const SHOWN: usize = 200;

#[derive(Debug)]
pub(super) struct Call {
    pub(super) verb: Verb,
    pub(super) idempotency_key: Option<String>,
    fencing_token: Option<String>,
    authorization: Option<String>,
    traceparent: Option<String>,
    user_agent: Option<String>,
    body: Result<Value, Refusal>,
    shown: Value,
}

impl Call {
    /// Reads a call; it is validated later, when it is carried out.
    pub(super) fn read(verb: Verb, headers: &HeaderMap, body: Result<Bytes, String>) -> Self {
        let header = |name: &str| {
            let value = headers.get(name)?;
            Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let (body, shown) = match body {
            Ok(bytes) => match serde_json::from_slice::<Value>(&bytes) {
                Ok(body) => (Ok(body.clone()), body),
                Err(error) => {
                    let text = String::from_utf8_lossy(&bytes)
                        .chars()
                        .take(SHOWN)
                        .collect();
                    let refusal = Refusal::invalid(format!("the body is not JSON: {error}"));
                    (Err(refusal), Value::String(text))
                }
            },
            Err(reason) => (Err(Refusal::invalid(reason)), Value::Null),
        };
        Self {
            verb,
            idempotency_key: header("idempotency-key"),
            fencing_token: header("fencing-token"),
            authorization: header("authorization"),
            traceparent: header("traceparent"),
            user_agent: header("user-agent"),
            body,
            shown,
        }
    }

    /// The request, read as this type.
    pub(super) fn request<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        let body = self.body.clone()?;
        if !body.is_object() {
            return Err(Refusal::invalid("the body is not a JSON object"));
        }
        serde_json::from_value(body).map_err(|error| Refusal::invalid(error.to_string()))
    }

    /// The request as it was sent, whatever it is.
    pub(super) fn shown(&self) -> &Value {
        &self.shown
    }

    /// The fencing token, if there is one.
    pub(super) fn fencing_token(&self) -> Result<Option<u64>, Refusal> {
        let Some(token) = &self.fencing_token else {
            return Ok(None);
        };
        let is_number = token.bytes().all(|byte| byte.is_ascii_digit());
        let number = token.parse().ok().filter(|_| is_number);
        let refusal = || Refusal::invalid(format!("Fencing-Token {token:?} is no whole number"));
        number.ok_or_else(refusal).map(Some)
    }

    /// Whether the caller sent this bearer token.
    pub(super) fn bears(&self, token: &str) -> bool {
        let sent = self.authorization.as_deref();
        sent.and_then(|sent| sent.strip_prefix("Bearer ")) == Some(token)
    }

    /// What the event log keeps of it. The load balancer's id and name are
    /// completed from the inventory.
    pub(super) fn arrival(&self, engine: &Engine) -> Arrival {
        let field = |name: &str| Some(self.shown.get(name)?.as_str()?.to_owned());
        let (mut id, mut name) = (field("lbId"), field("name"));
        let inventory = engine.inventory();
        if let Some(known) = id.as_deref().and_then(|id| inventory.by_id(id).ok()) {
            name = name.or_else(|| Some(known.load_balancer.name.clone()));
        } else if let Some(known) = name.as_deref().and_then(|name| inventory.by_name(name)) {
            id = id.or_else(|| Some(known.load_balancer.id.clone()));
        }
        Arrival {
            verb: self.verb,
            name,
            id,
            request: self.shown.clone(),
            fencing_token: self.fencing_token().ok().flatten(),
            idempotency_key: self.idempotency_key.clone(),
            traceparent: self.traceparent.clone(),
            user_agent: self.user_agent.clone(),
            has_authorization: self.authorization.is_some(),
        }
    }

    /// The texts by which a fault finds this call.
    pub(super) fn subject(&self, engine: &Engine, arrival: &Arrival) -> Vec<String> {
        let asked = self.shown.get("owner");
        let part = |name: &str| asked?.get(name)?.as_str();
        let mut subject: Vec<String> = arrival.id.iter().chain(&arrival.name).cloned().collect();
        if let (Some(namespace), Some(name)) = (part("namespace"), part("name")) {
            subject.push(format!("{namespace}/{name}"));
        }
        let inventory = engine.inventory();
        let known = arrival
            .id
            .as_deref()
            .and_then(|id| inventory.by_id(id).ok());
        if let Some(owner) = known.and_then(|known| known.load_balancer.owner.as_ref()) {
            subject.push(format!("{}/{}", owner.namespace, owner.name));
        }
        subject
    }
}
