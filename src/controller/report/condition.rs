//! The condition `LoadBalancerReady` that follows from an attempt.

use std::collections::BTreeSet;

use crate::controller::attempt::ObservedService;
use crate::controller::error::Unfinished;
use crate::kubernetes::condition::{ConditionReason, Readiness};
use crate::plan::annotation::{Problem, describe_problems};
use crate::plan::{CloudView, Desired, Observed, Waiting, Wanted, unready};
use crate::reason::Reason;

/// The condition to set; `None` if there is none to set: the Service is not
/// ours, or our annotations, finalizer and condition are about to be removed.
pub fn readiness<'a>(
    service: &ObservedService,
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
    match &service.desired {
        Desired::Unmanaged(_) => None,
        Desired::Released(_) => failed.or_else(|| waiting.into_iter().find_map(explain)),
        Desired::Invalid(problems) => Some(invalid(problems, prefix)),
        Desired::Managed(wanted) => Some(
            failed
                .or_else(|| queued_repair(&waiting, observed))
                .or_else(|| not_serving(&unready(wanted, observed)))
                .unwrap_or_else(|| ready(wanted, observed)),
        ),
    }
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

fn not_serving(waiting: &BTreeSet<Waiting>) -> Option<Readiness> {
    waiting.iter().map(Unfinished::Waiting).find_map(explain)
}

fn invalid(problems: &[Problem], prefix: &str) -> Readiness {
    Readiness {
        reason: ConditionReason::InvalidConfiguration,
        message: describe_problems(problems, prefix),
    }
}

fn ready(wanted: &Wanted, observed: &Observed) -> Readiness {
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
    Readiness {
        reason: ConditionReason::Ready,
        message,
    }
}

/// The condition for an unfinished part of the attempt; `None` if the load
/// balancers serve all the same.
fn explain(unfinished: Unfinished<'_>) -> Option<Readiness> {
    let message = match unfinished {
        Unfinished::Failed(error) => format!("Error syncing load balancer: {error}"),
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
                "A load balancer on {cloud} has the name that this Service needs but does not belong to it; it is left alone"
            ),
            Waiting::CloudNotConfigured(cloud) => {
                format!(
                    "This Service has a load balancer on {cloud}, which is not configured in this controller"
                )
            }
            Waiting::CloudUnreachable(cloud) => {
                format!("The query of {cloud} failed, so the state of the load balancer is unknown")
            }
            Waiting::RepairSlot(cloud) => format!(
                "The load balancer on {cloud} was deleted outside the cluster; a new one is queued because repairs are rate-limited"
            ),
            Waiting::NodesUnconfirmed
            | Waiting::NotOurs(_)
            | Waiting::Invalid(_)
            | Waiting::StillDeleting(..) => return None,
        },
    };
    let reason = condition_reason(unfinished.reason());
    Some(Readiness { reason, message })
}

/// The condition's reason for a reason of metrics and logs.
fn condition_reason(reason: Reason) -> ConditionReason {
    match reason {
        Reason::Provisioning | Reason::Deleting => ConditionReason::Provisioning,
        Reason::InvalidSpec => ConditionReason::InvalidConfiguration,
        Reason::NameTaken => ConditionReason::NotOwned,
        Reason::NotConfigured => ConditionReason::CloudNotConfigured,
        Reason::CloudFailed => ConditionReason::CloudError,
        Reason::Drift => ConditionReason::Drifted,
        Reason::CloudThrottled
        | Reason::CloudUnavailable
        | Reason::CloudRejected
        | Reason::Quota
        | Reason::Conflict
        | Reason::Timeout
        | Reason::Protocol
        | Reason::Fenced
        | Reason::Unsupported
        | Reason::Kubernetes
        | Reason::NodesUnconfirmed
        | Reason::NotOurs
        | Reason::NotLeader
        | Reason::Stopping => ConditionReason::SyncFailed,
    }
}
