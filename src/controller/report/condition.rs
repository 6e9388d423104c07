//! The condition `LoadBalancerReady` that follows from an attempt.

use std::collections::BTreeSet;

use crate::cloud::ErrorKind;
use crate::controller::error::{ReconcileError, Unfinished};
use crate::kubernetes::condition::{Condition, ConditionReason, Readiness};
use crate::plan::annotation::PAUSED;
use crate::plan::capabilities::Feature;
use crate::plan::excerpt;
use crate::plan::load_balancer::LoadBalancer;
use crate::plan::naming::CloudName;
use crate::plan::node_choice::NodeChoice;
use crate::plan::problem::{self, Problem, ProblemKind, describe_problems};
use crate::plan::{Backends, CloudView, Desired, Disposal, Observed, Waiting, Wanted, unready};
use crate::reason::Reason;

/// The condition to set; `None` if there is none to set: the Service is not
/// ours, our annotations, finalizer and condition are about to be removed, or an answer of a
/// cloud is still awaited.
pub fn readiness<'a>(
    desired: &Desired,
    observed: &Observed,
    unfinished: impl Iterator<Item = Unfinished<'a>>,
    prefix: &str,
) -> Option<Readiness> {
    let unfinished: Vec<_> = unfinished.collect();
    let left_behind = unfinished.iter().filter(|one| is_not_understood(one));
    let left_behind: Vec<_> = left_behind.filter_map(|one| explain(*one)).collect();
    let readiness = main_readiness(desired, observed, unfinished.into_iter(), prefix)?;
    let messages = std::iter::once(&readiness).chain(&left_behind);
    let messages: Vec<&str> = messages.map(|one| &*one.message).collect();
    Some(Readiness::new(readiness.reason, messages.join("; ")))
}

/// Whether a load balancer stays without its upkeep, which the condition says whatever else
/// it is about.
fn is_not_understood(unfinished: &Unfinished<'_>) -> bool {
    matches!(unfinished, Unfinished::Waiting(Waiting::NotUnderstood(_)))
}

/// The condition for what decides it.
fn main_readiness<'a>(
    desired: &Desired,
    observed: &Observed,
    unfinished: impl Iterator<Item = Unfinished<'a>>,
    prefix: &str,
) -> Option<Readiness> {
    let (errors, waiting): (Vec<_>, Vec<_>) =
        unfinished.partition(|unfinished| matches!(unfinished, Unfinished::Failed(_)));
    let failed = errors
        .into_iter()
        .filter(|error| error.is_failure())
        .find_map(explain);
    match desired {
        Desired::Unmanaged(_) => None,
        Desired::Released(_, Disposal::Unclear(problem)) if is_held_up(&waiting) => {
            Some(invalid(std::slice::from_ref(problem), prefix))
        }
        Desired::Released(..) => failed.or_else(|| waiting.into_iter().find_map(explain)),
        Desired::Invalid(found) => Some(invalid(&found.problems, prefix)),
        Desired::Paused => Some(paused(prefix)),
        Desired::Managed(wanted) => failed
            .or_else(|| queued_repair(&waiting, observed))
            .or_else(|| not_serving(&unready(wanted, observed), prefix))
            .map_or_else(|| serving(wanted, observed, &waiting), Some),
    }
}

