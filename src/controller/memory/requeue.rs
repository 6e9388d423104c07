//! The requeue policy: decides when to try again.
//!
//! Any repetition of the same action on the same input goes through it, and each kind of
//! repetition has a delay that doubles: a failure, a cloud that works, a conflict, and the
//! repair of what another writer undoes. The backoff after the failure of a cloud is that
//! cloud's ([`cloud_backoff`](super::cloud_backoff)).

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use super::cloud_backoff::is_of_cloud;
use super::per_spec::PerSpec;
use crate::cloud::{ErrorKind, Verb};
use crate::controller::attempt::SpecHash;
use crate::controller::error::ReconcileError;
use crate::kubernetes::KubernetesError;
use crate::plan::Waiting;
use crate::plan::naming::{CloudName, ServiceUid};

/// The first delay after a failure.
const BACKOFF: Duration = Duration::from_secs(5);
/// The longest delay after failures.
const BACKOFF_LIMIT: Duration = Duration::from_secs(300);
/// The first delay while a cloud is working.
const POLL: Duration = Duration::from_secs(1);
/// The longest delay while a cloud is working.
const POLL_LIMIT: Duration = Duration::from_secs(30);
/// The longest delay of all: an [`Instant`] must be able to represent its end.
pub(super) const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// The first delay of [`Requeue::Immediately`]. It doubles too, because a conflict may
/// repeat for ever: a webhook that answers 409, or a cloud whose two answers about one load
/// balancer differ.
const IMMEDIATELY: Duration = Duration::from_millis(20);
/// The first delay of [`Requeue::Restore`].
const RESTORE: Duration = Duration::from_secs(1);

/// The delay until the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requeue {
    /// 20 ms, doubling to 300 s: a newer state is known.
    Immediately,
    /// 1 s, doubling to 300 s: another writer undoes our writes.
    Restore,
    /// Exactly the delay that the other side requested.
    After(Duration),
    /// Until the slot of a repair, or until a cloud has rested; other parts of the attempt
    /// may be retried earlier.
    Slot(Duration),
    /// 1 s, doubling to 30 s: the cloud is working.
    Poll,
    /// 5 s, doubling to 300 s.
    Backoff,
    /// No delay: only a change triggers the next attempt.
    AwaitChange,
    /// No delay: the answer to a call under way triggers the next attempt. It may be a
    /// failure, so those before it still count.
    AwaitAnswer,
}

impl Requeue {
    /// The delays for the errors and the waits of an attempt, and for what it restored,
    /// without the backoff of each cloud that failed. A wait for a cloud on which the attempt failed has none: looking again at what is not
    /// there yet would repeat the failed call, sooner than its backoff. Nor does a restore
    /// beside a failure have one.
    pub fn of_attempt(
        errors: &[ReconcileError],
        waiting: &BTreeSet<Waiting>,
        has_restored: bool,
    ) -> impl Iterator<Item = Self> {
        let failures = errors.iter().filter(|error| !error.is_superseded());
        // An error without a cloud failed for all of them.
        let failed: Vec<_> = failures.map(ReconcileError::cloud).collect();
        let is_failed =
            |cloud: &CloudName| failed.iter().any(|one| one.is_none_or(|one| one == cloud));
        let others = errors.iter().filter(|error| !is_of_cloud(error));
        let mut delays: Vec<Self> = others.map(Self::after_error).collect();
        let waits = waiting.iter();
        let waits = waits.filter(|waiting| !waiting.cloud().is_some_and(is_failed));
        delays.extend(waits.map(Self::after_waiting));
        delays.extend((has_restored && failed.is_empty()).then_some(Self::Restore));
        delays.into_iter()
    }

