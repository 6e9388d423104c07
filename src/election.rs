//! The leader election: which replica may write, and until when.
//!
//! These rules make it safe, whatever the network, the clocks of other machines and
//! the scheduling of this process do:
//!
//! 1. The holder of the Lease changes only by a write with the `resourceVersion` of
//!    the read before it: of two candidates one gets 409 ([`lease_layer`]).
//! 2. A standby takes a Lease only after it has observed the Lease unchanged for the
//!    whole lease duration, by its own monotonic clock ([`observed_lease`]).
//! 3. The leadership lasts for the renew deadline, which is shorter than the lease
//!    duration, counted from just *before* the last successful renewal was sent
//!    ([`leadership`]).
//! 4. The clocks alone end the leadership: the monotonic clock or the wall clock,
//!    whichever reaches the deadline first ([`clock`]). A late response does not
//!    extend it. A process that lost its leadership exits instead of trying again.
//! 5. A read or a watch event that shows another holder ends the leadership at once.
//! 6. A release ends the permits first and then empties the holder of the Lease.
//! 7. No lease can exclude a pause between a permit and its write. The fencing token
//!    covers it: the [`Term`] that every write to a cloud carries. Writes to the API
//!    server carry the `resourceVersion` of what they change, and are checked once more
//!    when their connection takes the body ([`permitted_body`]).
//!
//! The crate kube-leader-election makes the requests; only [`lease`] and
//! [`lease_error`] use its types. [`lease_object`] reads a Lease, whatever is in it. [`elector`] is the loop of a candidate,
//! [`lease_watch`] shortens its delays, [`watchdog`] ends a stuck process, and
//! [`healthz`] reports to the kubelet a leader that should have exited.

mod clock;
mod elector;
mod error;
mod healthz;
mod identity;
mod leadership;
mod lease;
mod lease_error;
mod lease_layer;
mod lease_object;
mod lease_watch;
mod observed_lease;
mod permitted_body;
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
pub use permitted_body::PermittedBody;
pub use timing::Timing;

use elector::Elector;
use lease::HeldLease;
use lease_error::LeaseErrorLog;
use observed_lease::ObservedLease;

/// A participant of the election on one Lease.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub namespace: String,
    pub lease: String,
    /// The holder that this process writes into the Lease, from [`identity`].
    pub identity: String,
    pub timing: Timing,
    /// [`Clock::system`], except in tests.
    pub clock: Clock,
    /// Whether this process sees what it would have to act on. One that does not see does not
    /// stand for election; a leader must end by itself.
    pub sees: watch::Receiver<bool>,
}

/// An event of the election, for metrics and health checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observation {
    /// This process became the leader.
    Acquired,
    /// The leader renewed its Lease.
    Renewed {
        /// Duration of the read and the write together.
        took: Duration,
    },
    /// The leader failed to renew its Lease.
    RenewFailed {
        /// Duration of the read and the write together.
        took: Duration,
    },
    /// Leadership ended without a release.
    Lost,
    /// Leadership ended by a release, and the Lease has no holder.
    Released,
}

/// Receives each observation; it must not block.
pub type Observer = Arc<dyn Fn(Observation) + Send + Sync>;

/// Runs the candidate until `release` is cancelled or leadership is lost.
///
/// `roles` publishes the role of this process. It changes to `Standby` before the
/// Lease is released, so cancel `release` only when no write is in flight. A
/// standby never fails: while the API server is unreachable or rejects requests, it
/// retries and logs each change of the error once. If this future is dropped,
/// leadership ends and the Lease expires. The watchdog ends a leader whose process
/// is stuck: see the module.
///
/// # Errors
/// The durations or the configuration are invalid, leadership was lost (the process
/// must exit), or the Lease could not be released.
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
    let requests = tower::service_fn(move |request: Request<Body>| {
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
        sees: candidate.sees.clone(),
        lease: HeldLease::new(requests, &candidate, observed_lease.clone()),
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

/// The client for reads and writes of the Lease. It does not retry: a retry would
/// send the renewal later than the instant from which its deadline is counted.
fn request_client(mut config: kube::Config, timing: Timing) -> Result<kube::Client, ElectionError> {
    config.default_retry = false;
    config.connect_timeout = Some(timing.request_timeout());
    kube::Client::try_from(config).map_err(ElectionError::Client)
}

/// The client for the watch of the Lease. A leader renews every few seconds, so a
/// connection without an event for a whole lease duration counts as dead.
fn watch_client(mut config: kube::Config, timing: Timing) -> Result<kube::Client, ElectionError> {
    config.default_retry = false;
    config.connect_timeout = Some(timing.request_timeout());
    config.read_timeout = Some(timing.lease_duration);
    kube::Client::try_from(config).map_err(ElectionError::Client)
}
