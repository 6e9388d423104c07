//! Step four: carries a plan out, action by action. [`service`] and [`clouds`]: what
//! each action does.

mod clouds;
mod service;

use std::collections::BTreeSet;

use super::Context;
use super::attempt::ApplyResult;
use super::drift::{Repairs, postpone};
use super::error::ReconcileError;
use super::observe::{ObservedClouds, ObservedService};
use super::speech::emit_before_apply;
use crate::election::Leadership;
use crate::plan::naming::{CloudName, LoadBalancerId};
use crate::plan::{Action, Outcome, Plan};

/// Carries a plan out. A failure ends the run for its cloud, or, if it is not
/// of one cloud, altogether.
pub async fn apply(
    plan: Plan,
    service: &ObservedService,
    seen: ObservedClouds,
    leadership: &Leadership,
    context: &Context,
) -> ApplyResult {
    let repairs = context.drift.schedule(&plan, service);
    emit_before_apply(&plan, &repairs, service, context);
    let (plan, postponed) = postpone(plan, &repairs);
    let ObservedClouds {
        observed,
        failures,
        disowned,
    } = seen;
    let mut run = Run {
        service,
        leadership,
        context,
        created: Vec::new(),
        failed: BTreeSet::new(),
        repairs,
        done: ApplyResult {
            observed,
            object: service.object.clone(),
            actions: Vec::new(),
            failures: failures
                .into_values()
                .map(ReconcileError::from)
                .chain(postponed)
                .collect(),
            waiting: plan.waiting,
            disowned,
        },
    };
    for action in plan.actions {
        if run.is_held_up(&action) {
            continue;
        }
        match run.perform(&action).await {
            Ok(outcome) => {
                run.count_repair(&action);
                run.done.observed.record_outcome(&action, outcome);
                run.done.actions.push(action);
            }
            Err(failure) => {
                let of_one_cloud = cloud_of(&action).cloned();
                let ends = failure.ends_the_run() || of_one_cloud.is_none();
                run.done.failures.push(failure);
                run.failed.extend(of_one_cloud);
                if ends {
                    break;
                }
            }
        }
    }
    run.done
}

impl ReconcileError {
    fn ends_the_run(&self) -> bool {
        matches!(self, Self::Changed | Self::NotLeader(_) | Self::Stopping)
    }
}

/// The one cloud that an action is about.
fn cloud_of(action: &Action) -> Option<&CloudName> {
    match action {
        Action::Create { cloud, .. }
        | Action::Update { cloud, .. }
        | Action::Delete { cloud, .. }
        | Action::ConfirmGone { cloud, .. } => Some(cloud),
        Action::AddFinalizer
        | Action::ConfirmLive
        | Action::Publish { .. }
        | Action::AwaitServing { .. }
        | Action::RemoveFinalizer { .. } => None,
    }
}

struct Run<'a> {
    service: &'a ObservedService,
    leadership: &'a Leadership,
    context: &'a Context,
    /// What this run created and has not put on record yet.
    created: Vec<(CloudName, LoadBalancerId)>,
    failed: BTreeSet<CloudName>,
    /// Where what nobody asked for is put right.
    repairs: Repairs,
    done: ApplyResult,
}

impl Run<'_> {
    /// Whether an earlier failure stands in the way of an action.
    fn is_held_up(&self, action: &Action) -> bool {
        match action {
            // Everything must be gone before the finalizer is.
            Action::RemoveFinalizer { .. } => !self.failed.is_empty(),
            _ => cloud_of(action).is_some_and(|cloud| self.failed.contains(cloud)),
        }
    }

    async fn perform(&mut self, action: &Action) -> Result<Outcome, ReconcileError> {
        // What was created still goes on record.
        let is_owed = matches!(action, Action::Publish { .. }) && !self.created.is_empty();
        if self.context.stopping.is_cancelled() && !is_owed {
            return Err(ReconcileError::Stopping);
        }
        self.leadership.permit()?;
        match action {
            Action::AddFinalizer => self.add_finalizer().await,
            Action::ConfirmLive => self.confirm_live().await,
            Action::Create { cloud, request } => self.create(cloud, request).await,
            Action::Update {
                cloud,
                id,
                request,
                urgency,
            } => self.update(cloud, id, request, *urgency).await,
            Action::Publish { clouds } => self.publish(clouds).await,
            Action::AwaitServing { clouds } => self.await_serving(clouds),
            Action::Delete { cloud, id } => self.delete(cloud, id).await,
            Action::ConfirmGone { cloud, id } => self.confirm_gone(cloud, id).await,
            Action::RemoveFinalizer { clear_status } => self.remove_finalizer(*clear_status).await,
        }
    }
}
