//! Performs the effects of an [`Execution`] one by one. The execution decides their
//! order and the consequences of a failure; the effects themselves are in [`service`]
//! and [`clouds`].

mod clouds;
mod service;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Context;
use super::attempt::{ApplyResult, ObservedClouds, ObservedService, Repairs};
use super::error::ReconcileError;
use super::memory::own_writes::Part;
use super::pace::PacedPlan;
use super::report::{events, metrics};
use crate::election::Leadership;
use crate::kubernetes::service_object::Service;
use crate::plan::execution::{Certainty, Effect, Execution, Reach};
use crate::plan::{Action, Outcome, Waiting};
use crate::telemetry::traces;
use clouds::Requests;

/// Performs a plan.
pub async fn apply(
    paced: PacedPlan,
    service: &ObservedService,
    clouds: ObservedClouds,
    leadership: &Leadership,
    context: &Context,
) -> ApplyResult {
    if !paced.is_empty() {
        traces::begin();
    }
    metrics::count_drift_found(&paced.repairs, context);
    events::emit_before_apply(&paced, service, context);
    let PacedPlan { plan, repairs } = paced;
    let ObservedClouds {
        observed,
        errors,
        disowned,
    } = clouds;
    let (mut execution, waiting) = Execution::new(plan, observed);
    let mut executor = Executor {
        service,
        leadership,
        context,
        repairs,
        object: service.object.clone(),
        errors: errors.into_values().map(ReconcileError::from).collect(),
        waiting,
        restored: BTreeSet::new(),
    };
    let mut actions = Vec::new();
    while let Some(effect) = execution.next() {
        match effect {
            Effect::Apply(action) => match executor.perform(action, &execution).await {
                Ok(outcome) => {
                    metrics::count_repair(action, &executor.repairs, context);
                    actions.extend(execution.succeeded(outcome));
                }
                Err(interruption) => executor.interrupted(interruption, &mut execution),
            },
            Effect::CheckService => {
                let is_gone = executor.is_service_gone().await;
                execution.service_checked(is_gone);
            }
            Effect::Undo { cloud, id } => {
                executor.undo_create(cloud, id).await;
                execution.undone();
            }
        }
    }
    ApplyResult {
        observed: execution.into_observed(),
        object: executor.object,
        actions,
        errors: executor.errors,
        waiting: executor.waiting,
        disowned,
        repairs: executor.repairs,
        restored: executor.restored,
    }
}

/// Performs effects for one Service.
struct Executor<'a> {
    service: &'a ObservedService,
    leadership: &'a Leadership,
    context: &'a Context,
    repairs: Repairs,
    /// The newest known state of the Service, from which every write starts.
    object: Arc<Service>,
    errors: Vec<ReconcileError>,
    waiting: BTreeSet<Waiting>,
    /// As in [`ApplyResult`].
    restored: BTreeSet<Part>,
}

/// The reason for which an action did not succeed.
enum Interruption {
    Error(ReconcileError),
    /// The cloud needs more time; nothing failed.
    Waiting(Waiting),
}

impl<E: Into<ReconcileError>> From<E> for Interruption {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

impl Executor<'_> {
    async fn perform(
        &mut self,
        action: &Action,
        execution: &Execution,
    ) -> Result<Outcome, Interruption> {
        // Created load balancers are recorded even while the process stops.
        if self.context.stopping.is_cancelled() && !execution.is_recording() {
            return Err(ReconcileError::Stopping.into());
        }
        self.leadership.permit()?;
        let observed = execution.observed();
        match action {
            Action::AddFinalizer { clouds } => self.add_finalizer(clouds, observed).await,
            Action::ConfirmLive => self.confirm_live().await,
            Action::Create { cloud, request } => self.create(cloud, request).await,
            Action::Update {
                cloud,
                id,
                request,
                fallbacks,
                urgency,
            } => {
                let before = observed
                    .load_balancer(cloud)
                    .filter(|known| known.id == *id);
                let before = before.ok_or(ReconcileError::Changed)?;
                let requests = Requests { request, fallbacks };
                self.update(cloud, before, requests, *urgency).await
            }
            Action::Publish { clouds } => self.publish(clouds, observed).await,
            Action::AwaitServing { clouds } => {
                if let Some(cloud) = clouds.iter().find(|cloud| !observed.serves(cloud)) {
                    return Err(Interruption::Waiting(Waiting::Provisioning(cloud.clone())));
                }
                let present = observed.present();
                for (cloud, found) in present.filter(|(cloud, _)| clouds.contains(*cloud)) {
                    self.ensure_shown(cloud, found).await?;
                }
                Ok(Outcome::Done)
            }
            Action::Delete { cloud, id } => {
                self.ensure_unwanted(cloud, id, observed).await?;
                self.delete(cloud, id).await
            }
            Action::ConfirmGone { cloud, id } => self.confirm_gone(cloud, id).await,
            Action::RemoveFinalizer { clear_status } => self.remove_finalizer(*clear_status).await,
        }
    }

    fn interrupted(&mut self, interruption: Interruption, execution: &mut Execution) {
        let pending_create = match interruption {
            Interruption::Waiting(waiting) => {
                self.waiting.insert(waiting);
                execution.failed(Reach::Action, Certainty::NotDone)
            }
            Interruption::Error(error) => {
                let (reach, certainty) = (reach(&error), error.certainty());
                self.errors.push(error);
                execution.failed(reach, certainty)
            }
        };
        if let Some(cloud) = pending_create {
            let pending_creates = &self.context.memory.pending_creates;
            pending_creates.record(&self.service.view.uid, cloud);
        }
    }
}

fn reach(error: &ReconcileError) -> Reach {
    match error {
        ReconcileError::Changed | ReconcileError::NotLeader(_) | ReconcileError::Stopping => {
            Reach::Plan
        }
        ReconcileError::Cloud(_) | ReconcileError::Kubernetes(_) => Reach::Action,
    }
}