    /// The delay for an error.
    pub fn after_error(error: &ReconcileError) -> Self {
        match error {
            ReconcileError::Cloud(error) => match error.retry_after() {
                // A failing cloud with a Retry-After of zero must not cause a hot loop.
                Some(wait) if !wait.is_zero() => Self::After(wait),
                _ => match error.kind() {
                    // A query does not free what another load balancer has, such as the
                    // requested address.
                    ErrorKind::Conflict if error.verb() == Verb::Create => Self::Backoff,
                    // The call was not sent because many wait, or the load balancer is
                    // not as expected, which the next query resolves.
                    ErrorKind::Busy | ErrorKind::NotFound | ErrorKind::Conflict => Self::Poll,
                    _ => Self::Backoff,
                },
            },
            ReconcileError::Kubernetes(error) => match error {
                KubernetesError::Conflict => Self::Immediately,
                KubernetesError::Gone
                | KubernetesError::NotLeader(_)
                | KubernetesError::Unreadable(_) => Self::AwaitChange,
                KubernetesError::Throttled(delay) => Self::After(*delay),
                KubernetesError::Forbidden(_)
                | KubernetesError::Rejected(_)
                | KubernetesError::Timeout(_)
                | KubernetesError::Unavailable(_) => Self::Backoff,
            },
            ReconcileError::Changed => Self::Immediately,
            ReconcileError::NotLeader(_) | ReconcileError::Stopping => Self::AwaitChange,
        }
    }

    fn after_waiting(waiting: &Waiting) -> Self {
        match waiting {
            Waiting::Provisioning(_) | Waiting::Deleting(_) | Waiting::StillDeleting(..) => {
                Self::Poll
            }
            Waiting::CloudUnreachable(_) | Waiting::NameTaken(_) | Waiting::CloudError(..) => {
                Self::Backoff
            }
            Waiting::Unanswered(_) => Self::AwaitAnswer,
            // A Node change reconciles every Service, and so does what a cloud tells with those
            // that wait for it; configuring a cloud needs a restart. The next list shows whether a
            // load balancer is understood by then.
            // The time of a repair's slot comes from the pacing.
            Waiting::NoEligibleNodes
            | Waiting::RepairSlot(_)
            | Waiting::CloudNotConfigured(_)
            | Waiting::Paused
            | Waiting::CannotRetain(_)
            | Waiting::Untold(..)
            | Waiting::Refused(..)
            | Waiting::NotUnderstood(_)
            | Waiting::ShownTwice { .. }
            | Waiting::NotOurs(_)
            | Waiting::Invalid(_) => Self::AwaitChange,
        }
    }
}

/// The input of an attempt. A change of it may end the delay.
#[derive(Clone, Copy, Debug)]
pub struct AttemptInput {
    pub spec_hash: SpecHash,
    /// The version of the Nodes.
    pub nodes: u64,
    /// Whether the Service has a load balancer, whose back ends follow the Nodes.
    pub follows_nodes: bool,
}

#[derive(Debug)]
struct Entry {
    input: AttemptInput,
    /// Attempts that failed, waited or restored.
    attempts: u32,
    /// Attempts that only conflicted.
    conflicts: u32,
    not_before: Instant,
}

impl Entry {
    fn remaining(&self) -> Option<Duration> {
        let remaining = self.not_before.saturating_duration_since(Instant::now());
        (!remaining.is_zero()).then_some(remaining)
    }
}

/// The pending delays of Services.
#[derive(Default)]
pub struct RequeuePolicy(PerSpec<Entry>);

impl RequeuePolicy {
    /// The remaining delay of a Service. A change of the Nodes ends the delay of a Service
    /// with a load balancer, without resetting the count of attempts: removed back ends must
    /// not wait for the backoff of another cloud. It does not end that of a create.
    pub fn remaining(&self, uid: &ServiceUid, spec_hash: SpecHash, nodes: u64) -> Option<Duration> {
        let remaining = self.0.update(uid, spec_hash, |entry| {
            let is_ended = entry.input.nodes != nodes && entry.input.follows_nodes;
            entry.remaining().filter(|_| !is_ended)
        });
        remaining.flatten()
    }

    /// The time until the delay of a Service ends, whatever changes; for people.
    pub fn next_attempt(&self, uid: &ServiceUid) -> Option<Duration> {
        self.0.read_any(uid, Entry::remaining).flatten()
    }

    /// The number of failed or polling attempts at the current spec.
    pub fn attempts(&self, uid: &ServiceUid, spec_hash: SpecHash) -> u32 {
        let (attempts, _) = self.counts(uid, spec_hash);
        attempts
    }

