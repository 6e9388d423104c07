//! The log lines of an attempt: its actions, its waits and its errors.

use super::condition::hint;
use crate::controller::Context;
use crate::controller::attempt::{ApplyResult, ObservedService};
use crate::controller::error::{ReconcileError, Unfinished};
use crate::plan::naming::CloudName;
use crate::plan::problem::{self, describe_problems};
use crate::plan::record::Ingress;
use crate::plan::{Action, Observed, Released, Waiting};
use crate::telemetry::log_throttle::LogKey;

/// Logs the result of an attempt. Errors are throttled; a wait is logged when it begins,
/// not at each poll.
pub fn log_result(
    service: &ObservedService,
    result: &ApplyResult,
    condition_changes: bool,
    context: &Context,
) {
    for action in &result.actions {
        log_action(action, &result.observed);
    }
    let requeue = &context.memory.requeue;
    let is_first = requeue.attempts(&service.view.uid, service.spec_hash) == 0;
    if is_first || condition_changes {
        // What failed at a cloud that rests was logged.
        let rests = |waiting: &&Waiting| match waiting {
            Waiting::Unanswered(cloud) => result
                .resting
                .iter()
                .any(|error| error.cloud() == Some(cloud)),
            _ => false,
        };
        for waiting in result.waiting.iter().filter(|waiting| !rests(waiting)) {
            if context.log_throttle.should_log(wait_key(waiting, context)) {
                log_waiting(waiting, context.metadata_keys.prefix());
            }
        }
    }
    for error in result.errors.iter().filter(|error| !error.is_superseded()) {
        log_failure(error, context);
    }
}

/// Logs an error of an attempt.
pub fn log_failure(error: &ReconcileError, context: &Context) {
    if context.log_throttle.should_log(error.log_key()) {
        let reason = Unfinished::Failed(error).reason().as_str();
        let hint = hint(error);
        tracing::warn!(reason, %error, "failed to sync the load balancer; the attempt will be retried{hint}");
    }
}

/// The key of log lines about waits, for all Services: a cloud that is down makes all of
/// them wait, and one record may name many clouds.
fn wait_key(waiting: &Waiting, context: &Context) -> LogKey {
    let configured = waiting
        .cloud()
        .filter(|cloud| context.clouds.contains_key(*cloud));
    LogKey {
        cloud: configured.map(ToString::to_string),
        operation: "wait",
        reason: Unfinished::Waiting(waiting).reason().as_str(),
    }
}

fn log_action(action: &Action, observed: &Observed) {
    match action {
        Action::AddFinalizer { clouds } => {
            let clouds: Vec<&str> = clouds.iter().map(CloudName::as_str).collect();
            let announced = clouds.join(",");
            tracing::info!(
                announced,
                "wrote the finalizer and the clouds of the next creates to the Service"
            );
        }
        Action::ConfirmLive => tracing::info!("confirmed that the Service is unchanged"),
        Action::Create { cloud, request } => {
            let back_ends = request.spec.nodes.len();
            tracing::info!(%cloud, name = %request.name, back_ends, "created load balancer");
        }
        Action::Update {
            cloud, id, request, ..
        } => {
            let back_ends = request.spec.nodes.len();
            tracing::info!(%cloud, %id, back_ends, "updated load balancer");
        }
        Action::Publish { .. } => {
            let record = &observed.record;
            let lb_id = record.id_annotation().unwrap_or_default();
            let lb_cloud = record.cloud_annotation().unwrap_or_default();
            let addresses: Vec<String> = observed.ingress.iter().map(Ingress::to_string).collect();
            let addresses = addresses.join(",");
            tracing::info!(
                lb_id,
                lb_cloud,
                addresses,
                "wrote the record and the addresses to the Service"
            );
        }
        Action::AwaitServing { .. } => {
            tracing::info!("confirmed that the new load balancers serve");
        }
        Action::Delete { cloud, id } => {
            tracing::info!(%cloud, %id, "requested deletion of load balancer");
        }
        Action::Release { cloud, id, what } => match what {
            Released::Own => {
                tracing::info!(%cloud, %id, "took the owner off the load balancer, which is retained");
            }
            Released::OfOthers { keeps_listeners } => {
                tracing::info!(%cloud, %id, keeps_listeners, "took the owner off the load balancer, which others made");
            }
        },
        Action::ConfirmGone { cloud, id } => tracing::info!(%cloud, %id, "deleted load balancer"),
        Action::RemoveFinalizer { .. } => {
            tracing::info!("removed the finalizer from the Service");
        }
    }
}

fn log_waiting(waiting: &Waiting, prefix: &str) {
    match waiting {
        Waiting::NotOurs(reason) => {
            tracing::info!(?reason, "the Service is not managed by this controller");
        }
        Waiting::Invalid(problems) => {
            let problems = describe_problems(problems, prefix);
            tracing::info!(
                problems,
                "the configuration of the Service is invalid; waiting for an edit"
            );
        }
        Waiting::Paused => {
            tracing::info!("the Service is paused; nothing of it is changed");
        }
        Waiting::CannotRetain(cloud) => {
            tracing::info!(%cloud, "the load balancer is to be retained, and the cloud cannot take its owner off; waiting for an edit");
        }
        Waiting::Untold(cloud, problems) => {
            let asked = problem::subjects(problems);
            tracing::info!(%cloud, asked, "the cloud has not told yet whether it supports what the Service asks for; waiting for its answer");
        }
        Waiting::Refused(cloud, problems) => {
            let problem = describe_problems(problems, prefix);
            tracing::warn!(%cloud, problem, "the load balancer cannot be what the Service asks for; waiting for an edit");
        }
        Waiting::NotUnderstood(cloud) => {
            tracing::warn!(%cloud, "the load balancer does not follow the Nodes: it has values that are not known here, which an update would take away");
        }
        Waiting::CloudUnreachable(cloud) => {
            tracing::info!(%cloud, "the query of the cloud failed, so the state of the load balancer is unknown; waiting for the next attempt");
        }
        Waiting::Unanswered(cloud) => {
            tracing::info!(%cloud, "the cloud has not answered yet; the Service is served on the others meanwhile");
        }
        Waiting::CloudNotConfigured(cloud) => {
            tracing::info!(%cloud, "the Service has a load balancer on a cloud that is not configured");
        }
        Waiting::ShownTwice {
            clouds: [one, other],
            id,
        } => {
            tracing::error!(%one, %other, %id, "two clouds of the configuration show the same load balancer, so they lead to one account; it is not deleted as a leftover");
        }
        Waiting::NameTaken(cloud) => {
            tracing::info!(%cloud, "the name of the load balancer is taken by a load balancer of another owner");
        }
        Waiting::Provisioning(cloud) => {
            tracing::info!(%cloud, "waiting for the cloud to provision the load balancer");
        }
        Waiting::CloudError(cloud, message) => {
            tracing::info!(%cloud, message, "the load balancer failed at the cloud");
        }
        Waiting::Deleting(cloud) => {
            tracing::info!(%cloud, "waiting for the cloud to delete the load balancer before a new one is created");
        }
        // Common while many load balancers are deleted or repaired, or the same for all of
        // them, and shown by the condition, Events and metrics.
        Waiting::RepairSlot(..) | Waiting::StillDeleting(..) | Waiting::NoEligibleNodes => {}
    }
}
