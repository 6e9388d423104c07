//! The order of effects: a [`Plan`] while it is performed.
//!
//! An [`Execution`] returns the next effect, receives its result, and decides the
//! consequences: the actions to skip, the load balancers that are in no record yet,
//! the creates to undo, and the end. It performs nothing itself. The controller
//! performs the effects on real clouds; the model checker (`tests/model`) and the
//! laws of the plan (`tests/plan_laws`) drive the same value in simulated worlds.

use std::collections::{BTreeSet, VecDeque};

use super::action::{Action, Outcome, Plan, Waiting};
use super::naming::{CloudName, LoadBalancerId};
use super::observed::Observed;

/// A plan that is being performed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Execution {
    remaining: VecDeque<Action>,
    observed: Observed,
    /// The clouds of actions that failed; their other actions are skipped.
    stopped: BTreeSet<CloudName>,
    /// The load balancers that were created and are in no record yet.
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
    /// Read the live Service, because load balancers were created for it and could
    /// not be recorded. Ends with [`Execution::service_checked`].
    CheckService,
    /// Delete a load balancer that was created for a Service that is gone: no
    /// finalizer and no record leads to it. Ends with [`Execution::undone`], even if
    /// the delete failed.
    Undo {
        cloud: &'a CloudName,
        id: &'a LoadBalancerId,
    },
}

/// The extent of an action's failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The failure ends the plan for the action's cloud, or the whole plan if the
    /// action belongs to no single cloud.
    Action,
    /// The failure ends the whole plan: the Service changed, or leadership was lost.
    Plan,
}

/// Whether a failed action may have taken effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// The action had no effect, or its effect shows in the next live read. Only a
    /// create needs more than that.
    NotDone,
    /// The response was lost: the action may have taken effect, or may still do so.
    Unknown,
}

impl Execution {
    /// The execution of a plan, and the plan's waits.
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

    /// The observed state after the effects so far.
    pub fn observed(&self) -> &Observed {
        &self.observed
    }

    /// The observed state at the end.
    pub fn into_observed(self) -> Observed {
        self.observed
    }

    /// Whether the next action records created load balancers, so that it must be
    /// tried even while the process stops.
    pub fn is_recording(&self) -> bool {
        let publishes = matches!(self.next(), Some(Effect::Apply(Action::Publish { .. })));
        publishes && !self.unrecorded.is_empty()
    }

    /// Records that the next action succeeded. Returns the action.
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

    /// Records that the next action failed or has to wait. Nothing is assumed about
    /// its effect: the next plan starts from a new observation.
    ///
    /// Returns the cloud of a create whose response was lost. That cloud must be
    /// queried until it responds, even if the Service names another one by then.
    #[must_use]
    pub fn failed(&mut self, reach: Reach, certainty: Certainty) -> Option<CloudName> {
        let action = self.remaining.pop_front()?;
        let cloud = action.cloud();
        self.stopped.extend(cloud.cloned());
        if reach == Reach::Plan || cloud.is_none() {
            self.remaining.clear();
            let is_unrecorded =
                matches!(action, Action::Publish { .. }) && !self.unrecorded.is_empty();
            // Without leadership nothing could be undone: the next leader finds it.
            if is_unrecorded && reach == Reach::Action {
                self.phase = Phase::CheckingService;
            }
        }
        self.skip_stopped();
        match action {
            Action::Create { cloud, .. } if certainty == Certainty::Unknown => Some(cloud),
            _ => None,
        }
    }

    /// Records the result of reading the live Service. If it is gone, every create is
    /// undone. If it exists or could not be read, its finalizer keeps it and the next
    /// reconcile records the load balancers.
    pub fn service_checked(&mut self, is_gone: bool) {
        if is_gone {
            self.phase = Phase::Undoing;
        } else {
            self.phase = Phase::Applying;
            self.unrecorded.clear();
        }
    }

    /// Records the end of one undo. If it failed, the sweep deletes the load balancer.
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
