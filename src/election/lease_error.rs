//! What goes wrong between us and the API server, in words that help.

use std::mem::{Discriminant, discriminant};

use kube_leader_election::Error as LockError;

use super::lease_layer::LayerError;

/// Why a try did not come to a result. All of it is retried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum LeaseError {
    #[error(
        "the API server forbids it: {0}. The ServiceAccount needs get, list, watch and patch on this Lease, and create on leases in its namespace"
    )]
    Forbidden(String),
    #[error("the namespace of the Lease does not exist: {0}")]
    NoNamespace(String),
    #[error("the API server refused it with {code}: {message}")]
    Refused { code: u16, message: String },
    #[error("the API server cannot be reached: {0}")]
    Unreachable(String),
    #[error("the API server gave an answer that makes no sense: {0}")]
    Nonsense(String),
}

/// Why kube-leader-election gave up on one try.
#[derive(Debug)]
pub(super) enum AttemptError {
    /// Another wrote the Lease between our read and our write.
    Conflict,
    /// There is no Lease to write.
    Absent,
    /// Another holds it.
    HeldBy(String),
    /// Anything else.
    Lease(LeaseError),
}

impl From<LeaseError> for AttemptError {
    fn from(error: LeaseError) -> Self {
        Self::Lease(error)
    }
}

impl From<LockError> for AttemptError {
    fn from(error: LockError) -> Self {
        match error {
            LockError::ApiError { response } => from_status(&response),
            // Creating cannot miss the Lease: it is the namespace that is missing.
            LockError::CreateLease(kube::Error::Api(status)) if status.code == 404 => {
                LeaseError::NoNamespace(status.message).into()
            }
            LockError::GetLease(error)
            | LockError::CreateLease(error)
            | LockError::AcquireLease(error)
            | LockError::RenewLease(error)
            | LockError::ReleaseLease(error)
            | LockError::Kube(error) => from_client(error),
            LockError::ReleaseLockWhenNotLeading { leader } => Self::HeldBy(leader),
            LockError::TraverseLease { .. }
            | LockError::SerdeError(_)
            | LockError::JiffError(_) => LeaseError::Nonsense(error.to_string()).into(),
        }
    }
}

fn from_status(status: &kube::core::Status) -> AttemptError {
    let message = status.message.clone();
    match status.code {
        404 => AttemptError::Absent,
        409 => AttemptError::Conflict,
        403 => LeaseError::Forbidden(message).into(),
        code => LeaseError::Refused { code, message }.into(),
    }
}

/// Of an error of the client, not of the API.
pub(super) fn from_client(error: kube::Error) -> AttemptError {
    match error {
        kube::Error::Api(status) => from_status(&status),
        kube::Error::SerdeError(error) => LeaseError::Nonsense(error.to_string()).into(),
        kube::Error::Service(error) => match error.downcast_ref::<LayerError>() {
            Some(LayerError::HolderMayLive { holder }) => AttemptError::HeldBy(holder.clone()),
            Some(error @ LayerError::VersionNotANumber(_)) => {
                LeaseError::Nonsense(error.to_string()).into()
            }
            _ => LeaseError::Unreachable(with_causes(&*error)).into(),
        },
        error => LeaseError::Unreachable(with_causes(&error)).into(),
    }
}

/// "client error (Connect)" alone helps nobody.
fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

/// Says what is wrong once, not every two seconds.
#[derive(Debug)]
pub(super) struct LeaseErrorLog {
    /// What is being tried, and on which Lease.
    task: String,
    last: Option<(Discriminant<LeaseError>, Option<String>)>,
}

impl LeaseErrorLog {
    pub(super) fn new(task: impl Into<String>) -> Self {
        Self {
            task: task.into(),
            last: None,
        }
    }

    /// Logs the error if it differs from the last; true if it did.
    pub(super) fn failed(&mut self, error: &LeaseError) -> bool {
        // The words for an unreachable API server differ from try to try.
        let words = match error {
            LeaseError::Unreachable(_) => None,
            other => Some(other.to_string()),
        };
        let now = Some((discriminant(error), words));
        let changed = self.last != now;
        if changed {
            tracing::warn!(error = %error, "{} fails; it is tried again and again", self.task);
            self.last = now;
        }
        changed
    }

    /// Logs that it works again, if it did not.
    pub(super) fn works(&mut self) {
        if self.last.take().is_some() {
            tracing::info!("{} works again", self.task);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_logged_once_per_change() {
        let mut log = LeaseErrorLog::new("the election");
        let unreachable = |words: &str| LeaseError::Unreachable(words.to_owned());
        let forbidden = |words: &str| LeaseError::Forbidden(words.to_owned());
        assert!(log.failed(&unreachable("connection refused")));
        assert!(
            !log.failed(&unreachable("no answer to GET")),
            "still unreachable"
        );
        assert!(log.failed(&forbidden("cannot get leases")));
        assert!(!log.failed(&forbidden("cannot get leases")));
        assert!(
            log.failed(&forbidden("cannot patch leases")),
            "another right is missing"
        );
        log.works();
        assert!(
            log.failed(&forbidden("cannot patch leases")),
            "again after it worked"
        );
    }
}
