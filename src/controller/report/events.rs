//! The Events of an attempt. Texts follow those of upstream's service controller
//! (k8s.io/cloud-provider) where the meaning is the same.

use super::condition::explain;
use crate::controller::Context;
use crate::controller::attempt::{ApplyResult, ObservedService, Repair, SpecHash};
use crate::controller::error::Unfinished;
use crate::controller::memory::repairs::REPAIRS_IN_A_ROW;
use crate::controller::pace::PacedPlan;
use crate::kubernetes::condition::{ConditionReason, Readiness};
use crate::kubernetes::events::EventReason;
use crate::kubernetes::service_object::Service;
use crate::plan::annotation;
use crate::plan::existing;
use crate::plan::ip_mode::IpModes;
use crate::plan::kept::Kept;
use crate::plan::load_balancer::State;
use crate::plan::naming::CloudName;
use crate::plan::record::Ingress;
use crate::plan::service::ServiceView;
use crate::plan::{Action, Desired, NotOurs, Observed, Released, Urgency, Waiting};

/// Emits the Events that announce the actions of a plan: once for each spec. A retry
/// after a failure emits none; a retry after a write conflict may.
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
                    &format!(
                        "Ensuring load balancer: creating {} on {cloud}",
                        request.name
                    ),
                );
            }
            Action::Update {
                cloud,
                id,
                request,
                urgency: Urgency::User,
                ..
            } => {
                let what = if !request.owner.is_on_existing() {
                    format!("updating {id} on {cloud}")
                } else if existing::puts_ours(request) {
                    format!(
                        "putting the listeners of this Service on {id} on {cloud}, which others made"
                    )
                } else {
                    continue;
                };
                emit(
                    EventReason::EnsuringLoadBalancer,
                    &format!("Ensuring load balancer: {what}"),
                );
            }
            Action::Delete { cloud, id } => {
                emit(
                    EventReason::DeletingLoadBalancer,
                    &format!("Deleting load balancer {id} on {cloud}"),
                );
            }
            _ => {}
        }
    }
}

fn drifted(cloud: &CloudName, repair: &Repair) -> String {
    let when = match repair.wait {
        None => "now".to_owned(),
        Some(wait) => format!("in {:.0}s (repairs are rate-limited)", wait.as_secs_f64()),
    };
    match &repair.changed {
        Some(id) => format!(
            "Load balancer {id} on {cloud} was changed outside the cluster; it will be restored {when}"
        ),
        None => format!(
            "The load balancer on {cloud} was deleted outside the cluster; a new one will be created {when}"
        ),
    }
}

/// Emits the Event of a difference that came back after repairs.
pub fn emit_given_up(
    service: &ObservedService,
    cloud: &CloudName,
    difference: &Kept,
    observed: &Observed,
    context: &Context,
) {
    let id = observed.load_balancer(cloud).map(|found| found.id.as_str());
    let note = format!(
        "Load balancer {} on {cloud} differs again after {REPAIRS_IN_A_ROW} identical repairs ({}); it is left so until this Service is edited or the cloud shows another value. Find out who changes it back",
        id.unwrap_or_default(),
        difference.fields().join(", ")
    );
    let reason = EventReason::DriftNotRepairable;
    context.events.emit(&service.object, reason, note);
}

/// Emits the Events of actions that succeeded, perhaps after their attempt.
pub fn emit_ended(
    service: &ObservedService,
    actions: &[Action],
    observed: &Observed,
    context: &Context,
) {
    // An update that the cloud still carries out is complete when the condition says so.
    let is_complete = |action: &&Action| match action {
        Action::Update { cloud, .. } => {
            let found = observed.load_balancer(cloud);
            found.is_none_or(|found| found.state != State::Provisioning)
        }
        _ => true,
    };
    let actions = actions.iter().filter(is_complete);
    for (reason, note) in actions.filter_map(applied) {
        context.events.emit(&service.object, reason, note);
    }
}

