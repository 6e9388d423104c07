//! The errors of requests to the API server.

use std::time::Duration;

use crate::election::LeadershipLost;
use crate::error_chain::{bounded, with_causes};

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
    /// The object has values that cannot be read, so a patch might destroy what others wrote.
    #[error("the Service is not changed because its fields {0} cannot be read")]
    Unreadable(String),
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
            Self::Unreadable(_) => "unreadable",
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
                kube::Error::SerdeError(error) => Self::Rejected(with_causes(&error)),
                other => Self::Unavailable(with_causes(&other)),
            };
        };
        let delay = status
            .details
            .as_ref()
            .map(|details| details.retry_after_seconds)
            .filter(|seconds| *seconds > 0);
        // The message may repeat the whole object.
        let message = bounded(&status.message);
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

/// Limits the time of a request, because the client has no read timeout.
///
/// # Errors
/// The request failed, or was not answered within the deadline.
pub async fn within<T>(
    deadline: Duration,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, KubernetesError> {
    match tokio::time::timeout(deadline, request).await {
        Ok(result) => result.map_err(KubernetesError::from),
        Err(_) => Err(KubernetesError::Timeout(deadline)),
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;
    use crate::error_chain::LONGEST;

    /// kube-apiserver repeats the object when it refuses a merge patch.
    #[test]
    fn no_message_of_the_api_server_is_repeated_in_full() {
        let object = format!("{{\"metadata\":\n{}}}", "x".repeat(300_000));
        let refusal = format!(" \"\" is invalid: patch: Invalid value: {object:?}: no such time");
        for code in [400, 401, 403, 422, 500, 503] {
            let status = Status::failure(&refusal, "Refused").with_code(code);
            let error = KubernetesError::from(kube::Error::Api(status.boxed()));
            let text = error.to_string();
            assert!(text.contains("no such time"), "{code}: {text}");
            assert!(!text.contains('\n'), "{code}: {text}");
            assert!(text.chars().count() < LONGEST + 100, "{code}: {text}");
        }
    }
}
