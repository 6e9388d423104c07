//! Why the cloud refuses a call.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The API's error codes: a closed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Code {
    /// There is no such load balancer.
    NotFound,
    /// The name belongs to another owner.
    AlreadyExists,
    /// The request cannot be carried out as written.
    InvalidArgument,
    /// No more load balancers or addresses.
    QuotaExceeded,
    /// The caller may not do this.
    PermissionDenied,
    /// The caller has no valid token.
    Unauthenticated,
    /// Too many calls.
    Throttled,
    /// The load balancer is in a state that does not allow this.
    Conflict,
    /// The caller's fencing token is older than one seen before.
    FailedPrecondition,
    /// The cloud is not available at the moment.
    Unavailable,
    /// The cloud failed.
    Internal,
}

impl Code {
    pub const ALL: [Self; 11] = [
        Self::NotFound,
        Self::AlreadyExists,
        Self::InvalidArgument,
        Self::QuotaExceeded,
        Self::PermissionDenied,
        Self::Unauthenticated,
        Self::Throttled,
        Self::Conflict,
        Self::FailedPrecondition,
        Self::Unavailable,
        Self::Internal,
    ];

    /// The HTTP status that matches.
    pub fn status(self) -> u16 {
        match self {
            Self::NotFound => 404,
            Self::AlreadyExists | Self::Conflict => 409,
            Self::InvalidArgument => 400,
            Self::Unauthenticated => 401,
            Self::QuotaExceeded | Self::PermissionDenied => 403,
            Self::Throttled => 429,
            Self::FailedPrecondition => 412,
            Self::Unavailable => 503,
            Self::Internal => 500,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, formatter)
    }
}

/// A refused call: nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: Code,
    /// Why, for people.
    pub(super) message: String,
}

impl Refusal {
    /// A refusal with this reason.
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// The request cannot be carried out as written.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    /// There is no load balancer with this id or name.
    pub(super) fn not_found(which: &str) -> Self {
        Self::new(Code::NotFound, format!("load balancer {which:?} not found"))
    }
}
