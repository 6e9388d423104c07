//! The Events of an attempt: before it, after it, and what they are not said for.

use super::Context;
use super::attempt::ApplyResult;
use super::drift::{Repair, Repairs};
use super::observe::ObservedService;
use crate::kubernetes::condition::{ConditionReason, Readiness};
use crate::kubernetes::events::EventReason;
use crate::plan::annotation::{self, UnknownAnnotation};
use crate::plan::naming::CloudName;
use crate::plan::{Action, Desired, Plan, Urgency, Waiting};

/// Says what is about to be done: once for a new state of the Service, not
/// for each attempt at it.
pub fn emit_before_apply(
    plan: &Plan,
    repairs: &Repairs,
    service: &ObservedService,
    context: &Context,
) {
    let say = |reason, note: &str| {
        context
            .events
            .emit(&service.object, reason, note.to_owned())
    };
    for (cloud, repair) in repairs {
        if repair.is_new {
            context.metrics.inventory.drifted(cloud.as_str(), "found");
            say(
                EventReason::LoadBalancerDrifted,
                &drift(cloud, repair, plan),
            );
        }
    }
    if context
        .requeue
        .attempts(&service.view.uid, service.spec_hash)
        > 0
    {
        return;
    }
    for action in &plan.actions {
        match action {
            Action::Create { cloud, .. } | Action::Update { cloud, .. }
                if repairs.contains_key(cloud) => {}
            Action::Create { cloud, request } => {
                say(
                    EventReason::EnsuringLoadBalancer,
                    &format!("creating load balancer {} on {cloud}", request.name),
                );
                if request.spec.nodes.is_empty() {
                    say(
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
                say(
                    EventReason::EnsuringLoadBalancer,
                    &format!("updating load balancer {id} on {cloud}"),
                );
            }
            Action::Delete { cloud, id } => {
                say(
                    EventReason::DeletingLoadBalancer,
                    &format!("deleting load balancer {id} on {cloud}"),
                );
            }
            _ => {}
        }
    }
}

fn drift(cloud: &CloudName, repair: &Repair, plan: &Plan) -> String {
    let changed = plan.actions.iter().find_map(|action| match action {
        Action::Update { cloud: at, id, .. } if at == cloud => Some(id),
        _ => None,
    });
    let when = match repair.wait {
        None => String::new(),
        Some(wait) => format!(" in its turn, in {:.0} s", wait.as_secs_f64()),
    };
    match changed {
        Some(id) => format!(
            "{cloud} shows load balancer {id} otherwise than it was left: it is put right{when}"
        ),
        None => format!(
            "the load balancer on {cloud} is gone although nobody here deleted it: another is created{when}"
        ),
    }
}

/// Says what was done.
pub fn emit_applied(service: &ObservedService, done: &ApplyResult, context: &Context) {
    let say = |reason, note: String| context.events.emit(&service.object, reason, note);
    for action in &done.actions {
        match action {
            Action::Update {
                cloud,
                id,
                request,
                urgency,
            } => match urgency {
                Urgency::User => say(
                    EventReason::EnsuredLoadBalancer,
                    format!("load balancer {id} on {cloud} is as wanted"),
                ),
                Urgency::Background if request.spec.nodes.is_empty() => {
                    say(
                        EventReason::UnAvailableLoadBalancer,
                        format!(
                            "there is no eligible Node: load balancer {id} on {cloud} has no back end"
                        ),
                    );
                }
                Urgency::Background => {
                    let count = request.spec.nodes.len();
                    say(
                        EventReason::UpdatedLoadBalancer,
                        format!("load balancer {id} on {cloud} has {count} back ends now"),
                    );
                }
            },
            Action::ConfirmGone { cloud, id } => {
                say(
                    EventReason::DeletedLoadBalancer,
                    format!("load balancer {id} on {cloud} is gone"),
                );
            }
            _ => {}
        }
    }
}

/// An Event for a condition that changed.
pub fn emit_condition_change(service: &ObservedService, readiness: &Readiness, context: &Context) {
    let reason = match readiness.reason {
        ConditionReason::Ready => EventReason::EnsuredLoadBalancer,
        // Said already as "ensuring" and "drifted".
        ConditionReason::Provisioning | ConditionReason::Drifted => return,
        ConditionReason::InvalidConfiguration => EventReason::InvalidConfiguration,
        ConditionReason::NotOwned => EventReason::LoadBalancerNotOwned,
        ConditionReason::CloudNotConfigured
        | ConditionReason::CloudError
        | ConditionReason::SyncFailed => EventReason::SyncLoadBalancerFailed,
    };
    context
        .events
        .emit(&service.object, reason, readiness.message.clone());
}

/// What is wrong with the annotations and yet stops nothing.
pub fn emit_warnings(
    service: &ObservedService,
    done: &ApplyResult,
    readiness: Option<&Readiness>,
    context: &Context,
) {
    let unknown = match &service.desired {
        // A misspelt annotation may be what makes the Service invalid.
        Desired::Managed(_) | Desired::Invalid(_) => {
            annotation::unknown(service.view.annotations.keys())
        }
        Desired::Unmanaged(_) | Desired::Released(_) => Vec::new(),
    };
    // Otherwise the condition speaks of it.
    let left_behind: Vec<_> = if readiness.is_some_and(Readiness::is_ready) {
        done.waiting.iter().filter_map(unconfigured).collect()
    } else {
        Vec::new()
    };
    let restored = done.restores(service);
    let nothing =
        unknown.is_empty() && done.disowned.is_empty() && left_behind.is_empty() && !restored;
    if nothing || !context.event_dedup.mistakes_are_new(service) {
        return;
    }
    if restored {
        let note = "somebody else changed status.loadBalancer; it is put right, each time later if that goes on";
        context
            .events
            .emit(&service.object, EventReason::StatusOverwritten, note.into());
    }
    for cloud in left_behind {
        let note = format!(
            "{cloud} still has a load balancer of this Service but is not configured here any more: it stays"
        );
        context
            .events
            .emit(&service.object, EventReason::SyncLoadBalancerFailed, note);
    }
    let prefix = context.metadata_keys.prefix();
    for UnknownAnnotation { name, nearest } in unknown {
        let note = format!(
            "annotation {prefix}/{name} is unknown and ignored; the nearest known one is {prefix}/{nearest}"
        );
        context
            .events
            .emit(&service.object, EventReason::UnknownAnnotation, note);
    }
    for (cloud, id) in &done.disowned {
        let note = format!(
            "load balancer {id} on {cloud}, which the annotation {prefix}/lb-id names, does not belong to this Service: it is left alone"
        );
        context
            .events
            .emit(&service.object, EventReason::LoadBalancerNotOwned, note);
    }
}

fn unconfigured(waiting: &Waiting) -> Option<&CloudName> {
    match waiting {
        Waiting::CloudNotConfigured(cloud) => Some(cloud),
        _ => None,
    }
}
