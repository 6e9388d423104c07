//! The requeue policy: decides when to try again.
//!
//! Any repetition of the same action on the same input goes through it, and each kind of
//! repetition has a delay that doubles: a failure, a cloud that works, a conflict, and the
//! repair of what another writer undoes.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use super::per_service::PerService;
use crate::cloud::ErrorKind;
use crate::controller::attempt::SpecHash;
use crate::controller::error::{ReconcileError, Unfinished};
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
const LONGEST: Duration = Duration::from_secs(24 * 3600);
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
    /// Until the slot of a repair; other parts of the attempt may be retried earlier.
    Slot(Duration),
    /// 1 s, doubling to 30 s: the cloud is working.
    Poll,
    /// 5 s, doubling to 300 s.
    Backoff,
    /// No delay: only a change triggers the next attempt.
    AwaitChange,
}

impl Requeue {
    /// The delays for the errors and the waits of an attempt. A wait for a cloud on which
    /// the attempt failed has none: looking again at what is not there yet would repeat the
    /// failed call, sooner than its backoff.
    pub fn of_attempt(
        errors: &[ReconcileError],
        waiting: &BTreeSet<Waiting>,
    ) -> impl Iterator<Item = Self> {
        let failures = errors.iter().filter(|error| !error.is_superseded());
        // An error without a cloud failed for all of them.
        let failed: Vec<_> = failures.map(ReconcileError::cloud).collect();
        let is_failed =
            |cloud: &CloudName| failed.iter().any(|one| one.is_none_or(|one| one == cloud));
        let mut delays: Vec<Self> = errors.iter().map(Self::after_error).collect();
        let waits = waiting.iter();
        let waits = waits.filter(|waiting| !waiting.cloud().is_some_and(is_failed));
        delays.extend(waits.map(Self::after_waiting));
        delays.into_iter()
    }

    /// The delay for an error or a wait.
    pub fn after(unfinished: Unfinished<'_>) -> Self {
        match unfinished {
            Unfinished::Failed(error) => Self::after_error(error),
            Unfinished::Waiting(waiting) => Self::after_waiting(waiting),
        }
    }

