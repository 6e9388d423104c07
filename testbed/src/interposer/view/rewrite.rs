//! Services as a function of the test makes them.

use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::response::Response;
use parking_lot::Mutex;
use serde_json::Value;

/// Larger than any answer that matters here.
const BODY_LIMIT: usize = 64 * 1024 * 1024;

type Change = Arc<dyn Fn(&mut Value) + Send + Sync>;

/// How Services are shown, if not as they are.
#[derive(Default)]
pub(in crate::interposer) struct Rewrite(Mutex<Option<Change>>);

impl Rewrite {
    pub(super) fn set(&self, change: impl Fn(&mut Value) + Send + Sync + 'static) {
        *self.0.lock() = Some(Arc::new(change));
    }

    pub(super) fn clear(&self) {
        *self.0.lock() = None;
    }

    fn change(&self) -> Option<Change> {
        self.0.lock().clone()
    }

    /// A line of a watch.
    pub(super) fn line(&self, line: Bytes) -> Bytes {
        let Some(change) = self.change() else {
            return line;
        };
        let Ok(mut event) = serde_json::from_slice::<Value>(&line) else {
            return line;
        };
        if event["type"] == "BOOKMARK" || event["type"] == "ERROR" {
            return line;
        }
        change(&mut event["object"]);
        Bytes::from(format!("{event}\n"))
    }

    /// The answer to a list of Services, or to a request about one.
    pub(in crate::interposer) async fn answer(&self, answer: Response) -> Response {
        let Some(change) = self.change().filter(|_| answer.status().is_success()) else {
            return answer;
        };
        let (parts, body) = answer.into_parts();
        let bytes = to_bytes(body, BODY_LIMIT).await.unwrap_or_default();
        let Ok(mut json) = serde_json::from_slice::<Value>(&bytes) else {
            return Response::from_parts(parts, Body::from(bytes));
        };
        match json.get_mut("items").and_then(Value::as_array_mut) {
            Some(items) => items.iter_mut().for_each(|service| change(service)),
            None => change(&mut json),
        }
        Response::from_parts(parts, Body::from(json.to_string()))
    }
}