    /// The attempts and the conflicts at the current spec.
    fn counts(&self, uid: &ServiceUid, spec_hash: SpecHash) -> (u32, u32) {
        let counts = self
            .0
            .read(uid, spec_hash, |entry| (entry.attempts, entry.conflicts));
        counts.unwrap_or_default()
    }

    /// Records the end of an attempt with all of its delays, of which the shortest
    /// counts. Returns the time until the next attempt; `None` if only a change triggers
    /// one.
    pub fn schedule(
        &self,
        uid: &ServiceUid,
        input: AttemptInput,
        delays: impl Iterator<Item = Requeue>,
    ) -> Option<Duration> {
        let (attempts, conflicts) = self.counts(uid, input.spec_hash);
        let shorter = |one: Option<Duration>, other| one.into_iter().chain(other).min();
        let (mut shortest, mut slot, mut immediately) = (None, None, false);
        let mut awaits_answer = false;
        for delay in delays {
            immediately |= delay == Requeue::Immediately;
            awaits_answer |= delay == Requeue::AwaitAnswer;
            shortest = shorter(shortest, wait(delay, attempts));
            if let Requeue::Slot(wait) = delay {
                slot = shorter(slot, Some(wait));
            }
        }
        // A conflict does not count as a failed attempt, and does not shorten the
        // backoff of a cloud that failed.
        let (wait, attempts, conflicts) = match (shortest, slot) {
            (Some(wait), slot) => {
                let wait = slot.map_or(wait, |slot| slot.min(wait));
                (wait, attempts.saturating_add(1), conflicts)
            }
            (None, _) if immediately => {
                let wait = grown(IMMEDIATELY, BACKOFF_LIMIT, conflicts);
                (wait, attempts, conflicts.saturating_add(1))
            }
            (None, Some(slot)) => (slot, attempts, 0),
            // The counts stay, and no delay of before does.
            (None, None) if awaits_answer => {
                self.set(uid, input, (attempts, conflicts), Duration::ZERO);
                return None;
            }
            (None, None) => {
                self.forget(uid);
                return None;
            }
        };
        let wait = wait.min(LONGEST);
        self.set(uid, input, (attempts, conflicts), wait);
        Some(wait)
    }

    fn set(
        &self,
        uid: &ServiceUid,
        input: AttemptInput,
        (attempts, conflicts): (u32, u32),
        wait: Duration,
    ) {
        let entry = Entry {
            input,
            attempts,
            conflicts,
            not_before: Instant::now() + wait,
        };
        self.0.set(uid, input.spec_hash, Some(entry));
    }

    pub fn forget(&self, uid: &ServiceUid) {
        self.0.forget(uid);
    }

    pub fn retain(&self, alive: &HashSet<ServiceUid>) {
        self.0.retain(alive);
    }
}

/// The time that a delay takes after earlier attempts; `None` if it is none that grows with
/// them or was requested.
pub(super) fn wait(delay: Requeue, attempts: u32) -> Option<Duration> {
    match delay {
        Requeue::AwaitChange | Requeue::AwaitAnswer | Requeue::Immediately | Requeue::Slot(_) => {
            None
        }
        Requeue::After(wait) => Some(wait),
        Requeue::Poll => Some(grown(POLL, POLL_LIMIT, attempts)),
        Requeue::Backoff => Some(grown(BACKOFF, BACKOFF_LIMIT, attempts)),
        Requeue::Restore => Some(grown(RESTORE, BACKOFF_LIMIT, attempts)),
    }
}

/// The delay, doubled for each attempt up to the limit, then shortened by a random
/// part of up to a fifth, so that Services that failed together are retried apart.
fn grown(first: Duration, limit: Duration, attempts: u32) -> Duration {
    let grown = first.saturating_mul(1_u32.checked_shl(attempts.min(16)).unwrap_or(u32::MAX));
    grown.min(limit).mul_f64(1.0 - 0.2 * fastrand::f64())
}

#[cfg(test)]
mod tests;