/// Whether a value of the Service keeps its load balancers from being deleted.
fn is_held_up(waiting: &[Unfinished<'_>]) -> bool {
    let is_invalid = |one: &Unfinished<'_>| matches!(one, Unfinished::Waiting(Waiting::Invalid(_)));
    waiting.iter().any(is_invalid)
}

/// The condition while nothing is known to fail; `None` as long as a cloud has not answered.
fn serving(wanted: &Wanted, observed: &Observed, waiting: &[Unfinished<'_>]) -> Option<Readiness> {
    if wanted.clouds.iter().any(|cloud| observed.awaits(cloud)) {
        return None;
    }
    let without_nodes = without_nodes(wanted, observed);
    Some(without_nodes.unwrap_or_else(|| ready(wanted, observed, waiting)))
}

/// The condition of a Service whose clouds have not all answered, if the one `before` is about
/// what its user has corrected since.
pub fn corrected(
    desired: &Desired,
    observed: &Observed,
    before: Option<&Condition>,
) -> Option<Readiness> {
    let Desired::Managed(_) = desired else {
        return None;
    };
    let of_the_user = [
        ConditionReason::InvalidConfiguration,
        ConditionReason::Unsupported,
        ConditionReason::Paused,
    ];
    let before = before?;
    of_the_user.iter().find(|reason| before.is_for(**reason))?;
    let awaited: Vec<&str> = observed.awaited().map(CloudName::as_str).collect();
    let message = format!("Waiting for the answer of {}", awaited.join(", "));
    Some(Readiness::new(ConditionReason::Provisioning, message))
}

/// A load balancer that was deleted and waits for its slot to be created again.
fn queued_repair(waiting: &[Unfinished<'_>], observed: &Observed) -> Option<Readiness> {
    let is_queued = |unfinished: &&Unfinished<'_>| match unfinished {
        Unfinished::Waiting(Waiting::RepairSlot(cloud)) => {
            matches!(observed.clouds.get(cloud), Some(CloudView::Absent))
        }
        _ => false,
    };
    explain(*waiting.iter().find(is_queued)?)
}

fn not_serving(waiting: &BTreeSet<Waiting>, prefix: &str) -> Option<Readiness> {
    waiting.iter().find_map(|waiting| match waiting {
        Waiting::Refused(_, problems) => Some(invalid(problems, prefix)),
        waiting => explain(Unfinished::Waiting(waiting)),
    })
}

/// Load balancers that have addresses, and either no back ends or those of before.
fn without_nodes(wanted: &Wanted, observed: &Observed) -> Option<Readiness> {
    if !wanted.lacks_nodes(&observed.backends) {
        return None;
    }
    let mut found = observed.present();
    let keeps_some =
        found.any(|(cloud, found)| wanted.clouds.contains(cloud) && !found.spec.nodes.is_empty());
    let consequence = if keeps_some {
        "load balancers keep the back ends that they have"
    } else {
        "the load balancers have no back ends"
    };
    let lack = lack_of_nodes(&wanted.nodes, &observed.backends);
    let message = format!("{lack}; {consequence}");
    let reason = condition_reason(Reason::NoEligibleNodes);
    Some(Readiness::new(reason, message))
}

/// Why no Node is a back end, as the begin of a sentence.
pub fn lack_of_nodes(choice: &NodeChoice, backends: &Backends) -> String {
    let NodeChoice {
        selector,
        address_type,
    } = choice;
    let asked = excerpt::quoted(&selector.to_string());
    if backends.never_matched {
        return format!(
            "No Node has the labels that the annotation node-selector asks for, {asked}"
        );
    }
    let nodes = match selector.is_everything() {
        true => "No Node".to_owned(),
        false => format!("No Node with the labels {asked}"),
    };
    let kind = match address_type {
        None => "configured type".to_owned(),
        Some(kind) => format!("type {}", kind.as_str()),
    };
    format!("{nodes} is eligible as a back end, or none has a usable address of the {kind}")
}

/// The condition of a Service that its user has paused.
pub fn paused(prefix: &str) -> Readiness {
    let name = PAUSED.name();
    let message = format!(
        "Paused by annotation {prefix}/{name}: load balancers and addresses stay as they are, and only a deletion of the Service is carried out; remove the annotation to go on"
    );
    Readiness::new(condition_reason(Reason::Paused), message)
}

/// The condition of a Service with these problems.
pub fn invalid(problems: &[Problem], prefix: &str) -> Readiness {
    let message = describe_problems(problems, prefix);
    let reason = match problem::kind(problems) {
        ProblemKind::Invalid => ConditionReason::InvalidConfiguration,
        ProblemKind::Unsupported => ConditionReason::Unsupported,
        ProblemKind::Untold => ConditionReason::SyncFailed,
    };
    Readiness::new(reason, message)
}

fn ready(wanted: &Wanted, observed: &Observed, waiting: &[Unfinished<'_>]) -> Readiness {
    let serving = observed
        .present()
        .filter(|(cloud, _)| wanted.clouds.contains(*cloud));
    let serving: Vec<String> = serving
        .map(|(cloud, found)| format!("{} on {cloud}", found.id))
        .collect();
    let serving_list = serving.join(", ");
    let message = if serving.len() == 1 {
        format!("Load balancer {serving_list} is ready")
    } else {
        format!("Load balancers {serving_list} are ready")
    };
    let remarks = observed.present().filter_map(|(cloud, found)| {
        let is_wanted = wanted.clouds.contains(cloud);
        remark(wanted, cloud, found, observed).filter(|_| is_wanted)
    });
    let is_shown_twice = |unfinished: &&Unfinished<'_>| {
        matches!(unfinished, Unfinished::Waiting(Waiting::ShownTwice { .. }))
    };
    let shown_twice = waiting.iter().filter(is_shown_twice);
    let shown_twice = shown_twice.filter_map(|unfinished| explain(*unfinished));
    let message = std::iter::once(message)
        .chain(remarks)
        .chain(shown_twice.map(|explanation| explanation.message));
    Readiness::new(
        ConditionReason::Ready,
        message.collect::<Vec<_>>().join("; "),
    )
}

/// What a user should know of a load balancer that serves.
fn remark(
    wanted: &Wanted,
    cloud: &CloudName,
    found: &LoadBalancer,
    observed: &Observed,
) -> Option<String> {
    let kept = observed.unmet.kept.get(cloud);
    let kept = kept.filter(|kept| kept.as_requested(found) != *found);
    let kept = kept.map(|kept| {
        let fields = kept.fields().join(", ");
        format!("{cloud} keeps otherwise than requested: {fields}")
    });
    let given_up = observed.unmet.given_up.get(cloud);
    let given_up = given_up.filter(|left| left.as_requested(found) != *found);
    let given_up = given_up.map(|left| {
        let fields = left.fields().join(", ");
        format!("{cloud} shows otherwise than requested, and repairs were undone: {fields}")
    });
    let refused = found.addresses.refused.as_ref();
    let refused = refused.map(|refused| format!("not published on {cloud}: {refused}"));
    let unchecked = wanted.unchecked(cloud, Some(found));
    let internal = wanted.stays_internal(cloud, found);
    let remarks = [kept, given_up, refused, unchecked, internal];
    let remarks: Vec<String> = remarks.into_iter().flatten().collect();
    (!remarks.is_empty()).then(|| remarks.join("; "))
}

/// The condition for an unfinished part of the attempt; `None` if the load
/// balancers serve all the same.
pub fn explain(unfinished: Unfinished<'_>) -> Option<Readiness> {
    let message = match unfinished {
        Unfinished::Failed(error) => format!("Error syncing load balancer: {error}{}", hint(error)),
        Unfinished::Waiting(waiting) => match waiting {
            Waiting::Provisioning(cloud) => {
                format!("The load balancer on {cloud} is being provisioned")
            }
            Waiting::Deleting(cloud) => format!(
                "The load balancer on {cloud} is being deleted; a new one will be created once it is gone"
            ),
            Waiting::CloudError(cloud, message) => {
                format!("The load balancer on {cloud} failed: {message}")
            }
            Waiting::NameTaken(cloud) => format!(
                "A load balancer on {cloud} has the name that this Service needs but does not belong to it, or the one of existing-lb belongs to somebody else; it is left alone"
            ),
            Waiting::CloudNotConfigured(cloud) => {
                format!(
                    "This Service has a load balancer on {cloud}, which is not configured in this controller"
                )
            }
            Waiting::ShownTwice {
                clouds: [one, other],
                id,
            } => format!(
                "The clouds {one} and {other} show the same load balancer {id}: the configuration leads to one account under two names; the load balancer is not deleted while this Service names one of them"
            ),
            Waiting::CannotRetain(cloud) => format!(
                "The load balancer on {cloud} is to be retained, and {cloud} does not support {}: it stays, and so does this Service; set deletion-policy to \"delete\" to delete both",
                Feature::Release
            ),
            Waiting::Untold(cloud, problems) => format!(
                "{cloud} has not told yet whether it supports {}; the load balancer there waits for that",
                problem::subjects(problems)
            ),
            Waiting::NotUnderstood(cloud) => format!(
                "The load balancer on {cloud} does not follow the Nodes: it has values that are not known here, which an update would take away"
            ),
            Waiting::CloudUnreachable(cloud) => {
                format!("The query of {cloud} failed, so the state of the load balancer is unknown")
            }
            Waiting::RepairSlot(cloud) => format!(
                "The load balancer on {cloud} was deleted outside the cluster; a new one is queued because repairs are rate-limited"
            ),
            // Its message depends on the load balancers.
            Waiting::NoEligibleNodes
            // Its message has the prefix of annotations.
            | Waiting::Refused(..)
            // Nothing is known yet.
            | Waiting::Unanswered(_)
            | Waiting::NotOurs(_)
            | Waiting::Invalid(_)
            | Waiting::Paused
            | Waiting::StillDeleting(..) => return None,
        },
    };
    let reason = condition_reason(unfinished.reason());
    Some(Readiness::new(reason, message))
}

/// What an error means that the cloud's own text does not explain.
pub(super) fn hint(error: &ReconcileError) -> &'static str {
    match error {
        ReconcileError::Cloud(error) if error.kind() == ErrorKind::Fenced => {
            "; this replica holds the Lease, so another cluster with the same cluster id writes to this cloud (a cloned cluster needs another clusterId), or etcd was restored from a backup"
        }
        _ => "",
    }
}

/// The condition's reason for a reason of metrics and logs.
fn condition_reason(reason: Reason) -> ConditionReason {
    match reason {
        Reason::Provisioning | Reason::Deleting => ConditionReason::Provisioning,
        Reason::InvalidSpec => ConditionReason::InvalidConfiguration,
        Reason::Unsupported => ConditionReason::Unsupported,
        Reason::Paused => ConditionReason::Paused,
        Reason::NameTaken => ConditionReason::NotOwned,
        Reason::NotConfigured | Reason::SharedAccount => ConditionReason::CloudNotConfigured,
        Reason::CloudFailed => ConditionReason::CloudError,
        Reason::Drift => ConditionReason::Drifted,
        Reason::NoEligibleNodes => ConditionReason::NoEligibleNodes,
        Reason::CloudThrottled
        | Reason::CloudUnavailable
        | Reason::CloudRejected
        | Reason::CloudDenied
        | Reason::Quota
        | Reason::Conflict
        | Reason::Timeout
        | Reason::Protocol
        | Reason::Fenced
        | Reason::Kubernetes
        | Reason::NotOurs
        | Reason::NotLeader
        | Reason::Stopping => ConditionReason::SyncFailed,
    }
}
