//! One call: its slot, its request, its response, and its observation.

use std::time::{Duration, SystemTime};

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Url};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::body::{self, BodyError};
use super::call::{Call, CallEvent, CallObserver, Code, InFlight, Operation, Verb};
use super::error::{CloudError, ErrorKind};
use super::limiter::{Limiter, Refusal};
use super::response::Response;
use super::retry_after::RetryAfter;
use super::span::CallSpan;
use super::token::TokenFile;
use super::{Profile, retry_after};
use crate::election::WritePermit;
use crate::error_chain::with_causes;
use crate::plan::naming::CloudName;
use crate::priority::{Priority, PriorityPermit};
use crate::telemetry::log_throttle::{LogKey, LogThrottle};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const FENCING_TOKEN: HeaderName = HeaderName::from_static("fencing-token");

/// The client of one cloud's API.
pub(super) struct ApiClient {
    pub(super) cloud: CloudName,
    pub(super) profile: Profile,
    pub(super) request_timeout: Duration,
    pub(super) client: Client,
    pub(super) limiter: Limiter,
    pub(super) token: Option<TokenFile>,
    pub(super) observer: CallObserver,
    /// Cancelled when no call may be sent any more.
    pub(super) stopping: CancellationToken,
    pub(super) log_throttle: LogThrottle,
}

/// A request to send.
pub(super) struct ApiRequest<'a> {
    pub(super) verb: Verb,
    pub(super) address: &'a Url,
    pub(super) priority: Priority,
    /// Required for a mutation.
    pub(super) permit: Option<&'a WritePermit>,
    /// Sent with a create.
    pub(super) idempotency_key: Option<&'a str>,
    pub(super) body: Vec<u8>,
    /// Maximum size of the response in bytes.
    pub(super) limit: usize,
}

/// The result of a call.
struct CallOutcome<R> {
    code: Code,
    /// Duration from the slot to the end; `None` if the call was not sent.
    took: Option<Duration>,
    result: Result<R, CloudError>,
}

impl ApiClient {
    /// Waits for a slot, sends the request, and reads a successful response.
    pub(super) async fn call<R>(
        &self,
        span: CallSpan,
        request: ApiRequest<'_>,
        read: impl FnOnce(&[u8]) -> Result<R, CloudError>,
    ) -> Result<R, CloudError> {
        let outcome = span.run(self.observed(&span, request, read)).await;
        let CallOutcome { code, took, result } = outcome;
        span.end(code.as_str(), took, result.as_ref().err());
        result
    }

    pub(super) fn operation(&self, verb: Verb) -> Operation {
        let cloud = self.cloud.clone();
        Operation { cloud, verb }
    }

    pub(super) fn error(
        &self,
        verb: Verb,
        kind: ErrorKind,
        message: impl Into<String>,
    ) -> CloudError {
        CloudError::new(self.operation(verb), kind, message)
    }

    async fn observed<R>(
        &self,
        span: &CallSpan,
        request: ApiRequest<'_>,
        read: impl FnOnce(&[u8]) -> Result<R, CloudError>,
    ) -> CallOutcome<R> {
        let (verb, began) = (request.verb, Instant::now());
        let (_slot, headers) = match self.admit(span, &request).await {
            Ok(admitted) => admitted,
            Err(error) => {
                let code = error.code();
                (self.observer)(&CallEvent::NotSent(Call {
                    cloud: self.cloud.clone(),
                    verb,
                    code,
                    waited: began.elapsed(),
                    took: Duration::ZERO,
                }));
                return CallOutcome {
                    code,
                    took: None,
                    result: Err(error),
                };
            }
        };
        span.sent();
        let in_flight = InFlight::start(&self.observer, &self.cloud, verb, began.elapsed());
        let (code, result) = match self.send(span, request, headers, read).await {
            Ok((code, value)) => (code, Ok(value)),
            Err(error) => (error.code(), Err(error)),
        };
        if let Err(error) = &result {
            self.apply_retry_after(error);
        }
        CallOutcome {
            code,
            took: Some(in_flight.finish(code)),
            result,
        }
    }

    /// Waits for a slot. The permit to write is checked last.
    async fn admit(
        &self,
        span: &CallSpan,
        request: &ApiRequest<'_>,
    ) -> Result<(PriorityPermit, HeaderMap), CloudError> {
        let error = |kind, message| self.error(request.verb, kind, message);
        let lost = || error(ErrorKind::LeadershipLost, "not sent: leadership ended");
        let admitted = tokio::select! {
            biased;
            () = ended(request.permit) => return Err(lost()),
            () = self.stopping.cancelled() => {
                return Err(error(ErrorKind::Busy, "not sent: the process is stopping"));
            }
            admitted = self.limiter.admit(request.priority, self.request_timeout) => admitted,
        };
        if request
            .permit
            .is_some_and(|permit| permit.time_left().is_zero())
        {
            return Err(lost());
        }
        let slot = admitted.map_err(|refusal| match refusal {
            Refusal::Busy => error(ErrorKind::Busy, "not sent: too many calls are waiting"),
            Refusal::Paused(left) => {
                let retry_after = Some(left);
                // The remaining time is left out, so that the message stays the same.
                let message = "not sent: calls to the cloud are paused by its Retry-After";
                error(ErrorKind::Throttled { retry_after }, message)
            }
        })?;
        Ok((slot, self.headers(span, request)?))
    }