fn applied(action: &Action) -> Option<(EventReason, String)> {
    match action {
        Action::Update {
            cloud,
            id,
            request,
            urgency: Urgency::User,
            ..
        } if request.owner.is_on_existing() => existing::puts_ours(request).then(|| {
            let note = format!(
                "Attached to load balancer {id} on {cloud}, which others made: the listeners of this Service are on it"
            );
            (EventReason::AttachedLoadBalancer, note)
        }),
        Action::Update {
            cloud,
            id,
            urgency: Urgency::User,
            ..
        } => Some((
            EventReason::EnsuredLoadBalancer,
            format!("Ensured load balancer {id} on {cloud}"),
        )),
        Action::Update {
            cloud, id, request, ..
        } => Some(match request.spec.nodes.len() {
            0 => (
                EventReason::UnAvailableLoadBalancer,
                format!(
                    "There is no eligible Node: load balancer {id} on {cloud} has no back ends"
                ),
            ),
            count => (
                EventReason::UpdatedLoadBalancer,
                format!(
                    "Updated load balancer {id} on {cloud} with new hosts (back ends: {count})"
                ),
            ),
        }),
        Action::Release { cloud, id, what } => Some(match what {
            Released::Own => (
                EventReason::RetainedLoadBalancer,
                format!(
                    "Load balancer {id} on {cloud} is retained: it has no owner any more, and nobody changes or deletes it from here"
                ),
            ),
            Released::OfOthers { keeps_listeners } => {
                let rest = match keeps_listeners {
                    false => "nothing of this Service is in use there any more",
                    true => {
                        "the listeners of this Service stay, because it has something that is not known here and an update would take away; remove them at the cloud"
                    }
                };
                (
                    EventReason::DetachedLoadBalancer,
                    format!(
                        "Detached from load balancer {id} on {cloud}, which others made: {rest}"
                    ),
                )
            }
        }),
        Action::ConfirmGone { cloud, id } => Some((
            EventReason::DeletedLoadBalancer,
            format!("Deleted load balancer {id} on {cloud}"),
        )),
        _ => None,
    }
}

/// Emits the Event of a changed condition, with the condition's message.
pub fn emit_condition_change(service: &ObservedService, readiness: &Readiness, context: &Context) {
    let reason = match readiness.reason {
        ConditionReason::Ready => EventReason::EnsuredLoadBalancer,
        // Events for these were emitted before the plan was applied.
        ConditionReason::Provisioning | ConditionReason::Drifted => return,
        ConditionReason::InvalidConfiguration => EventReason::InvalidConfiguration,
        ConditionReason::Unsupported => EventReason::Unsupported,
        ConditionReason::Paused => EventReason::Paused,
        ConditionReason::NotOwned => EventReason::LoadBalancerNotOwned,
        ConditionReason::NoEligibleNodes => EventReason::UnAvailableLoadBalancer,
        ConditionReason::CloudNotConfigured
        | ConditionReason::CloudError
        | ConditionReason::SyncFailed => EventReason::SyncLoadBalancerFailed,
    };
    let note = readiness.message.clone();
    context.events.emit(&service.object, reason, note);
}

/// Emits warnings that do not stop the reconcile, once for each spec.
pub fn emit_warnings(
    service: &ObservedService,
    result: &ApplyResult,
    readiness: Option<&Readiness>,
    context: &Context,
) {
    if is_changed_by_the_cloud(service, result, context) {
        let note = format!(
            "The addresses of the load balancers changed at the clouds; published {}",
            addresses(&result.observed)
        );
        let reason = EventReason::UpdatedLoadBalancer;
        context.events.emit(&service.object, reason, note);
    }
    let warnings = warnings(service, result, readiness, context.metadata_keys.prefix());
    if warnings.is_empty() {
        return;
    }
    let reasons = warnings.iter().map(|(reason, _)| *reason);
    let dedup = &context.memory.event_dedup;
    let new = dedup.mark_warned(&service.view.uid, service.spec_hash, reasons);
    for (reason, note) in warnings {
        if new.contains(&reason) {
            context.events.emit(&service.object, reason, note);
        }
    }
}

