//! The order of effects: a [`Plan`] while it is carried out.
//!
//! An [`Execution`] names the next effect, is told how it ended, and decides
//! what that means for the rest: which actions are skipped, what was created
//! and is in no record yet, what must be undone, when to stop. It performs
//! nothing itself. The controller performs the effects on real clouds; the model
//! checker (`tests/model`) and the laws of the plan (`tests/plan_laws`) drive
//! the same value in worlds of their own.

use std::collections::{BTreeSet, VecDeque};

use super::action::{Action, Outcome, Plan, Waiting};
use super::naming::{CloudName, LoadBalancerId};
use super::observed::Observed;

/// One plan being carried out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Execution {
    remaining: VecDeque<Action>,
    observed: Observed,
    /// Clouds at which an action did not succeed: their other actions are skipped.
    stopped: BTreeSet<CloudName>,
    /// Load balancers that were created and are in no record yet.
    unrecorded: Vec<(CloudName, LoadBalancerId)>,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    Applying,
    CheckingService,
    Undoing,
}

/// The effect to perform next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect<'a> {
    /// The next action of the plan. Ends with [`Execution::succeeded`] or
    /// [`Execution::failed`].
    Apply(&'a Action),
    /// Read the live Service: load balancers were created for it and could not be
    /// recorded. Ends with [`Execution::service_checked`].
    CheckService,
    /// Delete a load balancer that was created for a Service which is gone: no
    /// finalizer and no record will ever lead to it. Ends with
    /// [`Execution::undone`], however it ended.
    Undo {
        cloud: &'a CloudName,
        id: &'a LoadBalancerId,
    },
}

/// How far the failure of an action reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It ends the plan for the action's cloud; an action that belongs to no
    /// single cloud ends the whole plan.
    Action,
    /// It ends the whole plan: the Service changed, or leadership is lost.
    Plan,
}

/// Whether an action that did not succeed may have taken effect all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// It had no effect.
    NotDone,
    /// Its answer was lost: it may have taken effect, or may still do so.
    Unknown,
}

impl Execution {
    /// The execution of a plan, and the reasons for which the plan leaves
    /// something undone.
    pub fn new(plan: Plan, observed: Observed) -> (Self, BTreeSet<Waiting>) {
        let execution = Self {
            remaining: plan.actions.into(),
            observed,
            stopped: BTreeSet::new(),
            unrecorded: Vec::new(),
            phase: Phase::Applying,
        };
        (execution, plan.waiting)
    }

    /// The next effect; `None` at the end.
    pub fn next(&self) -> Option<Effect<'_>> {
        match self.phase {
            Phase::Applying => self.remaining.front().map(Effect::Apply),
            Phase::CheckingService => Some(Effect::CheckService),
            Phase::Undoing => {
                let (cloud, id) = self.unrecorded.first()?;
                Some(Effect::Undo { cloud, id })
            }
        }
    }

    /// The state of the world as far as the effects so far have shown it.
    pub fn observed(&self) -> &Observed {
        &self.observed
    }

    /// As [`Execution::observed`], at the end.
    pub fn into_observed(self) -> Observed {
        self.observed
    }

    /// Whether the next action must be tried even while the process stops: it
    /// records what was created.
    pub fn is_recording(&self) -> bool {
        let publishes = matches!(self.next(), Some(Effect::Apply(Action::Publish { .. })));
        publishes && !self.unrecorded.is_empty()
    }

    /// The next action succeeded; returns it.
    pub fn succeeded(&mut self, outcome: Outcome) -> Option<Action> {
        let action = self.remaining.pop_front()?;
        match (&action, &outcome) {
            (Action::Create { cloud, .. }, Outcome::Found(created)) => {
                self.unrecorded.push((cloud.clone(), created.id.clone()));
            }
            (Action::Publish { .. }, _) => self.unrecorded.clear(),
            _ => {}
        }
        self.observed.record_outcome(&action, outcome);
        self.skip_stopped();
        Some(action)
    }

    /// The next action did not succeed, or waits for something. What it left
    /// behind is not assumed either way: the next plan starts from what clouds
    /// and API server show then.
    ///
    /// Returns the cloud of a create whose answer was lost: that cloud must be
    /// queried until it answers, even if the Service names another one by then.
    #[must_use]
    pub fn failed(&mut self, reach: Reach, certainty: Certainty) -> Option<CloudName> {
        let action = self.remaining.pop_front()?;
        let cloud = action.cloud();
        self.stopped.extend(cloud.cloned());
        if reach == Reach::Plan || cloud.is_none() {
            self.remaining.clear();
            if matches!(action, Action::Publish { .. }) && !self.unrecorded.is_empty() {
                self.phase = Phase::CheckingService;
            }
        }
        self.skip_stopped();
        match action {
            Action::Create { cloud, .. } if certainty == Certainty::Unknown => Some(cloud),
            _ => None,
        }
    }

    /// The live Service was read. If it is gone, everything that was created
    /// for it is undone; if it exists or could not be read, its finalizer and
    /// the next reconcile take care of that.
    pub fn service_checked(&mut self, is_gone: bool) {
        if is_gone {
            self.phase = Phase::Undoing;
        } else {
            self.phase = Phase::Applying;
            self.unrecorded.clear();
        }
    }

    /// The undoing of one create ended. If it failed, the sweep is left to
    /// delete the load balancer.
    pub fn undone(&mut self) {
        if !self.unrecorded.is_empty() {
            self.unrecorded.remove(0);
        }
    }

    fn skip_stopped(&mut self) {
        while let Some(action) = self.remaining.front()
            && self.is_stopped(action)
        {
            self.remaining.pop_front();
        }
    }

    fn is_stopped(&self, action: &Action) -> bool {
        match action {
            // The finalizer stays until every load balancer is gone.
            Action::RemoveFinalizer { .. } => !self.stopped.is_empty(),
            _ => action
                .cloud()
                .is_some_and(|cloud| self.stopped.contains(cloud)),
        }
    }
}

#[cfg(test)]
mod tests;
