//! Carries plans out in a [`World`], by the shipped [`Execution`] as
//! `controller::apply` does, and injects faults.

use std::collections::BTreeSet;

use my_cloud_controller_manager::plan::execution::{Certainty, Effect, Execution, Lane, Reach};
use my_cloud_controller_manager::plan::naming::CloudName;
use my_cloud_controller_manager::plan::service::ServiceView;
use my_cloud_controller_manager::plan::{Action, Observed, Outcome, Plan};

use crate::cloud::Cloud;
use crate::fault::{Fault, FaultKind};
use crate::world::World;

/// Why an action did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    NotDone,
    /// The action may have taken effect: its response was lost.
    Unknown,
    /// The cloud has no room.
    Full,
    /// The Service is not the one that the plan was made for.
    Changed,
    /// The Service is gone.
    Gone,
}

impl Failure {
    fn reach(self) -> Reach {
        match self {
            Self::Changed => Reach::Plan,
            Self::NotDone | Self::Unknown | Self::Full | Self::Gone => Reach::Action,
        }
    }

    fn certainty(self) -> Certainty {
        match self {
            Self::Unknown => Certainty::Unknown,
            Self::NotDone | Self::Full | Self::Changed | Self::Gone => Certainty::NotDone,
        }
    }
}

/// The result of carrying out a plan.
pub struct Applied {
    /// The state of the world as the execution has it, if every action succeeded.
    pub observed: Option<Observed>,
    /// The clouds that were full.
    pub refused: BTreeSet<CloudName>,
}

impl World {
    /// Carries a plan out.
    ///
    /// # Errors
    /// The invariant that did not hold at some moment.
    pub fn apply(
        &mut self,
        mut service: ServiceView,
        plan: &Plan,
        observed: Observed,
        fault: Option<Fault>,
    ) -> Result<Applied, String> {
        let (mut execution, _) = Execution::new(plan.clone(), observed);
        let mut refused = BTreeSet::new();
        let (mut performed, mut all_succeeded) = (0, true);
        let first = fault.map_or(0, |fault| fault.action);
        while let Some(lane) = next_lane(&mut execution, first + performed) {
            let Some(effect) = execution.effect(&lane) else {
                break;
            };
            match effect {
                Effect::Apply(action) => {
                    let result = self.attempt(action, &mut service, &execution, fault, performed);
                    let result = result.map_err(|broken| format!("{broken} of {plan:#?}"))?;
                    performed += 1;
                    match result {
                        Attempt::Succeeded(outcome) => drop(execution.succeeded(&lane, outcome)),
                        Attempt::Failed(failure) => {
                            all_succeeded = false;
                            if failure == Failure::Full {
                                refused.extend(action.cloud().cloned());
                            }
                            // The lists of this world lack nothing, so no create stays pending.
                            let (reach, certainty) = (failure.reach(), failure.certainty());
                            drop(execution.failed(&lane, reach, certainty));
                        }
                        Attempt::Crashed => {
                            let observed = None;
                            return Ok(Applied { observed, refused });
                        }
                    }
                }
                Effect::CheckService => {
                    let is_gone = self.live(&service).is_err();
                    execution.service_checked(is_gone);
                }
                Effect::Undo { cloud, id } => {
                    if let Ok(cloud) = self.cloud(cloud) {
                        cloud.delete(id);
                    }
                    execution.undone();
                }
            }
        }
        let observed = all_succeeded.then(|| execution.into_observed());
        Ok(Applied { observed, refused })
    }

    /// Performs one action, unless the fault prevents that.
    fn attempt(
        &mut self,
        action: &Action,
        service: &mut ServiceView,
        execution: &Execution,
        fault: Option<Fault>,
        performed: usize,
    ) -> Result<Attempt, String> {
        let unreachable = fault.and_then(Fault::unreachable);
        let kind = fault.filter(|fault| fault.action == performed);
        let kind = kind.map(|fault| fault.kind);
        if let Some(FaultKind::Meanwhile(edit)) = kind {
            self.edit(edit);
        }
        let is_unreachable = unreachable.is_some() && unreachable.as_ref() == action.cloud();
        let result = if kind == Some(FaultKind::FailsBefore) || is_unreachable {
            Err(Failure::NotDone)
        } else {
            self.check_action(action, service)?;
            self.perform(action, execution, service)
        };
        self.check()
            .map_err(|broken| format!("{broken} after {action:?}"))?;
        Ok(match (result, kind) {
            (_, Some(FaultKind::CrashAfter)) => Attempt::Crashed,
            (Ok(_), Some(FaultKind::FailsAfter)) => Attempt::Failed(Failure::Unknown),
            (Ok(outcome), _) => Attempt::Succeeded(outcome),
            (Err(failure), _) => Attempt::Failed(failure),
        })
    }

