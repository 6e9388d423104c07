//! What the condition says after an attempt.

use super::attempt::ApplyResult;
use super::error::ReconcileError;
use super::observe::ObservedService;
use crate::kubernetes::condition::{ConditionReason, Readiness};
use crate::plan::annotation::Problem;
use crate::plan::naming::CloudName;
use crate::plan::{CloudView, Desired, Observed, Waiting, Wanted, unready};

/// What the condition should say; `None` if there is nothing to say: the
/// Service is not ours, or our marks are about to go.
pub fn readiness(service: &ObservedService, done: &ApplyResult, prefix: &str) -> Option<Readiness> {
    let failed = failed(&done.failures);
    match &service.desired {
        Desired::Unmanaged(_) => None,
        Desired::Released(_) => failed.or_else(|| first(done.waiting.iter())),
        Desired::Invalid(problems) => Some(invalid(problems, prefix)),
        Desired::Managed(wanted) => Some(
            failed
                .or_else(|| drifted(done))
                .or_else(|| first(unready(wanted, &done.observed).iter()))
                .unwrap_or_else(|| ready(wanted, &done.observed)),
        ),
    }
}

fn failed(failures: &[ReconcileError]) -> Option<Readiness> {
    let failure = failures.iter().find(|failure| !failure.is_quiet())?;
    Some(Readiness {
        reason: ConditionReason::SyncFailed,
        message: failure.to_string(),
    })
}

/// What is gone and not its turn yet.
fn drifted(done: &ApplyResult) -> Option<Readiness> {
    let is_gone =
        |cloud: &&CloudName| matches!(done.observed.clouds.get(*cloud), Some(CloudView::Absent));
    let cloud = done.not_their_turn().find(is_gone)?;
    Some(Readiness {
        reason: ConditionReason::Drifted,
        message: format!(
            "{cloud}: the load balancer is gone, as many others are: another is created in its turn"
        ),
    })
}

fn invalid(problems: &[Problem], prefix: &str) -> Readiness {
    let problems: Vec<String> = problems
        .iter()
        .map(|problem| problem.describe(prefix))
        .collect();
    Readiness {
        reason: ConditionReason::InvalidConfiguration,
        message: problems.join("; "),
    }
}

fn ready(wanted: &Wanted, observed: &Observed) -> Readiness {
    let served = observed
        .present()
        .filter(|(cloud, _)| wanted.clouds.contains(*cloud));
    let served: Vec<String> = served
        .map(|(cloud, found)| format!("{} on {cloud}", found.id))
        .collect();
    let verb = if served.len() == 1 {
        "load balancer"
    } else {
        "load balancers"
    };
    Readiness {
        reason: ConditionReason::Ready,
        message: format!("{verb} {} ready", served.join(", ")),
    }
}

/// The first thing waited for that says why a load balancer does not serve.
fn first<'a>(mut waiting: impl Iterator<Item = &'a Waiting>) -> Option<Readiness> {
    waiting.find_map(|waiting| {
        let (reason, message) = match waiting {
            Waiting::Provisioning(cloud) => (ConditionReason::Provisioning, format!("{cloud}: the load balancer is being provisioned")),
            Waiting::Deleting(cloud) => (ConditionReason::Provisioning, format!("{cloud}: the load balancer of this name is being deleted; another is created when it is gone")),
            Waiting::CloudError(cloud, message) => (ConditionReason::CloudError, format!("{cloud}: the load balancer failed: {message}")),
            Waiting::NameTaken(cloud) => (ConditionReason::NotOwned, format!("{cloud}: the load balancer of our name does not belong to this Service: it is left alone")),
            Waiting::CloudNotConfigured(cloud) => (ConditionReason::CloudNotConfigured, format!("{cloud} has a load balancer of this Service but is not configured here")),
            Waiting::CloudUnreachable(cloud) => (ConditionReason::SyncFailed, format!("{cloud} did not answer")),
            Waiting::NodesUnconfirmed | Waiting::NotOurs(_) | Waiting::Invalid(_) => return None,
        };
        Some(Readiness { reason, message })
    })
}
