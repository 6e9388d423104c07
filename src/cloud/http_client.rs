//! One call: its turn, its request, its answer, and what is seen of it.

use std::error::Error;
use std::time::{Duration, SystemTime};

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Url};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::body::{self, BodyError};
use super::call::{Call, CallEvent, CallObserver, Code, InFlight, Verb};
use super::error::{CloudError, ErrorKind};
use super::limiter::{Limiter, Refusal, Slot};
use super::response::{CallError, Response};
use super::span::CallSpan;
use super::token::TokenFile;
use super::{Priority, Profile, retry_after};
use crate::election::WritePermit;
use crate::plan::naming::CloudName;
use crate::telemetry::log_throttle::{LogKey, LogThrottle};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const FENCING_TOKEN: HeaderName = HeaderName::from_static("fencing-token");

/// The way to one cloud.
pub(super) struct ApiClient {
    pub(super) cloud: CloudName,
    pub(super) profile: Profile,
    pub(super) request_timeout: Duration,
    pub(super) client: Client,
    pub(super) limiter: Limiter,
    pub(super) token: Option<TokenFile>,
    pub(super) observer: CallObserver,
    /// Cancelled when calls that are not sent yet need not be sent any more.
    pub(super) stopping: CancellationToken,
    /// What was logged of late.
    pub(super) log_throttle: LogThrottle,
}

/// A request that is to be sent.
pub(super) struct ApiRequest<'a> {
    pub(super) verb: Verb,
    pub(super) address: &'a Url,
    pub(super) priority: Priority,
    /// Of a mutation.
    pub(super) permit: Option<&'a WritePermit>,
    /// Of a create.
    pub(super) idempotency_key: Option<&'a str>,
    pub(super) body: Vec<u8>,
    /// Most bytes of the answer.
    pub(super) limit: usize,
}

/// How a call ended.
struct CallOutcome<R> {
    code: Code,
    /// From its turn on; `None` if it was not sent.
    took: Option<Duration>,
    result: Result<R, CallError>,
}

impl ApiClient {
    /// Sends a request when it is its turn and reads the answer of a success.
    pub(super) async fn call<R>(
        &self,
        span: CallSpan,
        request: ApiRequest<'_>,
        read: impl FnOnce(&[u8]) -> Result<R, CallError>,
    ) -> Result<R, CloudError> {
        let verb = request.verb;
        let ended = span.run(self.observed(&span, request, read)).await;
        span.end(ended.code.as_str(), ended.took, ended.result.as_ref().err());
        ended.result.map_err(|failure| self.error(verb, failure))
    }

    fn error(&self, verb: Verb, failure: CallError) -> CloudError {
        CloudError::new(self.cloud.clone(), verb, failure.kind, failure.message)
    }

    async fn observed<R>(
        &self,
        span: &CallSpan,
        request: ApiRequest<'_>,
        read: impl FnOnce(&[u8]) -> Result<R, CallError>,
    ) -> CallOutcome<R> {
        let (verb, asked) = (request.verb, Instant::now());
        let (_slot, headers) = match self.admit(span, &request).await {
            Ok(admitted) => admitted,
            Err(failure) => {
                (self.observer)(&CallEvent::NotSent(Call {
                    cloud: self.cloud.clone(),
                    verb,
                    code: failure.code,
                    waited: asked.elapsed(),
                    took: Duration::ZERO,
                }));
                return CallOutcome {
                    code: failure.code,
                    took: None,
                    result: Err(failure),
                };
            }
        };
        span.sent();
        let in_flight = InFlight::start(&self.observer, &self.cloud, verb, asked.elapsed());
        let (code, result) = match self.answered(span, request, headers, read).await {
            Ok((code, value)) => (code, Ok(value)),
            Err(failure) => (failure.code, Err(failure)),
        };
        if let Err(failure) = &result {
            self.apply_retry_after(failure);
        }
        CallOutcome {
            code,
            took: Some(in_flight.finish(code)),
            result,
        }
    }

    /// Waits for the call's turn. The permit to write is asked last.
    async fn admit(
        &self,
        span: &CallSpan,
        request: &ApiRequest<'_>,
    ) -> Result<(Slot<'_>, HeaderMap), CallError> {
        let lost = || {
            let (kind, code) = (ErrorKind::LeadershipLost, Code::LeadershipLost);
            Err(CallError::new(kind, code, "not sent: leadership ended"))
        };
        let admitted = tokio::select! {
            biased;
            () = over(request.permit) => return lost(),
            () = self.stopping.cancelled() => {
                let message = "not sent: the process is stopping";
                return Err(CallError::new(ErrorKind::Busy, Code::Busy, message));
            }
            admitted = self.limiter.admit(request.priority, self.request_timeout) => admitted,
        };
        if request
            .permit
            .is_some_and(|permit| permit.time_left().is_zero())
        {
            return lost();
        }
        let slot = admitted.map_err(refused)?;
        Ok((slot, self.headers(span, request)?))
    }