/// Whether an attempt published other addresses because the clouds changed them: the Service
/// still had those that we published last. Nobody is blamed for what happened before this
/// leader published something.
fn is_changed_by_the_cloud(
    service: &ObservedService,
    result: &ApplyResult,
    context: &Context,
) -> bool {
    let ours = context.memory.published.get(&service.view.uid);
    let view = &service.view;
    let is_ours = |(ingress, modes): (Vec<Ingress>, IpModes)| {
        ingress == view.published && modes.are_met_by(&view.published_modes)
    };
    result.restores_status(service) && ours.is_some_and(is_ours)
}

fn addresses(observed: &Observed) -> String {
    let addresses = observed.ingress.iter();
    let addresses: Vec<String> = addresses
        .map(|address| observed.modes.describe(address))
        .collect();
    addresses.join(", ")
}

/// Emits an Event if only the value of the switch keeps a Service from being managed: it is
/// probably meant as a yes. There is nothing else to do for such a Service.
pub fn emit_unclear_switch(
    object: &Service,
    view: &ServiceView,
    reason: NotOurs,
    context: &Context,
) {
    if reason != NotOurs::SwitchUnclear || view.deleting {
        return;
    }
    let reason = EventReason::InvalidConfiguration;
    let (dedup, spec_hash) = (&context.memory.event_dedup, SpecHash::of(view));
    if dedup.mark_warned(&view.uid, spec_hash, [reason]).is_empty() {
        return;
    }
    let Err(problem) = annotation::ENABLE.optional(&view.annotations) else {
        return;
    };
    let note = format!(
        "{}; this Service gets no load balancer",
        problem.describe(context.metadata_keys.prefix())
    );
    context.events.emit(object, reason, note);
}

fn warnings(
    service: &ObservedService,
    result: &ApplyResult,
    readiness: Option<&Readiness>,
    prefix: &str,
) -> Vec<(EventReason, String)> {
    let mut warnings = Vec::new();
    if !result.restored.is_empty() {
        let parts: Vec<&str> = result.restored.iter().map(|part| part.into()).collect();
        let note = format!(
            "Another writer changed or removed {}; this controller restores it, with growing delays if that repeats",
            parts.join(", ")
        );
        warnings.push((EventReason::StatusOverwritten, note));
    }
    // Otherwise the condition names the cloud.
    if readiness.is_some_and(Readiness::is_ready) {
        let left_behind = result.waiting.iter().filter_map(unconfigured);
        warnings.extend(left_behind.map(|cloud| {
            let note = format!(
                "Cannot delete the load balancer of this Service on {cloud}: the cloud is no longer configured"
            );
            (EventReason::SyncLoadBalancerFailed, note)
        }));
    }
    let shown_twice = |waiting: &&Waiting| matches!(waiting, Waiting::ShownTwice { .. });
    let shown_twice = result.waiting.iter().filter(shown_twice);
    let explanations = shown_twice.filter_map(|waiting| explain(Unfinished::Waiting(waiting)));
    warnings.extend(
        explanations.map(|explanation| (EventReason::SyncLoadBalancerFailed, explanation.message)),
    );
    // A misspelt annotation may be what makes the Service invalid.
    if let Desired::Managed(_) | Desired::Invalid(_) | Desired::Paused = &service.desired {
        let view = &service.view;
        let ports = view.ports.iter().map(|port| &*port.name);
        let unknown = annotation::describe_unknown(view.annotations.keys(), ports, prefix);
        warnings.extend(unknown.map(|note| (EventReason::UnknownAnnotation, note)));
    }
    warnings.extend(result.disowned.iter().map(|(cloud, id)| {
        let note = format!(
            "Load balancer {id} on {cloud}, named by annotation {prefix}/lb-id, does not belong to this Service and is left alone"
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
