//! The order of effects: a [`Plan`] while it is performed.
//!
//! An [`Execution`] returns the effects to perform now, receives the result of each, and
//! decides the consequences: what may begin next, the actions to skip, the load balancers
//! that are in no record yet, the creates to undo, and the end. It performs nothing itself.
//! The controller performs the effects on real clouds; the model checker (`tests/model`)
//! and the laws of the plan (`tests/plan_laws`) drive the same value in simulated worlds.
//!
//! Effects are performed in [`Lane`]s: one for the Service, one for each cloud. Within a
//! lane, one effect follows the other; the lanes of clouds run side by side. An action on
//! the Service begins when everything before it in the plan has ended, with one exception:
//! what one cloud gains may be published while the others are still at work
//! ([`Execution::publish_early`]), so that a cloud that hangs does not keep the address of
//! another from its users.

mod begin;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::action::{Action, Outcome, Plan, Waiting};
use super::naming::{CloudName, LoadBalancerId};
use super::observed::Observed;
use super::record::Publication;

/// Where an effect is performed. One effect at a time is under way in a lane.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// At the API server, or at no single cloud. Writes to the Service are thus made one at
    /// a time, each from the response to the one before.
    Service,
    Cloud(CloudName),
}

impl Lane {
    /// The lane of an action.
    pub fn of(action: &Action) -> Self {
        action.cloud().cloned().map_or(Self::Service, Self::Cloud)
    }
}

/// A plan that is being performed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Execution {
    /// The actions that have not begun.
    remaining: VecDeque<Action>,
    /// The actions that have begun and not ended.
    under_way: BTreeMap<Lane, Action>,
    /// What the action under way publishes.
    publication: Option<Publication>,
    /// Whether that is ahead of its turn in the plan, where it follows once more.
    is_early: bool,
    observed: Observed,
    /// The clouds of actions that failed; their other actions are skipped.
    stopped: BTreeSet<CloudName>,
    /// The load balancers that were created and are in no record yet.
    unrecorded: Vec<(CloudName, LoadBalancerId)>,
    /// Whether a publication failed, so that the Service may be gone.
    may_be_gone: bool,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    Applying,
    CheckingService,
    Undoing,
}