    fn headers(&self, span: &CallSpan, request: &ApiRequest<'_>) -> Result<HeaderMap, CallError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(permit) = request.permit {
            headers.insert(FENCING_TOKEN, HeaderValue::from(permit.term().value()));
        }
        if let Some(key) = request.idempotency_key.and_then(|key| key.parse().ok()) {
            headers.insert(IDEMPOTENCY_KEY, key);
        }
        if let Some(token) = &self.token {
            let authorization = token.authorization().map_err(|error| {
                let (kind, code) = (ErrorKind::Credentials, Code::Credentials);
                CallError::new(kind, code, format!("not sent: {error}"))
            })?;
            headers.insert(AUTHORIZATION, authorization);
        }
        span.inject(&mut headers);
        Ok(headers)
    }

    async fn answered<R>(
        &self,
        span: &CallSpan,
        request: ApiRequest<'_>,
        headers: HeaderMap,
        read: impl FnOnce(&[u8]) -> Result<R, CallError>,
    ) -> Result<(Code, R), CallError> {
        let (verb, permit) = (request.verb, request.permit);
        let timeout = self.request_timeout;
        let timed_out = |what: String| CallError::new(ErrorKind::Timeout, Code::Timeout, what);
        let answer = tokio::select! {
            biased;
            answer = self.exchange(span, request, headers) => answer?,
            () = sleep(timeout) => return Err(timed_out(format!("no answer within {timeout:?}"))),
            () = over(permit) => return Err(timed_out("leadership ended before the answer".into())),
        };
        let value = answer.classify(self.profile, verb).and_then(read);
        match value {
            Ok(value) => Ok((Code::Status(answer.status), value)),
            Err(failure) => {
                if failure.kind == ErrorKind::Protocol && self.should_log(verb, "unknown_answer") {
                    let body = body::excerpt(&answer.body);
                    let (status, why) = (answer.status.as_u16(), &failure.message);
                    tracing::warn!(status, body, why, "an answer that the API does not know");
                }
                Err(failure)
            }
        }
    }

    async fn exchange(
        &self,
        span: &CallSpan,
        request: ApiRequest<'_>,
        headers: HeaderMap,
    ) -> Result<Response, CallError> {
        let response = self
            .client
            .post(request.address.clone())
            .headers(headers)
            .body(request.body)
            .send()
            .await
            .map_err(broken)?;
        let status = response.status();
        span.answered(status);
        let retry_after = retry_after::retry_after(response.headers(), SystemTime::now());
        let body = match body::read(response, request.limit).await {
            Ok(body) => body,
            // A failure's status says enough.
            Err(_) if !status.is_success() => Vec::new(),
            Err(BodyError::Lost(error)) => return Err(broken(error)),
            Err(BodyError::TooLarge) => {
                let limit = request.limit;
                if self.should_log(request.verb, "too_large_answer") {
                    tracing::warn!(limit, "an answer that is too large");
                }
                return Err(CallError::protocol(format!("{TOO_LARGE} {limit} bytes")));
            }
        };
        Ok(Response {
            status,
            retry_after,
            body,
        })
    }

    /// Whether a line about this is to be written.
    pub(super) fn should_log(&self, verb: Verb, reason: &'static str) -> bool {
        self.log_throttle.should_log(LogKey {
            cloud: Some(self.cloud.to_string()),
            operation: verb.as_str(),
            reason,
        })
    }

    /// Stays away for as long as the cloud asks.
    fn apply_retry_after(&self, failure: &CallError) {
        if let ErrorKind::Throttled {
            retry_after: Some(length),
        }
        | ErrorKind::Unavailable {
            retry_after: Some(length),
        } = failure.kind
        {
            self.limiter.cool_down(length);
            (self.observer)(&CallEvent::Paused {
                cloud: self.cloud.clone(),
                length,
            });
        }
    }
}

/// The message of an answer that is larger than allowed.
pub(super) const TOO_LARGE: &str = "the answer is larger than";

/// Completes when the permit has ended. A leadership that is renewed while the
/// call is under way moves that instant; one that is lost ends the call at once.
async fn over(permit: Option<&WritePermit>) {
    match permit {
        Some(permit) => permit.ended().await,
        None => std::future::pending().await,
    }
}

fn refused(refusal: Refusal) -> CallError {
    match refusal {
        Refusal::Busy => {
            let message = "not sent: too many calls are waiting";
            CallError::new(ErrorKind::Busy, Code::Busy, message)
        }
        Refusal::Paused(left) => {
            let retry_after = Some(left);
            let kind = ErrorKind::Throttled { retry_after };
            // Without the time that is left: what is said once need not be said again.
            CallError::new(kind, Code::Paused, "not sent: the cloud asked for a pause")
        }
    }
}

fn broken(error: reqwest::Error) -> CallError {
    let error = error.without_url();
    let (kind, code) = if error.is_connect() {
        (ErrorKind::Connect, Code::Connect)
    } else {
        (ErrorKind::ConnectionLost, Code::ConnectionLost)
    };
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        message.push_str(": ");
        message.push_str(&inner.to_string());
        cause = inner.source();
    }
    CallError::new(kind, code, body::excerpt(message.as_bytes()))
}
