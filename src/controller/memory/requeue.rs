//! When to try again: the one place that decides it.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;

use super::per_service::PerService;
use crate::cloud::ErrorKind;
use crate::controller::attempt::SpecHash;
use crate::controller::error::{ReconcileError, Unfinished};
use crate::kubernetes::KubernetesError;
use crate::plan::Waiting;
use crate::plan::naming::ServiceUid;

/// First delay after a failure,
const BACKOFF: Duration = Duration::from_secs(5);
/// and the longest.
const BACKOFF_LIMIT: Duration = Duration::from_secs(300);
/// First delay when a cloud is at work for us,
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// and the longest.
const LOOK_AGAIN_LIMIT: Duration = Duration::from_secs(30);
/// No wait is longer, whatever asks for it: a clock must be able to hold it.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// Between reading a newer state and planning from it.
const AT_ONCE: Duration = Duration::from_millis(20);

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requeue {
    /// Not at all: a newer state is in hand.
    Immediately,
    /// Exactly as long as the other side asked for.
    After(Duration),
    /// Until its turn has come, which says nothing against a try of the rest at once.
    Slot(Duration),
    /// The cloud is at work: 1 s, growing to 30 s.
    Poll,
    /// 5 s, doubling to 300 s.
    Backoff,
    /// Until something changes.
    AwaitChange,
}

impl Requeue {
    /// When a Service with this left to do is worth another attempt.
    pub fn after(unfinished: Unfinished<'_>) -> Self {
        match unfinished {
            Unfinished::Failed(error) => Self::after_error(error),
            Unfinished::Waiting(waiting) => Self::after_waiting(waiting),
        }
    }

    fn after_error(error: &ReconcileError) -> Self {
        match error {
            ReconcileError::Cloud(error) => match error.retry_after() {
                // A cloud that fails and asks for no delay must not cause a hot loop.
                Some(wait) if !wait.is_zero() => Self::After(wait),
                _ => match error.kind() {
                    // Not sent because many calls wait, or the load balancer is not as
                    // expected: the next query shows more.
                    ErrorKind::Busy | ErrorKind::NotFound | ErrorKind::Conflict => Self::Poll,
                    _ => Self::Backoff,
                },
            },
            ReconcileError::Kubernetes(error) => match error {
                KubernetesError::Conflict => Self::Immediately,
                KubernetesError::Gone | KubernetesError::NotLeader(_) => Self::AwaitChange,
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
            // A Node change reconciles every Service; an unknown cloud needs a restart.
            // The time of a repair's slot is known to the pacing, not here.
            Waiting::NodesUnconfirmed
            | Waiting::RepairSlot(_)
            | Waiting::CloudNotConfigured(_)
            | Waiting::NotOurs(_)
            | Waiting::Invalid(_) => Self::AwaitChange,
        }
    }
}

#[derive(Debug)]
struct Entry {
    input: SpecHash,
    /// Version of the Nodes that the attempt knew.
    nodes: u64,
    attempts: u32,
    not_before: Instant,
}

/// The delays under way, one for each Service that has one.
#[derive(Default)]
pub struct RequeuePolicy(PerService<Entry>);

impl RequeuePolicy {
    /// How long this Service still has to wait, if it does. Other Nodes are
    /// worth an attempt at once, though they end no count of failures: back ends
    /// that are gone must not wait for a cloud that another part hangs on.
    pub fn remaining(&self, uid: &ServiceUid, input: SpecHash, nodes: u64) -> Option<Duration> {
        let mut entries = self.0.lock();
        let entry = entries.get(uid)?;
        if entry.input != input {
            entries.remove(uid);
            return None;
        }
        if entry.nodes != nodes {
            return None;
        }
        let remaining = entry.not_before.saturating_duration_since(Instant::now());
        (!remaining.is_zero()).then_some(remaining)
    }

    /// Attempts so far at what the Service says now.
    pub fn attempts(&self, uid: &ServiceUid, input: SpecHash) -> u32 {
        let entries = self.0.lock();
        let entry = entries.get(uid).filter(|entry| entry.input == input);
        entry.map_or(0, |entry| entry.attempts)
    }

