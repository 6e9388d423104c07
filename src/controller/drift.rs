//! Drift: what changed at a cloud although nobody here asked for it.
//!
//! It is put right at a pace, each cloud at its own, and after what users wait
//! for: a cloud that lost everything, or suddenly words everything otherwise,
//! must not get all of it at once.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::failure::Failure;
use super::observe::ObservedService;
use super::retry::Input;
use crate::plan::naming::{CloudName, ServiceUid};
use crate::plan::{Action, Plan, Urgency};

/// Services of one cloud that are repaired at once,
pub const BURST: u32 = 10;
/// and the time between two of them after that.
pub const SPACING: Duration = Duration::from_millis(200);

/// Which Services had all they asked for, and whose turn it is to be repaired.
#[derive(Default)]
pub struct Drift(Mutex<State>);

#[derive(Default)]
struct State {
    settled: HashMap<ServiceUid, Settled>,
    /// The next instant at which a cloud's repairs, one each [`SPACING`], were all used up.
    paces: HashMap<CloudName, Instant>,
    /// When each Service that waits may be repaired.
    turns: HashMap<ServiceUid, Instant>,
}

/// For what the clouds had all that was asked.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Settled {
    input: Input,
    nodes: u64,
}

impl Drift {
    /// Notes that nothing is left to do for a Service as it is.
    pub fn settle(&self, service: &ObservedService) {
        let (input, nodes) = (service.input, service.nodes);
        let mut state = self.lock();
        state.turns.remove(&service.view.uid);
        state
            .settled
            .insert(service.view.uid.clone(), Settled { input, nodes });
    }

    /// The clouds whose part of a plan puts right what drifted. What was there
    /// before this process led is known of the record only: an edit looks like a user's then.
    pub fn drifted(&self, plan: &Plan, service: &ObservedService) -> BTreeSet<CloudName> {
        let state = self.lock();
        let settled = state.settled.get(&service.view.uid);
        let same_input = settled.is_some_and(|settled| settled.input == service.input);
        let same_nodes = settled.is_some_and(|settled| settled.nodes == service.nodes);
        let clouds = plan.actions.iter().filter_map(|action| match action {
            Action::Create { cloud, .. } => {
                let had_one = settled.is_none() && service.view.record.get(cloud).is_some();
                (had_one || same_input).then_some(cloud)
            }
            Action::Update { cloud, urgency, .. } => {
                let is_asked_for = *urgency == Urgency::Background && !same_nodes;
                (same_input && !is_asked_for).then_some(cloud)
            }
            _ => None,
        });
        clouds.cloned().collect()
    }

    /// The plan, without its actions while what drifted has to wait for its turn.
    pub fn in_turn(
        &self,
        plan: Plan,
        drifted: &BTreeSet<CloudName>,
        service: &ObservedService,
    ) -> (Plan, Option<Failure>) {
        if drifted.is_empty() {
            return (plan, None);
        }
        let Some(wait) = self.wait(&service.view.uid, drifted) else {
            return (plan, None);
        };
        tracing::info!(?wait, "what drifted waits for its turn");
        let later = Plan {
            actions: Vec::new(),
            waiting: plan.waiting,
        };
        (later, Some(Failure::NotItsTurn(wait)))
    }

    /// How long a Service has to wait until its drift on these clouds is put
    /// right; `None` when its turn has come.
    fn wait(&self, uid: &ServiceUid, clouds: &BTreeSet<CloudName>) -> Option<Duration> {
        let now = Instant::now();
        let mut state = self.lock();
        let turn = match state.turns.remove(uid) {
            Some(turn) => turn,
            None => {
                let turns = clouds.iter().map(|cloud| state.turn(cloud, now));
                turns.max().unwrap_or(now)
            }
        };
        if turn <= now {
            return None;
        }
        state.turns.insert(uid.clone(), turn);
        Some(turn - now)
    }

    /// Drops what is remembered of all Services but these.
    pub fn keep(&self, alive: &HashSet<ServiceUid>) {
        let mut state = self.lock();
        state.settled.retain(|uid, _| alive.contains(uid));
        state.turns.retain(|uid, _| alive.contains(uid));
    }

    /// Drops what is remembered of a Service.
    pub fn forget(&self, uid: &ServiceUid) {
        let mut state = self.lock();
        state.settled.remove(uid);
        state.turns.remove(uid);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The next turn of a cloud, which is taken with that.
    fn turn(&mut self, cloud: &CloudName, now: Instant) -> Instant {
        let pace = self.paces.entry(cloud.clone()).or_insert(now);
        *pace = (*pace).max(now) + SPACING;
        (*pace).checked_sub(BURST * SPACING).unwrap_or(now).max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(drift: &Drift, uid: u32, cloud: &str) -> Duration {
        let clouds = BTreeSet::from([CloudName::new(cloud)]);
        let uid = ServiceUid::new(uid.to_string());
        drift.wait(&uid, &clouds).unwrap_or_default()
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_are_repaired_at_once_and_the_others_one_by_one() {
        let drift = Drift::default();
        let turns = |wait: Duration| wait.as_millis() / SPACING.as_millis();
        let waits: Vec<u128> = (0..BURST + 3)
            .map(|uid| turns(wait(&drift, uid, "cloud1")))
            .collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3]);
        assert!(wait(&drift, 99, "cloud2").is_zero(), "another cloud's pace");

        tokio::time::advance(SPACING).await;
        assert!(wait(&drift, BURST, "cloud1").is_zero(), "its turn");
        let next = wait(&drift, BURST + 1, "cloud1");
        assert_eq!(next, SPACING, "asked again it keeps its turn");
        assert_eq!(
            wait(&drift, 98, "cloud1"),
            3 * SPACING,
            "the last in the row"
        );

        tokio::time::advance(60 * SPACING).await;
        let waits = (100..100 + BURST).map(|uid| wait(&drift, uid, "cloud1"));
        assert_eq!(
            waits.sum::<Duration>(),
            Duration::ZERO,
            "after a quiet time"
        );
        assert_eq!(wait(&drift, 200, "cloud1"), SPACING);
    }
}
