//! The metrics of an attempt.

use std::collections::BTreeSet;

use super::{changes, spans};
use crate::controller::Context;
use crate::controller::attempt::{ApplyResult, ObservedService, Repairs};
use crate::controller::error::{ReconcileError, Unfinished};
use crate::controller::memory::requeue::Requeue;
use crate::plan::naming::CloudName;
use crate::plan::{Action, Desired, Waiting};
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

/// Counts a load balancer whose drift is not repaired any more.
pub fn count_given_up(cloud: &CloudName, context: &Context) {
    let inventory = &context.metrics.inventory;
    inventory.drifted(cloud.as_str(), "not_repairable");
}

/// Counts the attempt. `pending` has the waits that remain.
pub fn count_attempt(
    service: &ObservedService,
    result: &ApplyResult,
    pending: &BTreeSet<Waiting>,
    context: &Context,
) {
    let outcome = outcome(
        service,
        result,
        !pending.is_empty() || !result.resting.is_empty(),
    );
    spans::describe_result(result, outcome);
    let reconcile = &context.metrics.reconcile;
    reconcile.finished(outcome, service.started.elapsed());
    if let Some(refusal) = result.refusal() {
        reconcile.failed(refusal);
    }
    // Each reason counts once, even if several clouds have it.
    let unfinished = Unfinished::all(&result.errors, &result.waiting);
    let failures = unfinished.filter(|one| one.is_failure());
    let reasons: BTreeSet<Reason> = failures.map(Unfinished::reason).collect();
    for reason in reasons {
        reconcile.failed(reason);
    }
    count_retries(result, context);
    changes::record(service, result, pending, context);
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
        !error.is_superseded() && Requeue::after_error(error) != Requeue::AwaitChange
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
