//! The metrics of an attempt.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::spans;
use crate::controller::Context;
use crate::controller::attempt::{ApplyResult, ObservedService, Repairs};
use crate::controller::error::{ReconcileError, Unfinished};
use crate::controller::memory::requeue::Requeue;
use crate::kubernetes::managed_fields;
use crate::plan::naming::CloudName;
use crate::plan::{Action, Desired, Waiting, Wanted};
use crate::reason::Reason;
use crate::telemetry::ReconcileResult;

/// Counts load balancers that were found changed or deleted outside the cluster.
pub fn count_drift_found(repairs: &Repairs, context: &Context) {
    for (cloud, _) in repairs.iter().filter(|(_, repair)| repair.is_new) {
        context.metrics.inventory.drifted(cloud.as_str(), "found");
    }
}

/// Counts a load balancer that an action restored.
pub fn count_repair(action: &Action, repairs: &Repairs, context: &Context) {
    if let Action::Create { cloud, .. } | Action::Update { cloud, .. } = action
        && repairs.contains_key(cloud)
    {
        let inventory = &context.metrics.inventory;
        inventory.drifted(cloud.as_str(), "repaired");
    }
}

/// Counts the attempt. `pending` has the waits that remain.
pub fn count_attempt(
    service: &ObservedService,
    result: &ApplyResult,
    pending: &BTreeSet<Waiting>,
    context: &Context,
) {
    let outcome = outcome(service, result, !pending.is_empty());
    spans::describe_result(result, outcome);
    let reconcile = &context.metrics.reconcile;
    reconcile.finished(outcome, service.started.elapsed());
    if outcome == ReconcileResult::TerminalError {
        reconcile.failed(Reason::InvalidSpec);
    }
    // Each reason counts once, even if several clouds have it.
    let failures = result.unfinished().filter(|one| one.is_failure());
    let reasons: BTreeSet<Reason> = failures.map(Unfinished::reason).collect();
    for reason in reasons {
        reconcile.failed(reason);
    }
    count_retries(result, context);
    match &service.desired {
        Desired::Managed(wanted) => count_provisioning(service, wanted, result, context),
        Desired::Released(_) => count_deprovisioning(service, result, context),
        Desired::Invalid(_) | Desired::Unmanaged(_) => {
            context.memory.provisioning.forget(&service.view.uid);
        }
    }
}

fn outcome(service: &ObservedService, result: &ApplyResult, waits: bool) -> ReconcileResult {
    if matches!(service.desired, Desired::Invalid(_)) {
        ReconcileResult::TerminalError
    } else if result.errors.iter().any(|error| !error.is_superseded()) {
        ReconcileResult::Error
    } else if result.errors.is_empty() && !waits {
        ReconcileResult::Success
    } else {
        ReconcileResult::Requeue
    }
}

fn count_retries(result: &ApplyResult, context: &Context) {
    let is_retried = |error: &&ReconcileError| {
        !error.is_superseded() && Requeue::after(Unfinished::Failed(error)) != Requeue::AwaitChange
    };
    let mut any = false;
    for error in result.errors.iter().filter(is_retried) {
        any = true;
        if let ReconcileError::Cloud(error) = error {
            let (cloud, verb) = (error.cloud().as_str(), error.verb().as_str());
            context.metrics.cloud.retried(cloud, verb, error.reason());
        }
    }
    if any {
        context.metrics.workqueue.retried();
    }
}

/// Measures the time from the request for a load balancer to its first address.
fn count_provisioning(
    service: &ObservedService,
    wanted: &Wanted,
    result: &ApplyResult,
    context: &Context,
) {
    let (metrics, memory) = (&context.metrics.provisioning, &context.memory);
    let (uid, clock) = (&service.view.uid, &memory.provisioning);
    let adds = |action: &Action| matches!(action, Action::AddFinalizer { .. });
    if !service.view.finalizer && result.actions.iter().any(adds) {
        metrics.started(&wanted.clouds);
    }
    // All clouds have the current Nodes as back ends.
    if result.errors.is_empty() && result.waiting.is_empty() {
        for cloud in &wanted.clouds {
            memory.node_sync.mark_in_sync(uid, cloud);
        }
    }
    let Some((requested_at, waited)) = wait_for_address(service, context) else {
        return;
    };
    let clouds = wanted.clouds.iter().cloned();
    let (serving, outstanding): (BTreeSet<_>, BTreeSet<_>) =
        clouds.partition(|cloud| publishes(result, cloud));
    let is_served = outstanding.is_empty();
    for cloud in clock.progress(uid, &serving, outstanding, requested_at, waited) {
        metrics.served(cloud.as_str(), waited);
    }
    if is_served {
        spans::end_provisioning(service, context);
        return;
    }
    for (cloud, reason) in result.unfinished().filter_map(Unfinished::terminal) {
        metrics.failed(cloud.as_str(), reason);
        clock.refused(uid, cloud, reason);
    }
}

/// Since when the Service waits for its first address; `None` if it does not wait.
fn wait_for_address(service: &ObservedService, context: &Context) -> Option<(Timestamp, Duration)> {
    let (uid, clock) = (&service.view.uid, &context.memory.provisioning);
    // A ready Service whose addresses another writer removes is not provisioned anew.
    let has_address = !service.view.published.is_empty() || service.was_ready;
    if has_address && !clock.is_pending(uid) {
        return None;
    }
    let recorded = managed_fields::requested_at(&service.object, &context.metadata_keys);
    let requested_at = clock.requested_at(uid, recorded.unwrap_or_else(Timestamp::now));
    Some((requested_at, age(requested_at)))
}

/// Counts a Service that waits for a place at a cloud as waiting for its address.
pub fn count_waiting(service: &ObservedService, context: &Context) {
    let (uid, clock) = (&service.view.uid, &context.memory.provisioning);
    let Desired::Managed(wanted) = &service.desired else {
        return;
    };
    if !clock.is_pending(uid)
        && let Some((requested_at, waited)) = wait_for_address(service, context)
    {
        let clouds = wanted.clouds.clone();
        clock.progress(uid, &BTreeSet::new(), clouds, requested_at, waited);
    }
}

/// Whether the Service's status has the address of its load balancer on this cloud.
fn publishes(result: &ApplyResult, cloud: &CloudName) -> bool {
    result.observed.serves(cloud) && result.observed.publishes_address_of(cloud)
}

/// Measures the time from the deletion of a Service to that of its load balancers.
fn count_deprovisioning(service: &ObservedService, result: &ApplyResult, context: &Context) {
    context.memory.provisioning.forget(&service.view.uid);
    let is_last = |action: &Action| matches!(action, Action::RemoveFinalizer { .. });
    let deleted = service.object.metadata.deletion_timestamp.as_ref();
    let (true, Some(deleted)) = (result.actions.iter().any(is_last), deleted) else {
        return;
    };
    let gone = result.actions.iter().filter_map(|action| match action {
        Action::ConfirmGone { cloud, .. } => Some(cloud),
        _ => None,
    });
    let clouds: BTreeSet<&CloudName> = gone.chain(service.view.record.clouds()).collect();
    for cloud in clouds {
        let metrics = &context.metrics.provisioning;
        metrics.removed(cloud.as_str(), age(deleted.0));
    }
}

/// The time since `then`; zero if another machine's clock put it in the future.
fn age(then: Timestamp) -> Duration {
    Timestamp::now()
        .duration_since(then)
        .try_into()
        .unwrap_or_default()
}
