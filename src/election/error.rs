//! Why an election ended.

use std::time::Duration;

use super::leadership::Term;

/// Why [`run`](super::run) ended without a clean release.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ElectionError {
    /// The durations break a rule of [`Timing::check`](super::Timing::check).
    #[error("the durations of the leader election are invalid: {0}")]
    Timing(String),
    /// No client can be made of the configuration (certificates, keys).
    #[error("cannot build the client for the Lease: {0}")]
    Client(#[source] kube::Error),
    /// The thread that guards against a stuck process cannot be started.
    #[error("cannot start the thread of the election's watchdog: {0}")]
    Watchdog(#[source] std::io::Error),
    /// No renewal succeeded in time.
    #[error("leadership lost: term {term} was not renewed within {renew_deadline:?}")]
    LostByDeadline {
        /// The term that ended.
        term: Term,
        /// How long there was.
        renew_deadline: Duration,
    },
    /// The Lease names another, or nobody.
    #[error("leadership lost: the holder of the Lease changed to {holder:?} during term {term}")]
    LostToAnother {
        /// The term that ended.
        term: Term,
        /// Who is named instead; empty if nobody.
        holder: String,
    },
    /// Leadership ended as asked, but the Lease could not be given back, so
    /// that a standby has to wait for it to run out.
    #[error("the Lease of term {term} was not released: {reason}")]
    NotReleased {
        /// The term that ended.
        term: Term,
        /// What kept us.
        reason: String,
    },
}
