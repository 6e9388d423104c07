//! The Events of an attempt: before it is applied, after it, and the warnings.

use crate::controller::Context;
use crate::controller::attempt::{ApplyResult, ObservedService, Repair};
use crate::controller::pace::PacedPlan;
use crate::kubernetes::condition::{ConditionReason, Readiness};
use crate::kubernetes::events::EventReason;
use crate::plan::annotation::{self, UnknownAnnotation};
use crate::plan::naming::CloudName;
use crate::plan::{Action, Desired, Urgency, Waiting};

/// Emits what is about to be done: once for each state of the Service, not for
/// each attempt at it.
pub fn emit_before_apply(paced: &PacedPlan, service: &ObservedService, context: &Context) {
    let emit = |reason, note: &str| {
        context
            .events
            .emit(&service.object, reason, note.to_owned());
    };
    let PacedPlan { plan, repairs } = paced;
    for (cloud, repair) in repairs.iter().filter(|(_, repair)| repair.is_new) {
        emit(EventReason::LoadBalancerDrifted, &drifted(cloud, repair));
    }
    let (uid, spec_hash) = (&service.view.uid, service.spec_hash);
    if context.memory.requeue.attempts(uid, spec_hash) > 0 {
        return;
    }
    for action in &plan.actions {
        match action {
            Action::Create { cloud, .. } | Action::Update { cloud, .. }
                if repairs.contains_key(cloud) => {}
            Action::Create { cloud, request } => {
                emit(
                    EventReason::EnsuringLoadBalancer,
                    &format!("creating load balancer {} on {cloud}", request.name),
                );
                if request.spec.nodes.is_empty() {
                    emit(
                        EventReason::UnAvailableLoadBalancer,
                        "there is no eligible Node: the load balancer has no back end yet",
                    );
                }
            }
            Action::Update {
                cloud,
                id,
                urgency: Urgency::User,
                ..
            } => {
                emit(
                    EventReason::EnsuringLoadBalancer,
                    &format!("updating load balancer {id} on {cloud}"),
                );
            }
            Action::Delete { cloud, id } => {
                emit(
                    EventReason::DeletingLoadBalancer,
                    &format!("deleting load balancer {id} on {cloud}"),
                );
            }
            _ => {}
        }
    }
}

fn drifted(cloud: &CloudName, repair: &Repair) -> String {
    let when = match repair.wait {
        None => String::new(),
        Some(wait) => format!(" in its turn, in {:.0} s", wait.as_secs_f64()),
    };
    match &repair.changed {
        Some(id) => format!(
            "{cloud} shows load balancer {id} otherwise than it was left: it is put right{when}"
        ),
        None => format!(
            "the load balancer on {cloud} is gone although nobody here deleted it: another is created{when}"
        ),
    }
}

/// Emits what was done.
pub fn emit_applied(service: &ObservedService, result: &ApplyResult, context: &Context) {
    for (reason, note) in result.actions.iter().filter_map(applied) {
        context.events.emit(&service.object, reason, note);
    }
}

fn applied(action: &Action) -> Option<(EventReason, String)> {
    match action {
        Action::Update {
            cloud,
            id,
            urgency: Urgency::User,
            ..
        } => Some((
            EventReason::EnsuredLoadBalancer,
            format!("load balancer {id} on {cloud} is as wanted"),
        )),
        Action::Update {
            cloud, id, request, ..
        } => Some(match request.spec.nodes.len() {
            0 => (
                EventReason::UnAvailableLoadBalancer,
                format!("there is no eligible Node: load balancer {id} on {cloud} has no back end"),
            ),
            count => (
                EventReason::UpdatedLoadBalancer,
                format!("load balancer {id} on {cloud} has {count} back ends now"),
            ),
        }),
        Action::ConfirmGone { cloud, id } => Some((
            EventReason::DeletedLoadBalancer,
            format!("load balancer {id} on {cloud} is gone"),
        )),
        _ => None,
    }
}

/// Emits a change of the condition.
pub fn emit_condition_change(service: &ObservedService, readiness: &Readiness, context: &Context) {
    let reason = match readiness.reason {
        ConditionReason::Ready => EventReason::EnsuredLoadBalancer,
        // Events for these were emitted before the plan was applied.
        ConditionReason::Provisioning | ConditionReason::Drifted => return,
        ConditionReason::InvalidConfiguration => EventReason::InvalidConfiguration,
        ConditionReason::NotOwned => EventReason::LoadBalancerNotOwned,
        ConditionReason::CloudNotConfigured
        | ConditionReason::CloudError
        | ConditionReason::SyncFailed => EventReason::SyncLoadBalancerFailed,
    };
    let note = readiness.message.clone();
    context.events.emit(&service.object, reason, note);
}

/// Emits warnings about what stops nothing, once for each spec.
pub fn emit_warnings(
    service: &ObservedService,
    result: &ApplyResult,
    readiness: Option<&Readiness>,
    context: &Context,
) {
    let warnings = warnings(service, result, readiness, context.metadata_keys.prefix());
    if warnings.is_empty() || !context.memory.event_dedup.warnings_are_due(service) {
        return;
    }
    for (reason, note) in warnings {
        context.events.emit(&service.object, reason, note);
    }
}

fn warnings(
    service: &ObservedService,
    result: &ApplyResult,
    readiness: Option<&Readiness>,
    prefix: &str,
) -> Vec<(EventReason, String)> {
    let mut warnings = Vec::new();
    if result.restores_status(service) {
        let note = "somebody else changed status.loadBalancer; it is put right, each time later if that goes on";
        warnings.push((EventReason::StatusOverwritten, note.to_owned()));
    }
    // Otherwise the condition names the cloud.
    if readiness.is_some_and(Readiness::is_ready) {
        let left_behind = result.waiting.iter().filter_map(unconfigured);
        warnings.extend(left_behind.map(|cloud| {
            let note = format!(
                "{cloud} still has a load balancer of this Service but is not configured here any more: it stays"
            );
            (EventReason::SyncLoadBalancerFailed, note)
        }));
    }
    // A misspelt annotation may be what makes the Service invalid.
    if let Desired::Managed(_) | Desired::Invalid(_) = &service.desired {
        let unknown = annotation::unknown(service.view.annotations.keys());
        warnings.extend(unknown.into_iter().map(|UnknownAnnotation { name, nearest }| {
            let note = format!(
                "annotation {prefix}/{name} is unknown and ignored; the nearest known one is {prefix}/{nearest}"
            );
            (EventReason::UnknownAnnotation, note)
        }));
    }
    warnings.extend(result.disowned.iter().map(|(cloud, id)| {
        let note = format!(
            "load balancer {id} on {cloud}, which the annotation {prefix}/lb-id names, does not belong to this Service: it is left alone"
        );
        (EventReason::LoadBalancerNotOwned, note)
    }));
    warnings
}

fn unconfigured(waiting: &Waiting) -> Option<&CloudName> {
    match waiting {
        Waiting::CloudNotConfigured(cloud) => Some(cloud),
        _ => None,
    }
}
