//! Whether an answer is a success, and if not, which error it is.
//!
//! A code of the API wins over the status, a status over nothing. What an
//! answer says of a load balancer (that there is none, that its name is taken,
//! that the request is wrong) is believed only from the API itself, that is
//! with its `err`: a gateway that answers 404 with a page of its own must not
//! make us forget a load balancer.

use std::time::Duration;

use http::StatusCode;

use super::Profile;
use super::body::excerpt;
use super::call::{Code, Verb};
use super::error::{ErrorKind, Rejection};
use super::wire::{ApiCode, ErrorBody};

/// Why a call did not succeed, before it is known whose call it was.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CallError {
    pub(super) kind: ErrorKind,
    pub(super) code: Code,
    pub(super) message: String,
}

impl CallError {
    pub(super) fn new(kind: ErrorKind, code: Code, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            kind,
            code,
            message,
        }
    }

    pub(super) fn protocol(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Protocol, Code::Protocol, message)
    }
}

/// An answer, read but not understood.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Vec<u8>,
}

impl Response {
    /// Gives the body of a success.
    pub(super) fn classify(&self, profile: Profile, verb: Verb) -> Result<&[u8], CallError> {
        let verdict = serde_json::from_slice::<ErrorBody>(&self.body).ok();
        let err = verdict.as_ref().and_then(|verdict| verdict.err.as_deref());
        let code = verdict
            .as_ref()
            .and_then(|verdict| verdict.code.as_deref())
            .and_then(|code| code.parse::<ApiCode>().ok());
        let text = excerpt(err.unwrap_or_default().as_bytes());
        if let Some(code) = code {
            let kind = self.kind_of_code(code);
            return Err(CallError::new(kind, Code::Api(code), label(code, &text)));
        }
        match (self.status.is_success(), err) {
            (true, Some("")) => Ok(&self.body),
            (true, Some(err)) if profile == Profile::Basic && is_not_found_text(err) => {
                let code = Code::Api(ApiCode::NotFound);
                Err(CallError::new(ErrorKind::NotFound, code, text))
            }
            (true, Some(_)) => {
                let (kind, code) = (ErrorKind::Unspecified, Code::Unspecified);
                Err(CallError::new(kind, code, text))
            }
            (true, None) => Err(CallError::protocol("the answer is not JSON with err")),
            (false, err) => Err(self.failed_status(verb, err.filter(|err| !err.is_empty()))),
        }
    }

    fn kind_of_code(&self, code: ApiCode) -> ErrorKind {
        let retry_after = self.retry_after;
        match code {
            ApiCode::NotFound => ErrorKind::NotFound,
            ApiCode::AlreadyExists => ErrorKind::NameTaken,
            ApiCode::InvalidArgument => ErrorKind::Rejected(Rejection::InvalidArgument),
            ApiCode::QuotaExceeded => ErrorKind::Rejected(Rejection::QuotaExceeded),
            ApiCode::PermissionDenied => ErrorKind::Rejected(Rejection::PermissionDenied),
            ApiCode::Unauthenticated => ErrorKind::Rejected(Rejection::Unauthenticated),
            ApiCode::Throttled => ErrorKind::Throttled { retry_after },
            ApiCode::Conflict => ErrorKind::Conflict,
            ApiCode::FailedPrecondition => ErrorKind::Fenced,
            ApiCode::Unavailable => ErrorKind::Unavailable { retry_after },
            ApiCode::Internal => ErrorKind::Unavailable { retry_after: None },
        }
    }

    fn failed_status(&self, verb: Verb, err: Option<&str>) -> CallError {
        let kind = match (self.status.as_u16(), err) {
            (401, _) => ErrorKind::Rejected(Rejection::Unauthenticated),
            (403, _) => ErrorKind::Rejected(Rejection::PermissionDenied),
            (429, _) => ErrorKind::Throttled {
                retry_after: self.retry_after,
            },
            (503, _) => ErrorKind::Unavailable {
                retry_after: self.retry_after,
            },
            // 408: the cloud gave up reading or working, which it was is open.
            (408 | 500..=599, _) => ErrorKind::Unavailable { retry_after: None },
            (300..=399, _) => ErrorKind::Redirected,
            (404, Some(_)) => ErrorKind::NotFound,
            (409, Some(_)) if verb == Verb::Create => ErrorKind::NameTaken,
            (409, Some(_)) => ErrorKind::Conflict,
            (400 | 422, Some(_)) => ErrorKind::Rejected(Rejection::InvalidArgument),
            (400 | 404 | 409 | 422, None) => {
                return CallError::protocol(format!("HTTP {} without err", self.status.as_u16()));
            }
            _ => ErrorKind::Unspecified,
        };
        let text = excerpt(err.unwrap_or_default().as_bytes());
        let message = label(format!("HTTP {}", self.status.as_u16()), &text);
        CallError::new(kind, Code::Status(self.status), message)
    }
}

fn label(what: impl std::fmt::Display, text: &str) -> String {
    if text.is_empty() {
        return what.to_string();
    }
    format!("{what}: {text}")
}

/// Whether an error text of a cloud without codes says "not found", in any
/// spelling: `LB not found`, `NotFound`, `lb_not_found`.
fn is_not_found_text(err: &str) -> bool {
    let letters = err.chars().filter(|letter| letter.is_alphanumeric());
    let squeezed: String = letters.map(|letter| letter.to_ascii_lowercase()).collect();
    squeezed.contains("notfound")
}

#[cfg(test)]
mod tests;
