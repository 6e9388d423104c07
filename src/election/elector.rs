//! From standby to leader to the end: the loop of one candidate.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::clock::{Clock, Moment};
use super::error::ElectionError;
use super::leadership::{Leadership, Role, Term};
use super::lease::{Attempt, HeldLease, ReleaseOutcome};
use super::lease_error::LeaseErrorLog;
use super::observed_lease::{ObservedLease, ObservedRecord};
use super::timing::Timing;
use super::watchdog::{EndProcess, Watchdog};
use super::{Observation, Observer};

pub(super) struct Elector {
    pub(super) timing: Timing,
    pub(super) clock: Clock,
    pub(super) identity: String,
    pub(super) lease: HeldLease,
    pub(super) observed_lease: Arc<ObservedLease>,
    pub(super) roles: watch::Sender<Role>,
    pub(super) observe: Observer,
    pub(super) release: CancellationToken,
    pub(super) end_process: EndProcess,
    pub(super) log: LeaseErrorLog,
}

/// Why a leader stopped.
enum LeadershipEnd {
    Requested,
    DeadlinePassed,
    NamesAnother(String),
}

/// One leadership while it lasts. Dropped, in whatever way, it is over: first
/// the permits, then the role; nobody obtains a permit after that.
struct LeadershipGuard {
    leadership: Leadership,
    roles: watch::Sender<Role>,
    _watchdog: Watchdog,
}

impl Drop for LeadershipGuard {
    fn drop(&mut self) {
        self.leadership.end();
        self.roles.send_replace(Role::Standby);
    }
}

impl Elector {
    pub(super) async fn run(mut self) -> Result<(), ElectionError> {
        let Some((term, deadline)) = self.stand_by().await else {
            self.release_if_unconfirmed().await;
            return Ok(());
        };
        let guard = self.begin(term, deadline)?;
        let end = self.lead(&guard.leadership).await;
        drop(guard);
        match end {
            LeadershipEnd::Requested => self.release_lease(term).await,
            LeadershipEnd::DeadlinePassed => {
                (self.observe)(Observation::Lost);
                let renew_deadline = self.timing.renew_deadline;
                Err(ElectionError::LostByDeadline {
                    term,
                    renew_deadline,
                })
            }
            LeadershipEnd::NamesAnother(holder) => {
                (self.observe)(Observation::Lost);
                Err(ElectionError::LostToAnother { term, holder })
            }
        }
    }

    /// Until the Lease is ours (with the term and its first deadline), or until
    /// we are asked to stop.
    async fn stand_by(&mut self) -> Option<(Term, Moment)> {
        let mut views = self.observed_lease.subscribe();
        loop {
            // What changes from here on, also during the try, wakes us after it.
            views.mark_unchanged();
            let started = Instant::now();
            let attempt = tokio::select! {
                biased;
                () = self.release.cancelled() => return None,
                attempt = self.lease.attempt() => attempt,
            };
            match attempt {
                Attempt::Held { term, sent } => {
                    self.log.works();
                    let deadline = sent.plus(self.timing.renew_deadline);
                    if !self.clock.has_passed(deadline) {
                        return Some((term, deadline));
                    }
                    tracing::warn!(%term, "the Lease was acquired after the renew deadline; the acquisition does not count");
                }
                Attempt::HeldBy(_) | Attempt::Contended => self.log.works(),
                Attempt::Failed(error) => {
                    self.log.failed(&error);
                }
            }
            let next = started + self.timing.standby_pause();
            tokio::select! {
                () = self.release.cancelled() => return None,
                () = sleep_until(next) => {}
                () = until_acquirable(&self.observed_lease, &mut views, &self.identity) => {}
            }
        }
    }

    fn begin(&self, term: Term, deadline: Moment) -> Result<LeadershipGuard, ElectionError> {
        let leadership = Leadership::granted(term, deadline, self.clock.clone());
        let watchdog = Watchdog::guard(
            leadership.clone(),
            self.timing.retry_period,
            self.end_process.clone(),
        )
        .map_err(ElectionError::Watchdog)?;
        tracing::info!(%term, identity = %self.identity, "this replica became the leader");
        self.roles.send_replace(Role::Leader(leadership.clone()));
        (self.observe)(Observation::Acquired);
        Ok(LeadershipGuard {
            leadership,
            roles: self.roles.clone(),
            _watchdog: watchdog,
        })
    }

