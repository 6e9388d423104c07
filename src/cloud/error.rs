//! What can go wrong with a call, and what that says of its effect.

use std::time::Duration;

use super::call::{Code, Operation, Verb};
use super::wire::ApiCode;
use crate::plan::naming::CloudName;
use crate::reason::Reason;

/// A call that did not succeed.
#[derive(Debug, thiserror::Error)]
#[error("{operation}: {message}")]
pub struct CloudError {
    operation: Operation,
    kind: ErrorKind,
    code: Code,
    message: String,
    source: Option<reqwest::Error>,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The cloud asks for fewer calls; nothing was done.
    Throttled {
        /// How long to stay away, if the cloud said so.
        retry_after: Option<Duration>,
    },
    /// The cloud failed (5xx, `Unavailable`, `Internal`).
    Unavailable {
        /// How long to stay away, if the cloud said so.
        retry_after: Option<Duration>,
    },
    /// The cloud will not do this however often it is asked.
    Rejected(Rejection),
    /// The name belongs to somebody else's load balancer.
    NameTaken,
    /// Another change of the same load balancer is under way.
    Conflict,
    /// There is no such load balancer (of an update).
    NotFound,
    /// The cloud has seen a later leadership term than ours.
    Fenced,
    /// The cloud failed and did not say how.
    Unspecified,
    /// The cloud answered with a redirect, which is not followed.
    Redirected,
    /// No whole answer in time.
    Timeout,
    /// No connection; nothing was sent.
    Connect,
    /// The connection ended before the whole answer was there.
    ConnectionLost,
    /// An answer that the API does not know.
    Protocol,
    /// Not sent: too many calls before this one.
    Busy,
    /// Not sent: our leadership had ended.
    LeadershipLost,
    /// Not sent: the bearer token could not be read.
    Credentials,
    /// Not sent: the cloud's API lacks what the request needs.
    Unsupported,
}

/// Why a cloud will not do something. A person has to change something first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rejection {
    /// The request is wrong.
    InvalidArgument,
    /// The account has used up what it may have.
    QuotaExceeded,
    /// The account may not do this.
    PermissionDenied,
    /// The cloud does not know who we are.
    Unauthenticated,
}

impl CloudError {
    /// A failed call. `message` is shown to people as it is.
    pub fn new(operation: Operation, kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            operation,
            kind,
            code: Code::from(kind),
            message: message.into(),
            source: None,
        }
    }

    /// As answered with this code.
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

    /// How the call ended, as a metric's label.
    pub(super) fn code(&self) -> Code {
        self.code
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What went wrong, for people: short, without control characters.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// How long the cloud asked us to stay away.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.kind {
            ErrorKind::Throttled { retry_after } | ErrorKind::Unavailable { retry_after } => {
                retry_after
            }
            _ => None,
        }
    }

    /// Whether a create, update or delete may have taken effect, or may still
    /// do so. Never of a read.
    ///
    /// An error without a code counts as unknown too: it tells nothing of how
    /// far the cloud had come.
    pub fn outcome_unknown(&self) -> bool {
        let answered_nothing_definite = matches!(
            self.kind,
            ErrorKind::Unavailable { .. }
                | ErrorKind::Unspecified
                | ErrorKind::Timeout
                | ErrorKind::ConnectionLost
                | ErrorKind::Protocol
        );
        self.verb().is_mutation() && answered_nothing_definite
    }

    /// Whether repeating the same request is useless until a person changes
    /// something.
    pub fn is_terminal(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Rejected(_) | ErrorKind::NameTaken | ErrorKind::Unsupported
        )
    }

    /// Its reason.
    pub fn reason(&self) -> Reason {
        self.kind.reason()
    }
}

impl ErrorKind {
    /// Its reason.
    pub fn reason(&self) -> Reason {
        match self {
            ErrorKind::Throttled { .. } => Reason::CloudThrottled,
            ErrorKind::Unavailable { .. }
            | ErrorKind::Unspecified
            | ErrorKind::Redirected
            | ErrorKind::Connect
            | ErrorKind::ConnectionLost => Reason::CloudUnavailable,
            ErrorKind::Rejected(Rejection::QuotaExceeded) => Reason::Quota,
            ErrorKind::Rejected(_) | ErrorKind::Credentials => Reason::CloudRejected,
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
