//! Who may write, and until when.
//!
//! How it is safe, whatever the network, the other machines' clocks and this
//! process's scheduling do:
//!
//! 1. The Lease changes hands only by a write with the `resourceVersion` that
//!    was read before: of two candidates one gets 409 ([`lease_layer`]).
//! 2. A standby takes a Lease only after it has itself seen it unchanged for the
//!    whole lease duration, by its own monotonic clock ([`observed_lease`]).
//! 3. A leader may act until the instant *before* it sent its last successful
//!    renewal, plus the renew deadline, which is shorter ([`leadership`]).
//! 4. That end comes by the clocks alone, the monotonic or the wall clock,
//!    whichever is further on ([`clock`]); a late answer does not undo it. A
//!    process that lost leadership exits rather than to try again.
//! 5. Another holder seen, by a read or by the watch, ends leadership at once.
//! 6. Giving back: permits end first, then the Lease is emptied.
//! 7. What no lease can exclude (a pause between a permit and its write) is left
//!    to the fencing token: the [`Term`] that goes with every write.
//!
//! kube-leader-election makes the requests; [`lease`] is the only file that
//! knows it (and `trouble`, for its errors). [`elector`] is the loop;
//! [`watchdog`] ends a process that is stuck; [`renewals`] tells the kubelet of
//! a leader that should be gone and is not.

mod clock;
mod elector;
mod error;
mod healthz;
mod identity;
mod leadership;
mod lease;
mod lease_error;
mod lease_layer;
mod lease_watch;
mod observed_lease;
mod timing;
mod watchdog;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use kube::client::Body;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use clock::Clock;
pub use error::ElectionError;
pub use healthz::LeaseHealth;
pub use identity::identity;
pub use leadership::{Leadership, LeadershipLost, Role, Term, WritePermit, sole_leader};
pub use timing::Timing;

use elector::Elector;
use lease::HeldLease;
use lease_error::LeaseErrorLog;
use observed_lease::ObservedLease;

/// Who stands for election, and for which Lease.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub lease: String,
    /// What this process is called in it: [`identity`].
    pub identity: String,
    /// The durations.
    pub timing: Timing,
    /// This process's clocks: [`Clock::system`].
    pub clock: Clock,
}

/// What happened, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observation {
    /// This process leads now.
    Acquired,
    /// The leader renewed its Lease.
    Renewed {
        /// Read and write together.
        took: Duration,
    },
    /// The leader tried, and has not renewed.
    RenewFailed {
        /// Read and write together.
        took: Duration,
    },
    /// Leadership ended against our will.
    Lost,
    /// Leadership ended as asked, and the Lease is free.
    Released,
}

/// Receives each observation; it must not block.
pub type Observer = Arc<dyn Fn(Observation) + Send + Sync>;

/// Stands for election until `release` is cancelled or leadership is lost.
///
/// `roles` says what this process is. It says `Standby` before the Lease is
/// given back, so cancel `release` only once no write is under way. A standby
/// never fails: while the API server is away or refuses, it goes on trying and
/// logs each change of the reason once. Dropped, it ends leadership and leaves
/// the Lease to run out. A leader whose process is stuck is ended: see the
/// module.
///
/// # Errors
/// [`ElectionError`]: the durations or the configuration are wrong, leadership
/// was lost (the process must exit), or the Lease could not be given back.
pub async fn run(
    config: kube::Config,
    candidate: Candidate,
    roles: watch::Sender<Role>,
    observe: Observer,
    release: CancellationToken,
) -> Result<(), ElectionError> {
    let timing = candidate.timing;
    timing.check().map_err(ElectionError::Timing)?;
    let observed_lease = Arc::new(ObservedLease::new(timing.lease_duration));
    let base = request_client(config.clone(), timing)?;
    let carry = tower::service_fn(move |request: Request<Body>| {
        let base = base.clone();
        async move { base.send(request).await }
    });
    let watch = lease_watch::follow(
        kube::Api::namespaced(watch_client(config, timing)?, &candidate.namespace),
        &candidate.lease,
        observed_lease.clone(),
        timing.retry_period,
    );
    let elector = Elector {
        timing,
        clock: candidate.clock.clone(),
        lease: HeldLease::new(carry, &candidate, observed_lease.clone()),
        log: LeaseErrorLog::new(format!(
            "the election on the Lease {}/{}",
            candidate.namespace, candidate.lease
        )),
        identity: candidate.identity,
        observed_lease,
        roles,
        observe,
        release,
        end_process: Arc::new(watchdog::end_process),
    };
    tokio::select! {
        result = elector.run() => result,
        never = watch => match never {},
    }
}

/// For reads and writes of the Lease: a retry of the client's own would send
/// the renewal later than the deadline is counted from.
fn request_client(mut config: kube::Config, timing: Timing) -> Result<kube::Client, ElectionError> {
    config.default_retry = false;
    config.connect_timeout = Some(timing.request_timeout());
    kube::Client::try_from(config).map_err(ElectionError::Client)
}

/// For the watch. While somebody leads, its renewals come by every few seconds:
/// a connection that stays silent for a whole lease duration is taken for dead.
fn watch_client(mut config: kube::Config, timing: Timing) -> Result<kube::Client, ElectionError> {
    config.default_retry = false;
    config.connect_timeout = Some(timing.request_timeout());
    config.read_timeout = Some(timing.lease_duration);
    kube::Client::try_from(config).map_err(ElectionError::Client)
}
