//! The errors of requests to the API server.

use std::time::Duration;

use crate::election::LeadershipLost;
use crate::plan::excerpt;

/// Maximum size in bytes of a message of the API server that is repeated: half of what a
/// condition may have.
const STATUS_LIMIT: usize = excerpt::MESSAGE_LIMIT / 2;

/// A failed request to the API server, classified.
#[derive(Debug, thiserror::Error)]
pub enum KubernetesError {
    /// The object has changed since the read (409).
    #[error("the object was modified by another client in the meantime")]
    Conflict,
    /// The object does not exist (404).
    #[error("the object does not exist any more")]
    Gone,
    /// The ServiceAccount lacks a permission (401, 403); an operator has to grant it.
    #[error("the API server denied the request: {0} (compare the rules in deploy/rbac.yaml)")]
    Forbidden(String),
    /// The API server rejected the request (400, 422), or its response is unreadable.
    #[error("the API server rejected the request: {0}")]
    Rejected(String),
    /// The API server asked to retry later (429, 503 with a delay).
    #[error("the API server asked to retry after {0:?}")]
    Throttled(Duration),
    /// No response in time; a write may have taken effect.
    #[error("the API server did not respond within {0:?}")]
    Timeout(Duration),
    /// No connection, or an error of the server; a write may have taken effect.
    #[error("the API server is unavailable: {0}")]
    Unavailable(String),
    /// The leadership ended before the write was sent.
    #[error(transparent)]
    NotLeader(#[from] LeadershipLost),
}

impl KubernetesError {
    /// The code for metrics, from a closed set.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Gone => "gone",
            Self::Forbidden(_) => "forbidden",
            Self::Rejected(_) => "rejected",
            Self::Throttled(_) => "throttled",
            Self::Timeout(_) => "timeout",
            Self::Unavailable(_) => "unavailable",
            Self::NotLeader(_) => "not_leader",
        }
    }
}

impl From<kube::Error> for KubernetesError {
    fn from(error: kube::Error) -> Self {
        let kube::Error::Api(status) = &error else {
            return match error {
                kube::Error::SerdeError(error) => Self::Rejected(error.to_string()),
                other => Self::Unavailable(other.to_string()),
            };
        };
        let delay = status
            .details
            .as_ref()
            .map(|details| details.retry_after_seconds)
            .filter(|seconds| *seconds > 0);
        // It repeats values of users, and the text of webhooks.
        let message = excerpt::message(&status.message, STATUS_LIMIT).into_owned();
        match status.code {
            409 => Self::Conflict,
            404 => Self::Gone,
            401 | 403 => Self::Forbidden(message),
            400 | 405 | 413 | 415 | 422 => Self::Rejected(message),
            _ => match delay {
                Some(seconds) => Self::Throttled(Duration::from_secs(u64::from(seconds))),
                None => Self::Unavailable(message),
            },
        }
    }
}