    /// Notes the end of an attempt, with every delay that something of it asks
    /// for; the shortest counts. Gives the time until the next; `None` if only
    /// a change brings one.
    pub fn schedule(
        &self,
        uid: &ServiceUid,
        input: SpecHash,
        nodes: u64,
        delays: impl Iterator<Item = Requeue>,
    ) -> Option<Duration> {
        let attempts = self.attempts(uid, input);
        let wait = |delay| match delay {
            Requeue::AwaitChange | Requeue::Immediately | Requeue::Slot(_) => None,
            Requeue::After(wait) => Some(wait),
            Requeue::Poll => Some(grown(LOOK_AGAIN, LOOK_AGAIN_LIMIT, attempts)),
            Requeue::Backoff => Some(grown(BACKOFF, BACKOFF_LIMIT, attempts)),
        };
        let shorter = |one: Option<Duration>, other| one.into_iter().chain(other).min();
        let (mut shortest, mut turn, mut at_once) = (None, None, false);
        for delay in delays {
            at_once |= delay == Requeue::Immediately;
            shortest = shorter(shortest, wait(delay));
            if let Requeue::Slot(wait) = delay {
                turn = shorter(turn, Some(wait));
            }
        }
        // A conflict says nothing against the attempt, and gives no right to
        // ask again at once what a cloud just refused.
        let (wait, attempts) = match (shortest, turn) {
            (Some(wait), turn) => (turn.map_or(wait, |turn| turn.min(wait)), attempts + 1),
            (None, _) if at_once => (AT_ONCE, attempts),
            (None, Some(turn)) => (turn, attempts),
            (None, None) => {
                self.forget(uid);
                return None;
            }
        };
        let entry = Entry {
            input,
            nodes,
            attempts,
            not_before: Instant::now() + wait.min(LONGEST),
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

/// Doubled for each attempt, up to the limit, then shortened by up to a fifth
/// so that Services that failed together do not come back together.
fn grown(first: Duration, limit: Duration, attempts: u32) -> Duration {
    let grown = first.saturating_mul(1_u32.checked_shl(attempts.min(16)).unwrap_or(u32::MAX));
    grown.min(limit).mul_f64(1.0 - 0.2 * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    const INPUT: SpecHash = SpecHash::for_test(1);

    fn one(delay: Requeue) -> impl Iterator<Item = Requeue> {
        std::iter::once(delay)
    }

    #[tokio::test(start_paused = true)]
    async fn backoff_doubles_to_its_limit_and_a_success_or_an_edit_ends_it() {
        let retry = RequeuePolicy::default();
        let uid = ServiceUid::new("u");
        for expected in [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0] {
            let wait = retry
                .schedule(&uid, INPUT, 1, one(Requeue::Backoff))
                .expect("a delay")
                .as_secs_f64();
            assert!(
                (0.8 * expected..=expected).contains(&wait),
                "{wait} instead of {expected}"
            );
        }
        assert!(retry.remaining(&uid, INPUT, 1).is_some());
        assert!(
            retry.remaining(&uid, INPUT, 2).is_none(),
            "other Nodes are not kept waiting"
        );
        assert!(
            retry.remaining(&uid, SpecHash::for_test(2), 1).is_none(),
            "an edit is tried at once"
        );
        assert_eq!(
            retry.attempts(&uid, INPUT),
            0,
            "and starts from the beginning"
        );
        retry.schedule(&uid, INPUT, 1, one(Requeue::Backoff));
        retry.schedule(&uid, INPUT, 1, one(Requeue::AwaitChange));
        assert!(
            retry.remaining(&uid, INPUT, 1).is_none(),
            "a success is the end of it"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn services_that_failed_together_do_not_come_back_together() {
        let retry = RequeuePolicy::default();
        let waits: HashSet<_> = (0..10)
            .map(|number| ServiceUid::new(format!("{number}")))
            .map(|uid| retry.schedule(&uid, INPUT, 1, one(Requeue::Backoff)))
            .collect();
        assert!(waits.len() > 1, "{waits:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_delay_of_one_service_is_no_others() {
        let retry = RequeuePolicy::default();
        let (slow, other) = (ServiceUid::new("slow"), ServiceUid::new("other"));
        retry.schedule(&slow, INPUT, 1, one(Requeue::Backoff));
        assert!(retry.remaining(&slow, INPUT, 1).is_some());
        assert!(retry.remaining(&other, INPUT, 1).is_none());
        assert_eq!(retry.attempts(&other, INPUT), 0);
    }

    #[test]
    fn what_only_a_change_can_mend_waits_for_it() {
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
            (Waiting::NodesUnconfirmed, Requeue::AwaitChange, "a Node"),
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
                "{waiting:?} is for {what}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_other_side_asks_for_is_kept_exactly() {
        let retry = RequeuePolicy::default();
        let uid = ServiceUid::new("u");
        let wait = Duration::from_secs(7);
        assert_eq!(
            retry.schedule(&uid, INPUT, 1, one(Requeue::After(wait))),
            Some(wait)
        );
        tokio::time::advance(Duration::from_millis(6_999)).await;
        assert!(retry.remaining(&uid, INPUT, 1).is_some());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(retry.remaining(&uid, INPUT, 1).is_none());
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
                "two clouds, one asks for a minute",
            ),
            (
                &[After(minute), Poll],
                Some(1_000),
                "two clouds, one is at work",
            ),
            (&[AwaitChange], None, "nothing is left to do"),
            (
                &[Slot(minute)],
                Some(60_000),
                "what drifted waits for its turn",
            ),
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
                1,
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
    async fn no_wait_is_longer_than_a_clock_can_hold() {
        let retry = RequeuePolicy::default();
        let uid = ServiceUid::new("u");
        retry.schedule(&uid, INPUT, 1, one(Requeue::After(Duration::MAX)));
        assert_eq!(retry.remaining(&uid, INPUT, 1), Some(LONGEST));
    }

    #[test]
    fn a_cloud_that_fails_and_says_at_once_is_given_a_pause() {
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