    fn headers(&self, span: &CallSpan, request: &ApiRequest<'_>) -> Result<HeaderMap, CloudError> {
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
                let message = format!("not sent: {error}");
                self.error(request.verb, ErrorKind::Credentials, message)
            })?;
            headers.insert(AUTHORIZATION, authorization);
        }
        span.inject(&mut headers);
        Ok(headers)
    }

    async fn send<R>(
        &self,
        span: &CallSpan,
        request: ApiRequest<'_>,
        headers: HeaderMap,
        read: impl FnOnce(&[u8]) -> Result<R, CloudError>,
    ) -> Result<(Code, R), CloudError> {
        let (verb, permit) = (request.verb, request.permit);
        let timeout = self.request_timeout;
        let timed_out = |message: String| self.error(verb, ErrorKind::Timeout, message);
        let response = tokio::select! {
            biased;
            response = self.exchange(span, request, headers) => response?,
            () = sleep(timeout) => return Err(timed_out(format!("no response within {timeout:?}"))),
            () = ended(permit) => return Err(timed_out("leadership ended before the response".into())),
        };
        let value = self.answered(verb, &response, read)?;
        Ok((Code::Status(response.status), value))
    }

    /// Classifies a response, and reads the body of a successful one.
    pub(super) fn answered<R>(
        &self,
        verb: Verb,
        response: &Response,
        read: impl FnOnce(&[u8]) -> Result<R, CloudError>,
    ) -> Result<R, CloudError> {
        let operation = self.operation(verb);
        let value = response.classify(self.profile, &operation).and_then(read);
        if let Err(error) = &value
            && error.kind() == ErrorKind::Protocol
            && self.should_log(verb, "unknown_answer")
        {
            let body = body::excerpt(&response.body);
            let (status, error) = (response.status.as_u16(), error.message());
            tracing::warn!(
                status,
                body,
                error,
                "the cloud's response does not match the API"
            );
        }
        value
    }

    async fn exchange(
        &self,
        span: &CallSpan,
        request: ApiRequest<'_>,
        headers: HeaderMap,
    ) -> Result<Response, CloudError> {
        let verb = request.verb;
        let response = self
            .client
            .post(request.address.clone())
            .headers(headers)
            .body(request.body)
            .send()
            .await
            .map_err(|error| self.transport_error(verb, error))?;
        let status = response.status();
        span.responded(status);
        let retry_after = self.retry_after(verb, response.headers());
        let body = match body::read(response, request.limit).await {
            Ok(body) => body,
            // The status is enough for a failure.
            Err(_) if !status.is_success() => Vec::new(),
            Err(BodyError::Lost(error)) => return Err(self.transport_error(verb, error)),
            Err(BodyError::TooLarge) => {
                let limit = request.limit;
                if self.should_log(verb, "too_large_answer") {
                    tracing::warn!(limit, "the cloud's response exceeds the size limit");
                }
                let message = format!("{TOO_LARGE} {limit} bytes");
                return Err(self.error(verb, ErrorKind::Protocol, message));
            }
        };
        Ok(Response {
            status,
            retry_after,
            body,
        })
    }

    /// The delay that a response of any status asks for.
    fn retry_after(&self, verb: Verb, headers: &HeaderMap) -> Option<Duration> {
        let RetryAfter {
            delay,
            shortened_from,
        } = retry_after::retry_after(headers, SystemTime::now())?;
        if let Some(requested) = shortened_from
            && self.should_log(verb, "long_retry_after")
        {
            tracing::warn!(
                ?requested,
                "the cloud sent a Retry-After of more than an hour, which counts as an hour"
            );
        }
        Some(delay)
    }

    /// Whether to log a line with this reason.
    pub(super) fn should_log(&self, verb: Verb, reason: &'static str) -> bool {
        self.log_throttle.should_log(LogKey {
            cloud: Some(self.cloud.to_string()),
            operation: verb.as_str(),
            reason,
        })
    }

    /// Starts the cooldown that the cloud requested.
    fn apply_retry_after(&self, error: &CloudError) {
        if let Some(length) = error.retry_after() {
            self.limiter.cool_down(length);
            (self.observer)(&CallEvent::Paused {
                cloud: self.cloud.clone(),
                length,
            });
        }
    }

    fn transport_error(&self, verb: Verb, error: reqwest::Error) -> CloudError {
        let error = error.without_url();
        let kind = if error.is_connect() {
            ErrorKind::Connect
        } else {
            ErrorKind::ConnectionLost
        };
        let message = body::excerpt(with_causes(&error).as_bytes());
        self.error(verb, kind, message).with_source(error)
    }
}

/// The start of the message about a response that is larger than allowed.
pub(super) const TOO_LARGE: &str = "the response is larger than";

/// Completes when the permit ends. A renewal of the leadership during the call
/// postpones that; a lost leadership ends the call at once.
async fn ended(permit: Option<&WritePermit>) {
    match permit {
        Some(permit) => permit.ended().await,
        None => std::future::pending().await,
    }
}