    fn perform(
        &mut self,
        action: &Action,
        execution: &Execution,
        service: &mut ServiceView,
    ) -> Result<Outcome, Failure> {
        let observed = execution.observed();
        match action {
            Action::ConfirmLive => drop(self.unchanged(service)?),
            Action::AddFinalizer { clouds } => {
                self.write(service, |service| {
                    service.finalizer = true;
                    service.record.announce(clouds);
                })?;
                self.torn.remove(&service.uid);
            }
            Action::Create { cloud, request } => {
                let created = self.cloud(cloud)?.create(cloud, request)?;
                return Ok(Outcome::Found(Box::new(created)));
            }
            Action::Update {
                cloud, id, request, ..
            } => {
                let updated = self.cloud(cloud)?.update(id, request)?;
                return Ok(Outcome::Found(Box::new(updated)));
            }
            Action::Publish { .. } => {
                let publication = execution.publication().ok_or(Failure::NotDone)?.clone();
                self.write(service, |service| {
                    service.record = publication.record;
                    service.published = publication.ingress;
                    service.published_modes = publication.modes;
                })?;
            }
            Action::AwaitServing { clouds } => {
                if !observed.serves_on(clouds) {
                    return Err(Failure::NotDone);
                }
            }
            Action::Delete { cloud, id } => self.cloud(cloud)?.delete(id),
            Action::Release { cloud, id, .. } => self.cloud(cloud)?.release(id),
            Action::ConfirmGone { cloud, id } => {
                if self.cloud(cloud)?.load_balancers.contains_key(id) {
                    return Err(Failure::NotDone);
                }
            }
            Action::RemoveFinalizer { clear_status } => {
                self.write(service, |service| {
                    service.finalizer = false;
                    service.record = Default::default();
                    if *clear_status {
                        service.published.clear();
                        service.published_modes = Default::default();
                    }
                })?;
                self.remove_if_released(&service.key);
            }
        }
        Ok(Outcome::Done)
    }

    /// The live Service, if it is still the same one.
    fn live(&mut self, service: &ServiceView) -> Result<&mut ServiceView, Failure> {
        let live = self.services.get_mut(&service.key);
        live.filter(|live| live.uid == service.uid)
            .ok_or(Failure::Gone)
    }

    /// The live Service, if it is in the state that was seen last.
    fn unchanged(&mut self, service: &ServiceView) -> Result<&mut ServiceView, Failure> {
        let live = self.live(service)?;
        if live == service {
            Ok(live)
        } else {
            Err(Failure::Changed)
        }
    }

    /// A write with a precondition.
    fn write(
        &mut self,
        service: &mut ServiceView,
        change: impl FnOnce(&mut ServiceView),
    ) -> Result<(), Failure> {
        let live = self.unchanged(service)?;
        change(live);
        service.clone_from(live);
        Ok(())
    }

    fn cloud(&mut self, name: &CloudName) -> Result<&mut Cloud, Failure> {
        let cloud = self.clouds.get_mut(name);
        cloud
            .filter(|cloud| !cloud.unreachable)
            .ok_or(Failure::NotDone)
    }
}

/// The lane of the effect that ends next: in turns, so that the clouds answer in different
/// orders, and publications end before and after them.
fn next_lane(execution: &mut Execution, turn: usize) -> Option<Lane> {
    execution.publish_early();
    let lanes = execution.lanes();
    let turn = turn % lanes.len().max(1);
    lanes.into_iter().nth(turn)
}

/// How one action ended.
enum Attempt {
    Succeeded(Outcome),
    Failed(Failure),
    Crashed,
}