/// An effect to perform now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect<'a> {
    /// An action of the plan. Ends with [`Execution::succeeded`] or [`Execution::failed`].
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
        let mut execution = Self {
            remaining: plan.actions.into(),
            under_way: BTreeMap::new(),
            publication: None,
            is_early: false,
            observed,
            stopped: BTreeSet::new(),
            unrecorded: Vec::new(),
            may_be_gone: false,
            phase: Phase::Applying,
        };
        execution.begin();
        (execution, plan.waiting)
    }

    /// The effects that are under way, by lane; none at the end. An effect is under way
    /// from the moment at which it is in here, whenever it is performed; it stays in here
    /// until its end is recorded.
    pub fn effects(&self) -> impl Iterator<Item = (Lane, Effect<'_>)> {
        let only = match self.phase {
            Phase::Applying => None,
            Phase::CheckingService => Some(Effect::CheckService),
            Phase::Undoing => {
                let first = self.unrecorded.first();
                first.map(|(cloud, id)| Effect::Undo { cloud, id })
            }
        };
        let only = only.map(|effect| (Lane::Service, effect));
        let actions = self.under_way.iter();
        only.into_iter()
            .chain(actions.map(|(lane, action)| (lane.clone(), Effect::Apply(action))))
    }

    /// The lanes in which an effect is under way.
    pub fn lanes(&self) -> Vec<Lane> {
        self.effects().map(|(lane, _)| lane).collect()
    }

    /// The effect under way in a lane.
    pub fn effect(&self, lane: &Lane) -> Option<Effect<'_>> {
        let found = self.effects().find(|(other, _)| other == lane);
        found.map(|(_, effect)| effect)
    }

    /// Whether no effect is left.
    pub fn has_ended(&self) -> bool {
        self.effects().next().is_none()
    }

    /// The observed state after the effects so far.
    pub fn observed(&self) -> &Observed {
        &self.observed
    }

    /// The observed state at the end.
    pub fn into_observed(self) -> Observed {
        self.observed
    }

    /// What the action under way publishes: as it was known when the action began.
    pub fn publication(&self) -> Option<&Publication> {
        self.publication.as_ref()
    }

    /// Whether the action under way at the Service records created load balancers, so that
    /// it must be tried even while the process stops.
    pub fn is_recording(&self) -> bool {
        self.publication.is_some() && !self.unrecorded.is_empty()
    }

    /// Records that the action under way in a lane succeeded. Returns the action.
    pub fn succeeded(&mut self, lane: &Lane, outcome: Outcome) -> Option<Action> {
        let action = self.under_way.remove(lane)?;
        if let (Action::Create { cloud, .. }, Outcome::Found(created)) = (&action, &outcome) {
            self.unrecorded.push((cloud.clone(), created.id.clone()));
        }
        if let Some(publication) = self.end_publication(lane) {
            // What was created meanwhile is not in it.
            let record = &publication.record;
            self.unrecorded
                .retain(|(cloud, id)| record.get(cloud) != Some(id));
            self.observed.record_published(publication);
        }
        self.observed.record_outcome(&action, outcome);
        self.begin();
        Some(action)
    }

    /// Records that the action under way in a lane failed or has to wait. Nothing is assumed
    /// about its effect: the next plan starts from a new observation.
    ///
    /// Returns the cloud of a create whose response was lost. That cloud must be
    /// queried until it responds, even if the Service names another one by then.
    #[must_use]
    pub fn failed(&mut self, lane: &Lane, reach: Reach, certainty: Certainty) -> Option<CloudName> {
        let action = self.under_way.remove(lane)?;
        let publication = self.end_publication(lane);
        let cloud = action.cloud();
        self.stopped.extend(cloud.cloned());
        if reach == Reach::Plan || cloud.is_none() {
            self.remaining.clear();
            // Without leadership nothing could be undone: the next leader finds it.
            self.may_be_gone |= publication.is_some() && reach == Reach::Action;
        }
        self.begin();
        match action {
            Action::Create { cloud, .. } if certainty == Certainty::Unknown => Some(cloud),
            _ => None,
        }
    }

    /// The clouds that have not answered an update of this plan yet: what they show is from
    /// before it.
    pub fn updating(&self) -> BTreeSet<CloudName> {
        let unfinished = self.under_way.values().chain(&self.remaining);
        let clouds = unfinished.filter_map(|action| match action {
            Action::Update { cloud, .. } => Some(cloud.clone()),
            _ => None,
        });
        clouds.collect()
    }

    /// Whether only calls to clouds are under way, so that [`Self::leave`] leaves no write.
    pub fn awaits_only_clouds(&self) -> bool {
        let is_at_cloud = |lane: &Lane| matches!(lane, Lane::Cloud(_));
        self.phase == Phase::Applying
            && !self.under_way.is_empty()
            && self.under_way.keys().all(is_at_cloud)
    }

    /// Leaves the clouds behind at which something is under way: no write follows. What is
    /// under way there is still to be ended here, with what follows it on the same cloud.
    /// Whatever it creates is undone if the Service is gone by then, and found by the next plan
    /// otherwise, which does without answers of these clouds until then
    /// ([`Observed::without_answers_of`]). Returns them.
    pub fn leave(&mut self) -> BTreeSet<CloudName> {
        let clouds = self.under_way.values().filter_map(Action::cloud);
        let clouds: BTreeSet<CloudName> = clouds.cloned().collect();
        let write = self
            .remaining
            .iter()
            .position(|next| next.cloud().is_none());
        self.remaining
            .truncate(write.unwrap_or(self.remaining.len()));
        self.may_be_gone = true;
        clouds
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

    fn end_publication(&mut self, lane: &Lane) -> Option<Publication> {
        match lane {
            Lane::Service => self.publication.take(),
            Lane::Cloud(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
