//! Classifies a response: success, or the kind of its error.
//!
//! A code of the API takes precedence over the status. A statement about a load
//! balancer (it does not exist, its name is taken, the request is invalid) counts only
//! if the API itself made it, that is with the field `err`: the 404 page of a gateway
//! must not make the controller forget a load balancer.

use std::time::Duration;

use http::StatusCode;

use super::Profile;
use super::body::excerpt;
use super::call::{Code, Operation, Verb};
use super::error::{CloudError, ErrorKind, Rejection};
use super::wire::{ApiCode, ErrorBody, Object};

/// A response that is read but not yet classified.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Vec<u8>,
}

impl Response {
    /// Returns the body of a successful call.
    ///
    /// # Errors
    /// The response is an error, or is not from the API.
    pub(super) fn classify(
        &self,
        profile: Profile,
        operation: &Operation,
    ) -> Result<&[u8], CloudError> {
        let fields = serde_json::from_slice::<Object<ErrorBody<'_>>>(&self.body);
        let fields = fields.map(|Object(fields)| fields).ok();
        let err = fields.as_ref().and_then(|fields| fields.err.as_deref());
        let code = fields.as_ref().and_then(ErrorBody::code);
        let text = excerpt(err.unwrap_or_default().as_bytes());
        let error = |kind, message| CloudError::new(operation.clone(), kind, message);
        if let Some(code) = code {
            let error = error(self.kind_of_code(code), label(code, &text));
            return Err(error.with_code(Code::Api(code)));
        }
        match (self.status.is_success(), err) {
            (true, Some("")) => Ok(&self.body),
            (true, Some(err)) if profile == Profile::Basic && is_not_found_text(err) => {
                Err(error(ErrorKind::NotFound, text))
            }
            (true, Some(_)) => Err(error(ErrorKind::Unspecified, text)),
            (true, None) => {
                let message = "the response is not JSON with the field err".to_owned();
                Err(error(ErrorKind::Protocol, message))
            }
            (false, err) => {
                let err = err.filter(|err| !err.is_empty());
                match self.kind_of_status(operation.verb, err) {
                    ErrorKind::Protocol => {
                        let message =
                            format!("HTTP {} without the field err", self.status.as_u16());
                        Err(error(ErrorKind::Protocol, message))
                    }
                    kind => {
                        let text = excerpt(err.unwrap_or_default().as_bytes());
                        let message = label(format!("HTTP {}", self.status.as_u16()), &text);
                        Err(error(kind, message).with_code(Code::Status(self.status)))
                    }
                }
            }
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

    fn kind_of_status(&self, verb: Verb, err: Option<&str>) -> ErrorKind {
        let retry_after = self.retry_after;
        match (self.status.as_u16(), err) {
            (401, _) => ErrorKind::Rejected(Rejection::Unauthenticated),
            (403, _) => ErrorKind::Rejected(Rejection::PermissionDenied),
            (429, _) => ErrorKind::Throttled { retry_after },
            // A server without this call, which came later than the others.
            (404 | 405 | 501, None) if verb == Verb::Capabilities => ErrorKind::Unsupported,
            (405 | 501, Some(_)) if verb == Verb::Capabilities => ErrorKind::Unsupported,
            (503, _) => ErrorKind::Unavailable { retry_after },
            // 408: the cloud stopped reading the request or working on it; it is unknown which.
            (408 | 500..=599, _) => ErrorKind::Unavailable { retry_after: None },
            (300..=399, _) => ErrorKind::Redirected,
            (404, Some(_)) => ErrorKind::NotFound,
            (409, Some(_)) if verb == Verb::Create => ErrorKind::NameTaken,
            (409, Some(_)) => ErrorKind::Conflict,
            (400 | 422, Some(_)) => ErrorKind::Rejected(Rejection::InvalidArgument),
            // The page of a gateway, not a response of the API.
            (400 | 404 | 409 | 422, None) => ErrorKind::Protocol,
            _ => ErrorKind::Unspecified,
        }
    }
}

fn label(code: impl std::fmt::Display, text: &str) -> String {
    if text.is_empty() {
        return code.to_string();
    }
    format!("{code}: {text}")
}

/// Whether the error text of a cloud without codes contains "not found", in any
/// spelling: `LB not found`, `NotFound`, `lb_not_found`.
fn is_not_found_text(err: &str) -> bool {
    let letters = err.chars().filter(|letter| letter.is_alphanumeric());
    let squeezed: String = letters.map(|letter| letter.to_ascii_lowercase()).collect();
    squeezed.contains("notfound")
}

#[cfg(test)]
mod tests;