    fn after_error(error: &ReconcileError) -> Self {
        match error {
            ReconcileError::Cloud(error) => match error.retry_after() {
                // A failing cloud with a Retry-After of zero must not cause a hot loop.
                Some(wait) if !wait.is_zero() => Self::After(wait),
                _ => match error.kind() {
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
            // A Node change reconciles every Service; configuring a cloud needs a restart.
            // The time of a repair's slot comes from the pacing.
            Waiting::NoEligibleNodes
            | Waiting::RepairSlot(_)
            | Waiting::CloudNotConfigured(_)
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

/// The pending delays of Services.
#[derive(Default)]
pub struct RequeuePolicy(PerService<Entry>);

impl RequeuePolicy {
    /// The remaining delay of a Service. A change of the Nodes ends the delay of a Service
    /// with a load balancer, without resetting the count of attempts: removed back ends must
    /// not wait for the backoff of another cloud. It does not end that of a create.
    pub fn remaining(&self, uid: &ServiceUid, spec_hash: SpecHash, nodes: u64) -> Option<Duration> {
        let mut entries = self.0.lock();
        let entry = entries.get(uid)?;
        if entry.input.spec_hash != spec_hash {
            entries.remove(uid);
            return None;
        }
        if entry.input.nodes != nodes && entry.input.follows_nodes {
            return None;
        }
        let remaining = entry.not_before.saturating_duration_since(Instant::now());
        (!remaining.is_zero()).then_some(remaining)
    }

    /// The number of failed or polling attempts at the current spec.
    pub fn attempts(&self, uid: &ServiceUid, spec_hash: SpecHash) -> u32 {
        let (attempts, _) = self.counts(uid, spec_hash);
        attempts
    }

    /// The attempts and the conflicts at the current spec.
    fn counts(&self, uid: &ServiceUid, spec_hash: SpecHash) -> (u32, u32) {
        let entries = self.0.lock();
        let entry = entries
            .get(uid)
            .filter(|entry| entry.input.spec_hash == spec_hash);
        entry.map_or((0, 0), |entry| (entry.attempts, entry.conflicts))
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
        let wait = |delay| match delay {
            Requeue::AwaitChange | Requeue::Immediately | Requeue::Slot(_) => None,
            Requeue::After(wait) => Some(wait),
            Requeue::Poll => Some(grown(POLL, POLL_LIMIT, attempts)),
            Requeue::Backoff => Some(grown(BACKOFF, BACKOFF_LIMIT, attempts)),
            Requeue::Restore => Some(grown(RESTORE, BACKOFF_LIMIT, attempts)),
        };
        let shorter = |one: Option<Duration>, other| one.into_iter().chain(other).min();
        let (mut shortest, mut slot, mut immediately) = (None, None, false);
        for delay in delays {
            immediately |= delay == Requeue::Immediately;
            shortest = shorter(shortest, wait(delay));
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
            (None, None) => {
                self.forget(uid);
                return None;
            }
        };
        let wait = wait.min(LONGEST);
        let entry = Entry {
            input,
            attempts,
            conflicts,
            not_before: Instant::now() + wait,
        };
        self.0.insert(uid, entry);
        Some(wait)
    }

    pub fn forget(&self, uid: &ServiceUid) {
        self.0.forget(uid);
    }

    pub fn retain(&self, alive: &HashSet<ServiceUid>) {
        self.0.retain(alive);
    }
}

/// The delay, doubled for each attempt up to the limit, then shortened by a random
/// part of up to a fifth, so that Services that failed together are retried apart.
fn grown(first: Duration, limit: Duration, attempts: u32) -> Duration {
    let grown = first.saturating_mul(1_u32.checked_shl(attempts.min(16)).unwrap_or(u32::MAX));
    grown.min(limit).mul_f64(1.0 - 0.2 * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: SpecHash = SpecHash::for_test(1);
    /// An attempt for a Service with a load balancer.
    const INPUT: AttemptInput = AttemptInput {
        spec_hash: SPEC,
        nodes: 1,
        follows_nodes: true,
    };

    fn one(delay: Requeue) -> impl Iterator<Item = Requeue> {
        std::iter::once(delay)
    }

    #[tokio::test(start_paused = true)]
    async fn backoff_doubles_to_its_limit_and_a_success_or_an_edit_ends_it() {
        let policy = RequeuePolicy::default();
        let uid = ServiceUid::new("u");
        for expected in [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0] {
            let wait = policy
                .schedule(&uid, INPUT, one(Requeue::Backoff))
                .expect("a delay")
                .as_secs_f64();
            assert!(
                (0.8 * expected..=expected).contains(&wait),
                "{wait} instead of {expected}"
            );
        }
        assert!(policy.remaining(&uid, SPEC, 1).is_some());
        assert!(
            policy.remaining(&uid, SPEC, 2).is_none(),
            "a change of the Nodes ends the delay"
        );
        assert!(
            policy.remaining(&uid, SpecHash::for_test(2), 1).is_none(),
            "an edit ends the delay"
        );
        assert_eq!(policy.attempts(&uid, SPEC), 0, "and resets the count");
        policy.schedule(&uid, INPUT, one(Requeue::Backoff));
        policy.schedule(&uid, INPUT, one(Requeue::AwaitChange));
        assert!(
            policy.remaining(&uid, SPEC, 1).is_none(),
            "a success ends the delay"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn services_that_failed_together_are_retried_apart() {
        let policy = RequeuePolicy::default();
        let waits: HashSet<_> = (0..10)
            .map(|number| ServiceUid::new(format!("{number}")))
            .map(|uid| policy.schedule(&uid, INPUT, one(Requeue::Backoff)))
            .collect();
        assert!(waits.len() > 1, "{waits:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_delay_of_one_service_does_not_delay_others() {
        let policy = RequeuePolicy::default();
        let (slow, other) = (ServiceUid::new("slow"), ServiceUid::new("other"));
        policy.schedule(&slow, INPUT, one(Requeue::Backoff));
        assert!(policy.remaining(&slow, SPEC, 1).is_some());
        assert!(policy.remaining(&other, SPEC, 1).is_none());
        assert_eq!(policy.attempts(&other, SPEC), 0);
    }

    #[test]
    fn waits_that_only_a_change_can_end_are_not_retried() {
        use crate::plan::NotOurs;
        let cloud = || crate::plan::naming::CloudName::new("cloud1");
        let cases = [
            (
                Waiting::Invalid(Vec::new()),
                Requeue::AwaitChange,
                "an edit",
            ),
            (
                Waiting::NotOurs(NotOurs::NotEnabled),
                Requeue::AwaitChange,
                "an edit",
            ),
            (
                Waiting::CloudNotConfigured(cloud()),
                Requeue::AwaitChange,
                "a restart",
            ),
            (Waiting::NoEligibleNodes, Requeue::AwaitChange, "a Node"),
            (Waiting::Provisioning(cloud()), Requeue::Poll, "the cloud"),
            (
                Waiting::CloudUnreachable(cloud()),
                Requeue::Backoff,
                "the next try",
            ),
        ];
        for (waiting, delay, what) in cases {
            assert_eq!(
                Requeue::after(Unfinished::Waiting(&waiting)),
                delay,
                "{waiting:?} waits for {what}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_requested_delay_is_kept_exactly() {
        let policy = RequeuePolicy::default();
        let uid = ServiceUid::new("u");
        let wait = Duration::from_secs(7);
        assert_eq!(
            policy.schedule(&uid, INPUT, one(Requeue::After(wait))),
            Some(wait)
        );
        tokio::time::advance(Duration::from_millis(6_999)).await;
        assert!(policy.remaining(&uid, SPEC, 1).is_some());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(policy.remaining(&uid, SPEC, 1).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn of_several_delays_the_shortest_counts_and_a_conflict_shortens_none() {
        use Requeue::{After, AwaitChange, Backoff, Immediately, Poll, Slot};
        let minute = Duration::from_secs(60);
        let cases: [(&[Requeue], _, _); 8] = [
            (&[Immediately, AwaitChange], Some(20), "nothing failed"),
            (
                &[Immediately, Backoff],
                Some(5_000),
                "a cloud failed, then a write conflicted",
            ),
            (
                &[After(minute), Backoff],
                Some(5_000),
                "two clouds, one requests a minute",
            ),
            (
                &[After(minute), Poll],
                Some(1_000),
                "two clouds, one is working",
            ),
            (&[AwaitChange], None, "nothing is left to do"),
            (&[Slot(minute)], Some(60_000), "a repair waits for its slot"),
            (
                &[Slot(minute), Immediately],
                Some(20),
                "it waits, and a write of the rest conflicted",
            ),
            (
                &[Slot(minute), Backoff],
                Some(5_000),
                "it waits, and another cloud failed",
            ),
        ];
        for (delays, expected, reason) in cases {
            let wait = RequeuePolicy::default().schedule(
                &ServiceUid::new("u"),
                INPUT,
                delays.iter().copied(),
            );
            let longest = expected.map(Duration::from_millis);
            assert!(
                wait <= longest && wait >= longest.map(|longest| longest.mul_f64(0.8)),
                "{reason}: {wait:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn conflicts_without_end_are_backed_off_and_do_not_count_as_failures() {
        let policy = RequeuePolicy::default();
        let uid = ServiceUid::new("u");
        let mut expected = IMMEDIATELY;
        for number in 0..20 {
            let wait = policy.schedule(&uid, INPUT, one(Requeue::Immediately));
            let wait = wait.expect("a delay");
            let longest = expected.min(BACKOFF_LIMIT);
            assert!(
                wait <= longest && wait >= longest.mul_f64(0.8),
                "{number}: {wait:?}"
            );
            expected *= 2;
        }
        assert_eq!(policy.attempts(&uid, SPEC), 0);
        policy.schedule(&uid, INPUT, one(Requeue::AwaitChange));
        let wait = policy.schedule(&uid, INPUT, one(Requeue::Immediately));
        assert!(
            wait <= Some(IMMEDIATELY),
            "a success ends the series: {wait:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_change_does_not_lift_the_delay_of_a_create() {
        let policy = RequeuePolicy::default();
        let (create, update) = (ServiceUid::new("create"), ServiceUid::new("update"));
        let without = AttemptInput {
            follows_nodes: false,
            ..INPUT
        };
        policy.schedule(&create, without, one(Requeue::Backoff));
        policy.schedule(&update, INPUT, one(Requeue::Backoff));
        assert!(policy.remaining(&create, SPEC, 2).is_some());
        assert!(policy.remaining(&update, SPEC, 2).is_none());
    }

    #[test]
    fn looking_again_does_not_shorten_the_backoff_of_a_failed_call() {
        use Requeue::{Backoff, Immediately, Poll};
        let failed = |cloud: &str| {
            let operation = crate::cloud::Operation {
                cloud: CloudName::new(cloud),
                verb: crate::cloud::Verb::Create,
            };
            let kind = ErrorKind::Unavailable { retry_after: None };
            ReconcileError::from(crate::cloud::CloudError::new(operation, kind, "500"))
        };
        let provisioning = |cloud: &str| Waiting::Provisioning(CloudName::new(cloud));
        let rejected = || ReconcileError::from(KubernetesError::Rejected("no".into()));
        let cases = [
            (
                vec![failed("cloud1")],
                vec!["cloud1"],
                vec![Backoff],
                "a create fails",
            ),
            (
                vec![failed("cloud1")],
                vec!["cloud1", "cloud2"],
                vec![Backoff, Poll],
                "the other cloud is working",
            ),
            (
                vec![rejected()],
                vec!["cloud1", "cloud2"],
                vec![Backoff],
                "the write to the Service fails for all clouds",
            ),
            (
                vec![ReconcileError::Changed],
                vec!["cloud1"],
                vec![Immediately, Poll],
                "nothing failed",
            ),
            (vec![], vec!["cloud1"], vec![Poll], "the cloud is working"),
        ];
        for (errors, waiting, expected, reason) in cases {
            let waiting = waiting.into_iter().map(provisioning).collect();
            let delays: Vec<_> = Requeue::of_attempt(&errors, &waiting).collect();
            assert_eq!(delays, expected, "{reason}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_wait_is_longer_than_a_clock_can_hold() {
        let policy = RequeuePolicy::default();
        let uid = ServiceUid::new("u");
        policy.schedule(&uid, INPUT, one(Requeue::After(Duration::MAX)));
        assert_eq!(policy.remaining(&uid, SPEC, 1), Some(LONGEST));
    }

    #[test]
    fn a_failing_cloud_with_a_retry_after_of_zero_is_backed_off() {
        let failure = |seconds| {
            let kind = ErrorKind::Unavailable {
                retry_after: Some(Duration::from_secs(seconds)),
            };
            let operation = crate::cloud::Operation {
                cloud: crate::plan::naming::CloudName::new("cloud1"),
                verb: crate::cloud::Verb::Create,
            };
            crate::cloud::CloudError::new(operation, kind, "down").into()
        };
        assert_eq!(
            Requeue::after(Unfinished::Failed(&failure(0))),
            Requeue::Backoff
        );
        assert_eq!(
            Requeue::after(Unfinished::Failed(&failure(3))),
            Requeue::After(Duration::from_secs(3))
        );
    }
}
