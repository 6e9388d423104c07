//! The errors of a call, and whether a failed call may have had an effect.

use std::time::Duration;

use super::call::{Code, Operation, Verb};
use super::wire::ApiCode;
use crate::plan::naming::CloudName;
use crate::reason::Reason;

/// The error of a call.
#[derive(Debug, thiserror::Error)]
#[error("{operation}: {message}")]
pub struct CloudError {
    operation: Operation,
    kind: ErrorKind,
    code: Code,
    message: String,
    source: Option<reqwest::Error>,
}

/// The kind of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The cloud asks for fewer calls; the call had no effect.
    Throttled {
        /// The delay from the header `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// The cloud failed (5xx, `Unavailable`, `Internal`).
    Unavailable {
        /// The delay from the header `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// The cloud rejects the request, and would reject it again.
    Rejected(Rejection),
    /// The name belongs to a load balancer of another owner.
    NameTaken,
    /// Another change of the same load balancer is in progress.
    Conflict,
    /// The load balancer of an update does not exist.
    NotFound,
    /// The cloud has seen a later leadership term.
    Fenced,
    /// The cloud failed without a code.
    Unspecified,
    /// The response is a redirect, which the client does not follow.
    Redirected,
    /// No complete response in time.
    Timeout,
    /// No connection, so the request was not sent.
    Connect,
    /// The connection ended before the response was complete.
    ConnectionLost,
    /// The response does not match the API.
    Protocol,
    /// Not sent: too many calls were ahead.
    Busy,
    /// Not sent: our leadership had ended.
    LeadershipLost,
    /// Not sent: the bearer token could not be read.
    Credentials,
    /// Not sent: the cloud's API lacks what the request needs.
    Unsupported,
}

/// The cause of a rejection. A user or operator has to change something first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rejection {
    InvalidArgument,
    QuotaExceeded,
    PermissionDenied,
    Unauthenticated,
}

impl CloudError {
    /// A failed call. Users see `message` as it is.
    pub fn new(operation: Operation, kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            operation,
            kind,
            code: Code::from(kind),
            message: message.into(),
            source: None,
        }
    }

    /// The error with the code of the response.
    pub(super) fn with_code(mut self, code: Code) -> Self {
        self.code = code;
        self
    }

    pub(super) fn with_source(mut self, source: reqwest::Error) -> Self {
        self.source = Some(source);
        self
    }

    /// The cloud that was called.
    pub fn cloud(&self) -> &CloudName {
        &self.operation.cloud
    }

    pub fn verb(&self) -> Verb {
        self.operation.verb
    }

    /// The result of the call, as the label of a metric.
    pub(super) fn code(&self) -> Code {
        self.code
    }

    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The message for users: short, without control characters.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The delay that the cloud requested.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.kind {
            ErrorKind::Throttled { retry_after } | ErrorKind::Unavailable { retry_after } => {
                retry_after
            }
            _ => None,
        }
    }

    /// Whether a create, update or delete may have taken effect, or may still do so.
    /// Always false for a read.
    ///
    /// The outcome of an error without a code is unknown too, because the cloud may have
    /// failed at any point.
    pub fn outcome_unknown(&self) -> bool {
        let is_indefinite = matches!(
            self.kind,
            ErrorKind::Unavailable { .. }
                | ErrorKind::Unspecified
                | ErrorKind::Timeout
                | ErrorKind::ConnectionLost
                | ErrorKind::Protocol
        );
        self.verb().is_mutation() && is_indefinite
    }

    /// Whether a retry is useless until a user or operator changes something.
    pub fn is_terminal(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Rejected(_)
                | ErrorKind::NameTaken
                | ErrorKind::Credentials
                | ErrorKind::Unsupported
        )
    }

    /// Whether the owner of the Service can correct the cause, and nobody else: the cloud
    /// finds what the Service asks for invalid. Credentials, rights and quota are those of
    /// this installation.
    pub fn is_up_to_the_owner(&self) -> bool {
        matches!(self.verb(), Verb::Create | Verb::Update)
            && matches!(
                self.kind,
                ErrorKind::Rejected(Rejection::InvalidArgument) | ErrorKind::Unsupported
            )
    }

    pub fn reason(&self) -> Reason {
        self.kind.reason()
    }
}

impl ErrorKind {
    pub fn reason(&self) -> Reason {
        match self {
            ErrorKind::Throttled { .. } => Reason::CloudThrottled,
            ErrorKind::Unavailable { .. }
            | ErrorKind::Unspecified
            | ErrorKind::Redirected
            | ErrorKind::Connect
            | ErrorKind::ConnectionLost => Reason::CloudUnavailable,
            ErrorKind::Rejected(rejection) => match rejection {
                Rejection::InvalidArgument => Reason::CloudRejected,
                Rejection::QuotaExceeded => Reason::Quota,
                Rejection::PermissionDenied | Rejection::Unauthenticated => Reason::CloudDenied,
            },
            ErrorKind::Credentials => Reason::CloudDenied,
            ErrorKind::NameTaken | ErrorKind::Conflict | ErrorKind::NotFound => Reason::Conflict,
            ErrorKind::Timeout | ErrorKind::Busy => Reason::Timeout,
            ErrorKind::Protocol => Reason::Protocol,
            ErrorKind::Fenced | ErrorKind::LeadershipLost => Reason::Fenced,
            ErrorKind::Unsupported => Reason::Unsupported,
        }
    }
}

/// The code of an error that no code or status of the cloud describes better.
impl From<ErrorKind> for Code {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            // A call that a cooldown kept from being sent.
            ErrorKind::Throttled { .. } => Self::Paused,
            ErrorKind::Unavailable { .. } => Self::Api(ApiCode::Unavailable),
            ErrorKind::Rejected(rejection) => Self::Api(match rejection {
                Rejection::InvalidArgument => ApiCode::InvalidArgument,
                Rejection::QuotaExceeded => ApiCode::QuotaExceeded,
                Rejection::PermissionDenied => ApiCode::PermissionDenied,
                Rejection::Unauthenticated => ApiCode::Unauthenticated,
            }),
            ErrorKind::NameTaken => Self::Api(ApiCode::AlreadyExists),
            ErrorKind::Conflict => Self::Api(ApiCode::Conflict),
            ErrorKind::NotFound => Self::Api(ApiCode::NotFound),
            ErrorKind::Fenced => Self::Api(ApiCode::FailedPrecondition),
            ErrorKind::Timeout => Self::Timeout,
            ErrorKind::Connect => Self::Connect,
            ErrorKind::ConnectionLost => Self::ConnectionLost,
            ErrorKind::Protocol => Self::Protocol,
            ErrorKind::Busy => Self::Busy,
            ErrorKind::LeadershipLost => Self::LeadershipLost,
            ErrorKind::Credentials => Self::Credentials,
            ErrorKind::Unspecified | ErrorKind::Redirected | ErrorKind::Unsupported => {
                Self::Unspecified
            }
        }
    }
}