    async fn lead(&mut self, leadership: &Leadership) -> LeadershipEnd {
        let (observed_lease, release) = (self.observed_lease.clone(), self.release.clone());
        let identity = self.identity.clone();
        tokio::select! {
            biased;
            () = leadership.ended() => LeadershipEnd::DeadlinePassed,
            holder = another_holder(&observed_lease, &identity) => LeadershipEnd::NamesAnother(holder),
            () = release.cancelled() => LeadershipEnd::Requested,
            end = self.keep_renewing(leadership) => end,
        }
    }

    /// Ends only by losing the Lease.
    async fn keep_renewing(&mut self, leadership: &Leadership) -> LeadershipEnd {
        let mut views = self.observed_lease.subscribe();
        let mut next = Instant::now() + self.timing.retry_period;
        loop {
            tokio::select! {
                () = sleep_until(next) => {}
                () = deletion(&mut views) => {}
            }
            let started = Instant::now();
            next = started + self.timing.retry_period;
            let attempt = self.lease.attempt().await;
            let took = started.elapsed();
            if !matches!(attempt, Attempt::Held { .. }) {
                (self.observe)(Observation::RenewFailed { took });
            }
            match attempt {
                Attempt::Held { sent, .. } => {
                    if leadership
                        .extend(sent.plus(self.timing.renew_deadline))
                        .is_err()
                    {
                        return LeadershipEnd::DeadlinePassed;
                    }
                    self.log.works();
                    (self.observe)(Observation::Renewed { took });
                }
                Attempt::HeldBy(holder) => return LeadershipEnd::NamesAnother(holder),
                // Somebody wrote at the same time: see soon who it names.
                Attempt::Contended => next = started + self.timing.retry_period / 10,
                Attempt::Failed(error) => {
                    self.log.failed(&error);
                }
            }
        }
    }

    /// Releases the Lease so that a standby need not wait for it to run out.
    async fn release_lease(&self, term: Term) -> Result<(), ElectionError> {
        match self.try_release(self.timing.renew_deadline).await {
            Ok(_) => {
                tracing::info!(%term, "this replica released the Lease");
                (self.observe)(Observation::Released);
                Ok(())
            }
            Err(reason) => Err(ElectionError::NotReleased { term, reason }),
        }
    }

    /// A standby whose last write went out without an answer may hold the Lease
    /// without knowing. If it cannot be given back, it runs out by itself.
    async fn release_if_unconfirmed(&self) {
        if self.lease.has_unconfirmed_write() {
            let _ = self.try_release(self.timing.request_timeout()).await;
        }
    }

    async fn try_release(&self, limit: Duration) -> Result<ReleaseOutcome, String> {
        let deadline = Instant::now() + limit;
        let mut reason = format!("the API server did not respond within {limit:?}");
        loop {
            match timeout_at(deadline, self.lease.release()).await {
                Ok(Ok(release)) => return Ok(release),
                Ok(Err(error)) => reason = error.to_string(),
                Err(_) => return Err(reason),
            }
            let next = Instant::now() + self.timing.retry_period / 10;
            if next >= deadline {
                return Err(reason);
            }
            sleep_until(next).await;
        }
    }
}

/// Completes when the Lease names somebody else than us. Its deletion names
/// nobody else: the leader writes it anew.
async fn another_holder(observed_lease: &ObservedLease, identity: &str) -> String {
    let mut views = observed_lease.subscribe();
    loop {
        let named = another_named(&views.borrow_and_update(), identity);
        if let Some(holder) = named {
            return holder;
        }
        // Never fails: whoever calls this holds the sender.
        let _ = views.changed().await;
    }
}

fn another_named(view: &ObservedRecord, identity: &str) -> Option<String> {
    let holder = view.holder().unwrap_or_default();
    (holder != identity).then(|| holder.to_owned())
}

/// Completes when the Lease was deleted.
async fn deletion(views: &mut watch::Receiver<ObservedRecord>) {
    loop {
        let _ = views.changed().await;
        if views.borrow_and_update().is_gone() {
            return;
        }
    }
}

/// Completes when a try may succeed: nobody holds the Lease any more, or its
/// holder's time runs out, or it turns out to be ours.
async fn until_acquirable(
    observed_lease: &ObservedLease,
    views: &mut watch::Receiver<ObservedRecord>,
    identity: &str,
) {
    let called = Instant::now();
    loop {
        let expiry = observed_lease.expiry(&views.borrow());
        // What ran out before has been tried before.
        let running_out = expiry.filter(|expiry| *expiry > called);
        tokio::select! {
            _ = views.changed() => {
                let view = views.borrow_and_update();
                if view.holder().is_none_or(|holder| holder == identity) {
                    return;
                }
            }
            () = sleep_until(running_out.unwrap_or(called)), if running_out.is_some() => return,
        }
    }
}
