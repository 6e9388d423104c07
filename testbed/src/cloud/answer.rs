//! Answers as HTTP.

use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Response, StatusCode, header};
use futures::{StreamExt, stream};
use jiff::fmt::rfc2822;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use super::Profile;
use super::event::{Outcome, Verb};
use super::fault::Failure;
use super::hostile;
use super::refusal::{Code, Refusal};
use super::words;

/// What becomes of a call.
#[derive(Debug)]
pub(super) enum Reply {
    /// It is answered.
    Answer(Answer),
    /// Its connection is closed.
    Lost,
    /// It is never answered.
    Never,
}

/// How the body of an answer gets to its caller.
#[derive(Clone, Copy, Debug)]
pub(super) enum Delivery {
    Whole,
    /// The connection closes after half of it.
    Cut,
    /// Byte by byte, with a pause after each.
    Trickle(Duration),
}

#[derive(Clone, Debug)]
pub(super) struct Answer {
    status: u16,
    code: Option<Code>,
    err: String,
    retry_after: Option<String>,
    location: Option<String>,
    body: String,
    delivery: Delivery,
}

impl Answer {
    /// To a call that succeeded.
    pub(super) fn success(body: &Value) -> Self {
        Self::new(200, None, String::new(), body)
    }

    /// To a call that the cloud refused. The basic profile has no codes.
    pub(super) fn refusal(refusal: &Refusal, profile: Profile) -> Self {
        let code = (profile == Profile::Standard).then_some(refusal.code);
        Self::failed(refusal.code.status(), code, refusal.message.clone())
    }

    /// To a call that a fault struck.
    pub(super) fn failure(failure: &Failure, profile: Profile) -> Self {
        let matching = failure.code.map_or(200, Code::status);
        let status = failure.status.unwrap_or(matching);
        let code = failure.code.filter(|_| profile == Profile::Standard);
        let err = match failure.code {
            Some(code) => format!("injected fault: {code}"),
            None => "injected fault".into(),
        };
        Self {
            retry_after: failure
                .retry_after_seconds
                .map(|seconds| seconds.to_string()),
            ..Self::failed(status, code, err)
        }
    }

    /// To a call that came too early.
    pub(super) fn throttled(seconds: Option<u64>, as_date: bool, profile: Profile) -> Self {
        let answer = Self::failure(&Failure::code(Code::Throttled), profile);
        Self {
            retry_after: seconds.and_then(|seconds| match as_date {
                true => date_in(seconds),
                false => Some(seconds.to_string()),
            }),
            ..answer
        }
    }

    /// To a call that should go elsewhere.
    pub(super) fn redirect(location: String) -> Self {
        Self {
            location: Some(location),
            ..Self::failed(307, None, "injected fault: redirect".into())
        }
    }

    /// The same with another body.
    pub(super) fn with_body(self, body: String) -> Self {
        Self { body, ..self }
    }

    /// The same, delivered otherwise.
    pub(super) fn delivered(self, delivery: Delivery) -> Self {
        Self { delivery, ..self }
    }

    /// What a cloud that wants to harm answers instead.
    pub(super) fn hostile(self, verb: Verb, request: &Value, number: usize) -> Self {
        let body = match verb {
            Verb::List => hostile::page(number, request),
            _ => {
                let good = serde_json::from_str(&self.body).unwrap_or_default();
                hostile::answer(number, &good)
            }
        };
        Self {
            retry_after: Some(hostile::RETRY_AFTER.to_owned()),
            ..self.with_body(body)
        }
    }

    /// The same, padded to at least this size.
    pub(super) fn padded(self, bytes: usize) -> Self {
        let padding = "x".repeat(bytes.saturating_sub(self.body.len()));
        self.edited(|body| {
            body.insert("padding".into(), Value::String(padding));
        })
    }

    /// The same without this field.
    pub(super) fn without(self, field: &str) -> Self {
        self.edited(|body| {
            body.remove(field);
        })
    }

    /// The same in other words.
    pub(super) fn in_other_words(self) -> Self {
        self.edited(words::reword)
    }

    /// What the event log keeps of it.
    pub(super) fn outcome(&self) -> Outcome {
        Outcome::Answered {
            status: self.status,
            code: self.code,
            err: self.err.clone(),
        }
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(self.delivery.body_of(self.body));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        let values = [
            (header::RETRY_AFTER, self.retry_after),
            (header::LOCATION, self.location),
        ];
        for (name, value) in values {
            if let Some(Ok(value)) = value.map(|value| HeaderValue::from_str(&value)) {
                headers.insert(name, value);
            }
        }
        response
    }

    fn failed(status: u16, code: Option<Code>, err: String) -> Self {
        let body = match code {
            Some(code) => json!({ "err": err, "code": code }),
            None => json!({ "err": err }),
        };
        Self::new(status, code, err, &body)
    }

    fn new(status: u16, code: Option<Code>, err: String, body: &Value) -> Self {
        Self {
            status,
            code,
            err,
            retry_after: None,
            location: None,
            body: body.to_string(),
            delivery: Delivery::Whole,
        }
    }

    fn edited(self, edit: impl FnOnce(&mut serde_json::Map<String, Value>)) -> Self {
        match serde_json::from_str(&self.body) {
            Ok(Value::Object(mut body)) => {
                edit(&mut body);
                self.with_body(Value::Object(body).to_string())
            }
            _ => self,
        }
    }
}

impl Delivery {
    fn body_of(self, text: String) -> Body {
        let text = Bytes::from(text);
        match self {
            Self::Whole => Body::from(text),
            Self::Cut => {
                let half = text.slice(..text.len() / 2);
                let cut = Err(io::Error::other("injected fault: cut"));
                Body::from_stream(stream::iter([Ok(half), cut]))
            }
            Self::Trickle(pause) => {
                let bytes = stream::iter(0..text.len());
                Body::from_stream(bytes.then(move |at| {
                    let byte = text.slice(at..=at);
                    async move {
                        tokio::time::sleep(pause).await;
                        Ok::<_, io::Error>(byte)
                    }
                }))
            }
        }
    }
}

/// The date of `Retry-After`; whole seconds, so never earlier than asked.
fn date_in(seconds: u64) -> Option<String> {
    let seconds = i64::try_from(seconds).ok()?.checked_add(1)?;
    let at = Timestamp::now().checked_add(seconds.seconds()).ok()?;
    rfc2822::DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&at)
        .ok()
}
