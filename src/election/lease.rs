//! One try at the Lease through kube-leader-election, whose types end here.

use std::sync::Arc;

use http::{Request, Response};
use kube::client::Body;
use kube_leader_election::{LeaseLock, LeaseLockParams, LeaseLockResult};
use tower::{BoxError, Layer, Service};

use super::Candidate;
use super::clock::Moment;
use super::leadership::Term;
use super::lease_error::LeaseError;
use super::lease_layer::LeaseLayer;
use super::observed_lease::{ObservedLease, holder, version};

/// How a try ended.
#[derive(Debug)]
pub(super) enum Attempt {
    /// The Lease is ours by a write sent at that instant. As a term it counts
    /// only for who did not lead before.
    Held {
        /// The write's number.
        term: Term,
        /// Just before the write was sent.
        sent: Moment,
    },
    /// Another holds it.
    HeldBy(String),
    /// Another wrote it at the same time: worth another look.
    Contended,
    /// No result.
    Failed(LeaseError),
}

/// How a release ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ReleaseOutcome {
    /// The Lease has no holder now.
    Done,
    /// It was not ours.
    NotOurs,
}

/// The Lease, to be taken, kept and given back by one identity.
pub(super) struct HeldLease {
    lock: LeaseLock,
    layer: LeaseLayer,
    identity: String,
}

impl HeldLease {
    /// Over `base`, which carries requests to the API server and must neither
    /// retry nor delay them.
    pub(super) fn new<S>(base: S, candidate: &Candidate, observed_lease: Arc<ObservedLease>) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
    {
        let timeout = candidate.timing.request_timeout();
        let layer = LeaseLayer::new(
            &candidate.identity,
            observed_lease,
            candidate.clock.clone(),
            timeout,
        );
        let client = kube::Client::new(layer.layer(base), &candidate.namespace);
        let parameters = LeaseLockParams {
            holder_id: candidate.identity.clone(),
            lease_name: candidate.lease.clone(),
            lease_ttl: candidate.timing.lease_duration,
        };
        Self {
            lock: LeaseLock::new(client, &candidate.namespace, parameters),
            layer,
            identity: candidate.identity.clone(),
        }
    }

    /// Acquires or renews it: a read and at most one write.
    pub(super) async fn attempt(&self) -> Attempt {
        let lease = match self.lock.try_acquire_or_renew().await {
            Ok(LeaseLockResult::Acquired(lease) | LeaseLockResult::NotAcquired(lease)) => lease,
            Err(error) => return LeaseError::from(error).into(),
        };
        let holder = lease.spec.as_ref().and_then(holder).unwrap_or_default();
        // "Acquired" may name another: what the Lease says counts.
        if holder != self.identity {
            return Attempt::HeldBy(holder.to_owned());
        }
        match (version(&lease), self.layer.last_write_sent()) {
            (Some(version), Some(sent)) => Attempt::Held {
                term: Term::new(version),
                sent,
            },
            _ => Attempt::Failed(LeaseError::Unreadable(
                "a write without a version".to_owned(),
            )),
        }
    }

    /// Empties the holder if it is us, as client-go does: the layer's
    /// precondition leaves alone what another wrote since the read.
    pub(super) async fn release(&self) -> Result<ReleaseOutcome, LeaseError> {
        match self.lock.step_down().await.map_err(LeaseError::from) {
            Ok(()) => Ok(ReleaseOutcome::Done),
            Err(LeaseError::HeldBy(_) | LeaseError::Absent) => Ok(ReleaseOutcome::NotOurs),
            Err(other) => Err(other),
        }
    }

    /// The last write may have made the Lease ours without our knowing.
    pub(super) fn has_unconfirmed_write(&self) -> bool {
        self.layer.has_unconfirmed_write()
    }
}

impl From<LeaseError> for Attempt {
    fn from(error: LeaseError) -> Self {
        match error {
            LeaseError::HeldBy(holder) => Self::HeldBy(holder),
            LeaseError::Conflict | LeaseError::Absent => Self::Contended,
            other => Self::Failed(other),
        }
    }
}
