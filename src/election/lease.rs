//! One attempt at the Lease through kube-leader-election, whose types stay in this
//! file and in [`super::lease_error`].

use std::sync::Arc;

use http::{Request, Response};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::client::Body;
use kube_leader_election::{LeaseLock, LeaseLockParams, LeaseLockResult};
use serde_json::json;
use tower::{BoxError, Layer, Service};

use super::Candidate;
use super::clock::Moment;
use super::leadership::Term;
use super::lease_error::LeaseError;
use super::lease_layer::LeaseLayer;
use super::observed_lease::{ObservedLease, holder, version};

/// The result of one attempt.
#[derive(Debug)]
pub(super) enum Attempt {
    /// We hold the Lease, by a write sent at `sent`. `term` is meaningful only if this
    /// attempt acquired the Lease rather than renewed it.
    Held {
        /// The `resourceVersion` of the write, and the offset of terms.
        term: Term,
        /// Just before the write was sent.
        sent: Moment,
    },
    /// Another candidate holds the Lease.
    HeldBy(String),
    /// Another client wrote the Lease at the same time: the Lease is worth another read.
    Contended,
    Failed(LeaseError),
}

/// The result of a release.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ReleaseOutcome {
    /// The Lease has no holder now.
    Done,
    /// Another candidate held the Lease, or the Lease did not exist.
    NotOurs,
}

/// The Lease, as one identity acquires, renews and releases it.
pub(super) struct HeldLease {
    lock: LeaseLock,
    /// Goes through the layer too.
    leases: Api<Lease>,
    name: String,
    observed_lease: Arc<ObservedLease>,
    layer: LeaseLayer,
    identity: String,
}

impl HeldLease {
    /// Uses `base` for the requests to the API server; `base` must neither retry nor
    /// delay them.
    pub(super) fn new<S>(base: S, candidate: &Candidate, observed_lease: Arc<ObservedLease>) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
    {
        let timeout = candidate.timing.request_timeout();
        let layer = LeaseLayer::new(
            &candidate.identity,
            observed_lease.clone(),
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
            leases: Api::namespaced(client.clone(), &candidate.namespace),
            name: candidate.lease.clone(),
            observed_lease,
            lock: LeaseLock::new(client, &candidate.namespace, parameters),
            layer,
            identity: candidate.identity.clone(),
        }
    }

    /// Acquires or renews the Lease: a read and at most one write.
    pub(super) async fn attempt(&self) -> Attempt {
        let lease = match self.lock.try_acquire_or_renew().await {
            Ok(LeaseLockResult::Acquired(lease) | LeaseLockResult::NotAcquired(lease)) => lease,
            Err(error) => return LeaseError::from(error).into(),
        };
        let holder = lease.spec.as_ref().and_then(holder).unwrap_or_default();
        // An "acquired" Lease may have another holder: the holder in the Lease decides.
        if holder != self.identity {
            return Attempt::HeldBy(holder.to_owned());
        }
        match (version(&lease.metadata), self.layer.last_write_sent()) {
            (Some(version), Some(sent)) => Attempt::Held {
                term: Term::new(self.observed_lease.offset().saturating_add(version)),
                sent,
            },
            _ => Attempt::Failed(LeaseError::Unreadable(
                "the response to a write has no resourceVersion".to_owned(),
            )),
        }
    }

    /// Writes the offset of terms that this process knows into the Lease, whoever holds it,
    /// so that the next holder has a term that is greater than all before. The layer adds
    /// it to the patch, with the version of the last read as precondition.
    pub(super) async fn record_offset(&self) -> Result<(), LeaseError> {
        let nothing_else = Patch::Merge(json!({}));
        let parameters = PatchParams::default();
        let patched = self.leases.patch(&self.name, &parameters, &nothing_else);
        patched.await.map(drop).map_err(LeaseError::from)
    }

    /// Empties the holder if this identity is the holder, as client-go does. The
    /// precondition of the layer protects a write of another candidate since the read.
    pub(super) async fn release(&self) -> Result<ReleaseOutcome, LeaseError> {
        match self.lock.step_down().await.map_err(LeaseError::from) {
            Ok(()) => Ok(ReleaseOutcome::Done),
            Err(LeaseError::HeldBy(_) | LeaseError::Absent) => Ok(ReleaseOutcome::NotOurs),
            Err(other) => Err(other),
        }
    }

    /// Whether the last write may have acquired the Lease although its response is lost.
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
