//! Drift: what changed at a cloud although nobody here asked for it.
//!
//! It is put right at a pace, each cloud at its own, and after what users wait
//! for: a cloud that lost everything, or suddenly words everything otherwise,
//! must not get all of it at once.

use std::collections::{BTreeMap, HashMap, HashSet};
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

/// Why a cloud's part of a plan is a repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Somebody else changed what the cloud has.
    Drift,
    /// That, or a user's edit while nobody led: the Service was ready before
    /// this process first saw it.
    Unknown,
}

/// A cloud's part of a plan that puts right what nobody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repair {
    /// Why.
    pub cause: Cause,
    /// Whether this is the first attempt at it.
    pub is_new: bool,
    /// Until its turn; `None` when that has come.
    pub wait: Option<Duration>,
}

/// The repairs in a plan, by cloud.
pub type Repairs = BTreeMap<CloudName, Repair>;

/// Which Services had all they asked for, and whose turn it is to be repaired.
#[derive(Default)]
pub struct Drift(Mutex<State>);

#[derive(Default)]
struct State {
    wishes: HashMap<ServiceUid, Wish>,
    /// When the repairs of a cloud, one each [`SPACING`], are all used up.
    paces: HashMap<CloudName, Instant>,
    /// When each may be repaired; kept until nothing is left to do.
    turns: HashMap<ServiceUid, BTreeMap<CloudName, Instant>>,
}

/// What is known of a Service's wish. The numbers are versions of the Nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    /// It was ready when this process first saw it.
    Found(Input, u64),
    /// The clouds had all of it.
    Granted(Input, u64),
    /// A user waits for it.
    Open,
}

impl Wish {
    fn first_seen(service: &ObservedService) -> Self {
        let had_it = service.was_ready || service.was_drifted;
        if had_it && service.view.finalizer {
            Self::Found(service.input, service.nodes_version())
        } else {
            Self::Open
        }
    }

    /// Whether it is of another state of the Service.
    fn is_outdated(self, now: Input) -> bool {
        match self {
            Self::Found(input, _) | Self::Granted(input, _) => input != now,
            Self::Open => false,
        }
    }

    /// Why this action would be a repair, and whether it may wait: back ends
    /// that came or went may not, whatever else is to be mended with them.
    fn repair(self, action: &Action, nodes: u64) -> Option<(&CloudName, Cause, bool)> {
        let (cause, known) = match self {
            Self::Found(_, known) => (Cause::Unknown, known),
            Self::Granted(_, known) => (Cause::Drift, known),
            Self::Open => return None,
        };
        match action {
            Action::Create { cloud, .. } => Some((cloud, cause, true)),
            Action::Update { cloud, urgency, .. } => match urgency {
                Urgency::User => Some((cloud, cause, known == nodes)),
                Urgency::Background if cause == Cause::Drift && known == nodes => {
                    Some((cloud, cause, true))
                }
                Urgency::Background => None,
            },
            _ => None,
        }
    }
}

impl Drift {
    /// Notes that nothing is left to do for a Service as it is.
    pub fn settle(&self, service: &ObservedService) {
        let (uid, mut state) = (&service.view.uid, self.lock());
        let granted = Wish::Granted(service.input, service.nodes_version());
        state.wishes.insert(uid.clone(), granted);
        state.turns.remove(uid);
    }

    /// The repairs in a plan, each with its turn.
    pub fn judge(&self, plan: &Plan, service: &ObservedService) -> Repairs {
        let uid = &service.view.uid;
        let mut state = self.lock();
        let first_seen = || Wish::first_seen(service);
        let wish = state.wishes.entry(uid.clone()).or_insert_with(first_seen);
        if wish.is_outdated(service.input) {
            *wish = Wish::Open;
        }
        let wish = *wish;
        if wish == Wish::Open {
            state.turns.remove(uid);
            return Repairs::new();
        }
        let nodes = service.nodes_version();
        let repairs = plan.actions.iter().filter_map(|action| {
            let (cloud, cause, may_wait) = wish.repair(action, nodes)?;
            let (is_new, wait) = state.turn(uid, cloud);
            let repair = Repair {
                cause,
                is_new,
                wait: wait.filter(|_| may_wait),
            };
            Some((cloud.clone(), repair))
        });
        repairs.collect()
    }

    /// Whether a Service waits to be repaired, or is about to be.
    pub fn waits(&self, uid: &ServiceUid) -> bool {
        self.lock().turns.contains_key(uid)
    }

    /// Drops what is remembered of all Services but these.
    pub fn keep(&self, alive: &HashSet<ServiceUid>) {
        let mut state = self.lock();
        state.wishes.retain(|uid, _| alive.contains(uid));
        state.turns.retain(|uid, _| alive.contains(uid));
    }

    /// Drops what is remembered of a Service.
    pub fn forget(&self, uid: &ServiceUid) {
        let mut state = self.lock();
        state.wishes.remove(uid);
        state.turns.remove(uid);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether the turn was given just now, and how long it is until then.
    fn turn(&mut self, uid: &ServiceUid, cloud: &CloudName) -> (bool, Option<Duration>) {
        let now = Instant::now();
        let turns = self.turns.entry(uid.clone()).or_default();
        let given = turns.get(cloud).copied();
        let turn = given.unwrap_or_else(|| {
            let pace = self.paces.entry(cloud.clone()).or_insert(now);
            *pace = (*pace).max(now) + SPACING;
            (*pace).checked_sub(BURST * SPACING).unwrap_or(now).max(now)
        });
        turns.insert(cloud.clone(), turn);
        (given.is_none(), (turn > now).then(|| turn - now))
    }
}

/// A plan without what has to wait for its turn, and that as failures.
pub fn postpone(mut plan: Plan, repairs: &Repairs) -> (Plan, Vec<Failure>) {
    let is_mutation = |action: &Action| {
        matches!(
            action,
            Action::Create { .. } | Action::Update { .. } | Action::Delete { .. }
        )
    };
    plan.actions.retain(|action| match action {
        Action::Create { cloud, .. } | Action::Update { cloud, .. } => repairs
            .get(cloud)
            .is_none_or(|repair| repair.wait.is_none()),
        _ => true,
    });
    let postponed = repairs.iter().filter_map(|(cloud, repair)| {
        let (cloud, wait) = (cloud.clone(), repair.wait?);
        Some(Failure::NotItsTurn { cloud, wait })
    });
    let postponed: Vec<Failure> = postponed.collect();
    if !postponed.is_empty() && !plan.actions.iter().any(is_mutation) {
        // Nothing is left that the live Service would have to be asked for.
        plan.actions.retain(|action| *action != Action::ConfirmLive);
    }
    (plan, postponed)
}

#[cfg(test)]
mod tests;
