//! What an attempt came to, in numbers.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;

use super::Context;
use super::attempt::ApplyResult;
use super::error::{ReconcileError, waiting_reason};
use super::observe::ObservedService;
use super::retry::{Requeue, after_failure};
use super::trace;
use crate::cloud::ErrorKind;
use crate::kubernetes::managed_fields;
use crate::plan::naming::CloudName;
use crate::plan::{Action, Desired, Waiting, Wanted};
use crate::telemetry::ReconcileResult;

/// Counts the attempt. `waits`: something is under way.
pub fn measure(
    service: &ObservedService,
    done: &ApplyResult,
    waits: bool,
    started: Instant,
    context: &Context,
) {
    let result = result(service, done, waits);
    trace::ended(done, result);
    let reconcile = &context.metrics.reconcile;
    reconcile.finished(result, started.elapsed());
    if result == ReconcileResult::TerminalError {
        reconcile.failed("invalid_spec");
    }
    let loud = || done.failures.iter().filter(|failure| !failure.is_quiet());
    // Once for each reason, however many clouds have it.
    let failed = loud().map(ReconcileError::reason);
    let reasons: BTreeSet<_> = failed
        .chain(done.waiting.iter().filter_map(waiting_reason))
        .collect();
    for reason in reasons {
        reconcile.failed(reason);
    }
    let retried = || loud().filter(|failure| after_failure(failure) != Requeue::AwaitChange);
    if retried().next().is_some() {
        context.metrics.queue.retry();
    }
    for failure in retried() {
        if let ReconcileError::Cloud(error) = failure {
            let (cloud, verb) = (error.cloud().as_str(), error.verb().as_str());
            let cloud_metrics = &context.metrics.cloud;
            cloud_metrics.retried(cloud, verb, error.reason().as_str());
        }
    }
    match &service.desired {
        Desired::Managed(wanted) => provisioning(service, wanted, done, context),
        Desired::Released(_) => deprovisioning(service, done, context),
        Desired::Invalid(_) | Desired::Unmanaged(_) => {
            context.metrics.provisioning.forget(&service.view.uid);
        }
    }
}

fn result(service: &ObservedService, done: &ApplyResult, waits: bool) -> ReconcileResult {
    if matches!(service.desired, Desired::Invalid(_)) {
        ReconcileResult::TerminalError
    } else if done.failures.iter().any(|failure| !failure.is_quiet()) {
        ReconcileResult::Error
    } else if done.failures.is_empty() && !waits {
        ReconcileResult::Success
    } else {
        ReconcileResult::Requeue
    }
}

/// From the wish to the first address.
fn provisioning(service: &ObservedService, wanted: &Wanted, done: &ApplyResult, context: &Context) {
    let metrics = &context.metrics.provisioning;
    let uid = &service.view.uid;
    if done.actions.contains(&Action::AddFinalizer) {
        metrics.started(&wanted.clouds);
    }
    // The clouds have all that the Service and the Nodes ask for.
    if done.failures.is_empty() && done.waiting.is_empty() {
        for cloud in &wanted.clouds {
            context.metrics.nodes.mark_in_sync(uid, cloud);
        }
    }
    // Somebody who wipes the addresses of one that is ready starts no clock.
    let has_address = !service.view.published.is_empty() || service.was_ready;
    if has_address && !metrics.is_pending(uid) {
        return;
    }
    let recorded = managed_fields::requested_at(&service.object, &context.metadata_keys);
    let requested_at = metrics.requested_at(uid, recorded.unwrap_or_else(Timestamp::now));
    let clouds = wanted.clouds.iter().cloned();
    let (served, outstanding): (BTreeSet<_>, BTreeSet<_>) =
        clouds.partition(|cloud| has(done, cloud));
    let is_served = outstanding.is_empty();
    metrics.progress(uid, &served, outstanding, requested_at, age(requested_at));
    if is_served {
        trace::provisioned(service, context);
        return;
    }
    let failed = done.failures.iter().filter_map(terminal_failure);
    let given_up = done.waiting.iter().filter_map(|waiting| match waiting {
        Waiting::NameTaken(cloud) => Some((cloud, "name_taken")),
        Waiting::CloudError(cloud, _) => Some((cloud, "cloud_failed")),
        _ => None,
    });
    for (cloud, reason) in failed.chain(given_up) {
        metrics.failed(uid, cloud.as_str(), reason);
    }
}

/// Whether the Service says the address that this cloud gave it.
fn has(done: &ApplyResult, cloud: &CloudName) -> bool {
    done.observed.serves(cloud) && done.observed.publishes_address_of(cloud)
}

/// Of a failure that a person must see to: where, and why.
fn terminal_failure(failure: &ReconcileError) -> Option<(&CloudName, &'static str)> {
    let ReconcileError::Cloud(error) = failure else {
        return None;
    };
    let reason = match error.kind() {
        ErrorKind::NameTaken => "name_taken",
        _ if error.is_terminal() => error.reason().as_str(),
        _ => return None,
    };
    Some((error.cloud(), reason))
}

/// From the deletion of a Service to the end of its load balancers.
fn deprovisioning(service: &ObservedService, done: &ApplyResult, context: &Context) {
    let metrics = &context.metrics.provisioning;
    metrics.forget(&service.view.uid);
    let is_last = |action: &Action| matches!(action, Action::RemoveFinalizer { .. });
    let deleted = service.object.metadata.deletion_timestamp.as_ref();
    let (true, Some(deleted)) = (done.actions.iter().any(is_last), deleted) else {
        return;
    };
    let gone = done.actions.iter().filter_map(|action| match action {
        Action::ConfirmGone { cloud, .. } => Some(cloud),
        _ => None,
    });
    let clouds: BTreeSet<&CloudName> = gone.chain(service.view.record.clouds()).collect();
    for cloud in clouds {
        metrics.removed(cloud.as_str(), age(deleted.0));
    }
}

/// Time since then by this machine's clock; zero for a future that another
/// machine's clock wrote.
fn age(then: Timestamp) -> Duration {
    Timestamp::now()
        .duration_since(then)
        .try_into()
        .unwrap_or_default()
}
