//! Errors of the requests for the Lease.

use std::mem::{Discriminant, discriminant};

use kube_leader_election::Error as LockError;

use super::lease_layer::LayerError;
use crate::error_chain::{bounded, with_causes};

/// The error of one attempt to acquire, renew, release or watch the Lease. Every
/// attempt is repeated.
#[derive(Debug, thiserror::Error)]
pub(super) enum LeaseError {
    #[error("another candidate wrote the Lease between our read and our write")]
    Conflict,
    #[error("the Lease does not exist")]
    Absent,
    #[error("{0:?} holds the Lease")]
    HeldBy(String),
    #[error(
        "the API server denied access to the Lease: {0}. The ServiceAccount needs get, list, watch and patch on this Lease, and create on leases in its namespace"
    )]
    Forbidden(String),
    #[error("the namespace of the Lease does not exist: {0}")]
    NoNamespace(String),
    #[error("the API server rejected the request with {code}: {message}")]
    Refused { code: u16, message: String },
    #[error("the API server cannot be reached: {}", with_causes(.0))]
    Unreachable(#[source] kube::Error),
    #[error("the API server's response cannot be read: {0}")]
    Unreadable(String),
}

impl LeaseError {
    /// Whether the error is normal in an election: another candidate was first.
    pub(super) fn is_contention(&self) -> bool {
        matches!(self, Self::Conflict | Self::Absent | Self::HeldBy(_))
    }
}

impl From<LockError> for LeaseError {
    fn from(error: LockError) -> Self {
        match error {
            LockError::ApiError { response } => Self::from_status(&response),
            // A create does not need the Lease: its namespace does not exist.
            LockError::CreateLease(kube::Error::Api(status)) if status.code == 404 => {
                Self::NoNamespace(bounded(&status.message))
            }
            LockError::GetLease(error)
            | LockError::CreateLease(error)
            | LockError::AcquireLease(error)
            | LockError::RenewLease(error)
            | LockError::ReleaseLease(error)
            | LockError::Kube(error) => error.into(),
            LockError::ReleaseLockWhenNotLeading { leader } => Self::HeldBy(leader),
            LockError::TraverseLease { .. }
            | LockError::SerdeError(_)
            | LockError::JiffError(_) => Self::Unreadable(with_causes(&error)),
        }
    }
}

impl From<kube::Error> for LeaseError {
    fn from(error: kube::Error) -> Self {
        let from_layer = match &error {
            kube::Error::Api(status) => return Self::from_status(status),
            kube::Error::SerdeError(error) => return Self::Unreadable(with_causes(error)),
            kube::Error::Service(error) => error.downcast_ref::<LayerError>(),
            _ => None,
        };
        match from_layer {
            Some(LayerError::HolderMayLive { holder }) => Self::HeldBy(holder.clone()),
            Some(error @ LayerError::VersionNotANumber(_)) => Self::Unreadable(with_causes(error)),
            _ => Self::Unreachable(error),
        }
    }
}

impl LeaseError {
    fn from_status(status: &kube::core::Status) -> Self {
        let message = bounded(&status.message);
        match status.code {
            404 => Self::Absent,
            409 => Self::Conflict,
            403 => Self::Forbidden(message),
            code => Self::Refused { code, message },
        }
    }
}

/// Logs an error once rather than at every attempt.
#[derive(Debug)]
pub(super) struct LeaseErrorLog {
    /// Subject of the log lines, with the name of the Lease.
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

    /// Logs the error if it differs from the last one; returns whether it did.
    pub(super) fn failed(&mut self, error: &LeaseError) -> bool {
        // The message for an unreachable API server differs between attempts.
        let message = match error {
            LeaseError::Unreachable(_) => None,
            other => Some(other.to_string()),
        };
        let now = Some((discriminant(error), message));
        let changed = self.last != now;
        if changed {
            tracing::warn!(error = %error, "{} fails; retrying", self.task);
            self.last = now;
        }
        changed
    }

    /// Logs the recovery if the last attempt failed.
    pub(super) fn succeeded(&mut self) {
        if self.last.take().is_some() {
            tracing::info!("{} recovered", self.task);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_logged_once_per_change() {
        let mut log = LeaseErrorLog::new("the election");
        let unreachable =
            |message: &str| LeaseError::Unreachable(kube::Error::Service(message.into()));
        let forbidden = |message: &str| LeaseError::Forbidden(message.to_owned());
        assert!(log.failed(&unreachable("connection refused")));
        assert!(
            !log.failed(&unreachable("no response to GET")),
            "still unreachable"
        );
        assert!(log.failed(&forbidden("cannot get leases")));
        assert!(!log.failed(&forbidden("cannot get leases")));
        assert!(
            log.failed(&forbidden("cannot patch leases")),
            "another right is missing"
        );
        log.succeeded();
        assert!(
            log.failed(&forbidden("cannot patch leases")),
            "logged again after a success"
        );
    }
}
