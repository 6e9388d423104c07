//! Errors that end the election.

use std::time::Duration;

use super::leadership::Term;

/// The reason why [`run`](super::run) ended without a release.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ElectionError {
    /// The durations break a rule of [`Timing::check`](super::Timing::check).
    #[error("the durations of the leader election are invalid: {0}")]
    Timing(String),
    /// The kube configuration is invalid (certificates, keys).
    #[error("cannot build the client for the Lease: {0}")]
    Client(#[source] kube::Error),
    #[error("cannot start the thread of the election's watchdog: {0}")]
    Watchdog(#[source] std::io::Error),
    #[error("leadership lost: term {term} was not renewed within {renew_deadline:?}")]
    LostByDeadline {
        term: Term,
        renew_deadline: Duration,
    },
    /// The Lease has another holder, or none.
    #[error("leadership lost: the holder of the Lease changed to {holder:?} during term {term}")]
    LostToAnother {
        term: Term,
        /// The new holder; empty if there is none.
        holder: String,
    },
    /// The data of the API server went back in time, so that a later leader could have a
    /// lower term; the next one has a higher one.
    #[error(
        "leadership of term {term} was given up: the data of the API server went back in time, as after a restore of etcd"
    )]
    TimeWentBack { term: Term },
    /// The process stopped, but the release failed, so that a standby has to wait until
    /// the Lease expires.
    #[error("the Lease of term {term} was not released: {reason}")]
    NotReleased { term: Term, reason: String },
}
