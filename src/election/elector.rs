//! The loop of one candidate: from standby to leader to the end of its leadership.

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
    pub(super) sees: watch::Receiver<bool>,
    pub(super) identity: String,
    pub(super) lease: HeldLease,
    pub(super) observed_lease: Arc<ObservedLease>,
    pub(super) roles: watch::Sender<Role>,
    pub(super) observe: Observer,
    pub(super) release: CancellationToken,
    pub(super) end_process: EndProcess,
    pub(super) log: LeaseErrorLog,
}

/// The cause of the end of a leadership.
enum LeadershipEnd {
    Requested,
    DeadlinePassed,
    HolderChanged(String),
    TimeWentBack,
}

/// Holds one leadership. Its drop, in whatever way it happens, ends the permits
/// first and then the role; no permit is issued after that.
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
            LeadershipEnd::HolderChanged(holder) => {
                (self.observe)(Observation::Lost);
                Err(ElectionError::LostToAnother { term, holder })
            }
            LeadershipEnd::TimeWentBack => {
                (self.observe)(Observation::Lost);
                // Otherwise a standby waits until the Lease expires.
                let _ = self.try_release(self.timing.request_timeout()).await;
                Err(ElectionError::TimeWentBack { term })
            }
        }
    }

    /// Waits until this process holds the Lease and returns the term with its first
    /// deadline; `None` when a release was requested.
    async fn stand_by(&mut self) -> Option<(Term, Moment)> {
        let mut records = self.observed_lease.subscribe();
        let mut named = None;
        loop {
            if !self.until_it_sees().await {
                return None;
            }
            // A change from here on, also during the attempt, ends the wait below.
            records.mark_unchanged();
            let started = Instant::now();
            let attempt = tokio::select! {
                biased;
                () = self.release.cancelled() => return None,
                attempt = self.lease.attempt() => attempt,
            };
            match attempt {
                Attempt::Held { term, sent } => {
                    self.log.succeeded();
                    let deadline = sent.plus(self.timing.renew_deadline);
                    if !self.clock.has_passed(deadline) {
                        return Some((term, deadline));
                    }
                    tracing::warn!(%term, "the Lease was acquired after the renew deadline; the acquisition does not count");
                }
                Attempt::HeldBy(holder) => {
                    self.log.succeeded();
                    self.name_holder(holder, &mut named);
                }
                Attempt::Contended => self.log.succeeded(),
                Attempt::Failed(error) => {
                    self.log.failed(&error);
                }
            }
            self.record_offset().await;
            let next = started + self.timing.standby_pause();
            tokio::select! {
                () = self.release.cancelled() => return None,
                () = sleep_until(next) => {}
                () = until_acquirable(&self.observed_lease, &mut records, &self.identity) => {}
            }
        }
    }

    /// Waits while this process sees nothing. Returns false when a release was requested.
    async fn until_it_sees(&mut self) -> bool {
        if *self.sees.borrow() {
            return true;
        }
        tracing::warn!(
            "this replica sees nothing of the cluster; until it does, it does not stand for election"
        );
        let release = self.release.clone();
        let sees = async {
            if self.sees.wait_for(|sees| *sees).await.is_err() {
                // The process is about to end.
                std::future::pending::<()>().await;
            }
        };
        if release.run_until_cancelled(sees).await.is_none() {
            return false;
        }
        tracing::info!("this replica sees the cluster again and stands for election");
        true
    }

    /// Logs each holder once.
    fn name_holder(&self, holder: String, named: &mut Option<String>) {
        if named.as_ref() == Some(&holder) {
            return;
        }
        let expiry = self
            .observed_lease
            .expiry(&self.observed_lease.subscribe().borrow());
        let left = expiry.map(|expiry| expiry.saturating_duration_since(Instant::now()));
        let free_in = format!("{:.0?}", left.unwrap_or_default());
        tracing::info!(
            holder,
            free_in,
            "another process holds the Lease; this one stands by until it is released, or is not renewed for its duration"
        );
        *named = Some(holder);
    }

    /// Tells the other replicas that the data of the API server went back in time, before
    /// one of them acquires the Lease with a term that clouds have outgrown.
    async fn record_offset(&mut self) {
        if !self.observed_lease.lacks_offset() {
            return;
        }
        let offset = self.observed_lease.offset();
        tracing::warn!(
            offset,
            "the data of the API server went back in time, as after a restore of etcd; terms continue from the highest version of the Lease before"
        );
        if let Err(error) = self.lease.record_offset().await {
            // The next attempt reads the Lease again.
            self.log.failed(&error);
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
            holder = another_holder(&observed_lease, &identity) => LeadershipEnd::HolderChanged(holder),
            () = release.cancelled() => LeadershipEnd::Requested,
            end = self.keep_renewing(leadership) => end,
        }
    }

    /// Renews the Lease until it is lost.
    async fn keep_renewing(&mut self, leadership: &Leadership) -> LeadershipEnd {
        let mut records = self.observed_lease.subscribe();
        let mut next = Instant::now() + self.timing.retry_period;
        let offset = self.observed_lease.offset();
        loop {
            tokio::select! {
                () = sleep_until(next) => {}
                () = deletion(&mut records) => {}
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
                    self.log.succeeded();
                    (self.observe)(Observation::Renewed { took });
                    // The renewal has written the new offset into the Lease.
                    if self.observed_lease.offset() > offset {
                        return LeadershipEnd::TimeWentBack;
                    }
                }
                Attempt::HeldBy(holder) => return LeadershipEnd::HolderChanged(holder),
                // Another client wrote at the same time: read the holder again soon.
                Attempt::Contended => next = started + self.timing.retry_period / 10,
                Attempt::Failed(error) => {
                    self.log.failed(&error);
                }
            }
        }
    }

    /// Releases the Lease so that a standby need not wait until it expires.
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

    /// Releases the Lease if the response to the last write of this standby was lost,
    /// because the write may have acquired the Lease. If the release fails, the Lease
    /// expires.
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

/// Completes with the holder when the Lease has another holder than this process. A
/// deleted Lease has no other holder: the leader creates it again.
async fn another_holder(observed_lease: &ObservedLease, identity: &str) -> String {
    let mut records = observed_lease.subscribe();
    loop {
        let other = other_than(identity, &records.borrow_and_update());
        if let Some(holder) = other {
            return holder;
        }
        // Never fails: the caller holds the sender.
        let _ = records.changed().await;
    }
}

fn other_than(identity: &str, record: &ObservedRecord) -> Option<String> {
    let holder = record.holder().unwrap_or_default();
    (holder != identity).then(|| holder.to_owned())
}

/// Completes when the Lease was deleted.
async fn deletion(records: &mut watch::Receiver<ObservedRecord>) {
    loop {
        let _ = records.changed().await;
        if records.borrow_and_update().is_deleted() {
            return;
        }
    }
}

/// Completes when an attempt may succeed: the Lease has no holder any more, or it
/// expires, or this process turns out to be its holder.
async fn until_acquirable(
    observed_lease: &ObservedLease,
    records: &mut watch::Receiver<ObservedRecord>,
    identity: &str,
) {
    let called = Instant::now();
    loop {
        let expiry = observed_lease.expiry(&records.borrow());
        // The attempt before this call already knew an earlier expiry.
        let next_expiry = expiry.filter(|expiry| *expiry > called);
        tokio::select! {
            _ = records.changed() => {
                let record = records.borrow_and_update();
                if record.holder().is_none_or(|holder| holder == identity) {
                    return;
                }
            }
            () = sleep_until(next_expiry.unwrap_or(called)), if next_expiry.is_some() => return,
        }
    }
}
