//! Step five: says what was done and what was not, and decides the next attempt.
//! Never fails the reconcile.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::Context;
use super::attempt::ApplyResult;
use super::error::ReconcileError;
use super::measure::measure;
use super::observe::ObservedService;
use super::readiness::readiness;
use super::retry::{Requeue, after_failure, after_waiting};
use super::speech::{emit_applied, emit_condition_change, emit_warnings};
use crate::election::Leadership;
use crate::kubernetes::condition;
use crate::kubernetes::condition::Readiness;
use crate::kubernetes::service_writer::ServicePatch;
use crate::plan::{Desired, Waiting, unready};
use crate::telemetry::traces;

/// Says what was done and what was not; gives when to try again, `None` if only
/// a change is worth it.
pub async fn report(
    service: &ObservedService,
    mut done: ApplyResult,
    started: Instant,
    leadership: &Leadership,
    context: &Context,
) -> Option<Duration> {
    log(&done, context);
    // A load balancer that is not on record yet is not ready, whatever it does.
    let overtaken = done.failures.iter().any(ReconcileError::is_superseded);
    let readiness =
        readiness(service, &done, context.metadata_keys.prefix()).filter(|_| !overtaken);
    let before = condition::find(&service.object, context.metadata_keys.condition());
    let loud = done.failures.iter().find(|failure| !failure.is_quiet());
    let failure = loud.map(ReconcileError::fingerprint);
    // A failure that only words differently is no news, neither here nor on the object.
    let speaks = context.event_dedup.failure_is_new(service, failure)
        || before.is_none_or(|before| before.status == "True");
    let readiness = readiness.filter(|_| speaks);
    let is_news = readiness
        .as_ref()
        .is_some_and(|now| before.is_none_or(|before| !now.matches(before)));
    if is_news {
        traces::begin();
    }
    emit_applied(service, &done, context);
    if let Some(readiness) = readiness.as_ref().filter(|_| is_news) {
        emit_condition_change(service, readiness, context);
    }
    emit_warnings(service, &done, readiness.as_ref(), context);
    let pending = pending(service, &done);
    if let Some(readiness) = &readiness {
        let written = write_condition(service, &done, readiness, leadership, context).await;
        done.failures.extend(written.err());
    }
    measure(service, &done, !pending.is_empty(), started, context);
    // What is left on a cloud that is not configured takes nothing from the rest.
    let is_left = |waiting: &Waiting| matches!(waiting, Waiting::CloudNotConfigured(_));
    if done.failures.is_empty() && pending.iter().all(is_left) {
        context.drift.mark_in_sync(service);
    }
    next(service, &done, &pending, context)
}

fn log(done: &ApplyResult, context: &Context) {
    for action in &done.actions {
        tracing::info!(%action, "done");
    }
    for waiting in &done.waiting {
        tracing::info!(?waiting, "not done");
    }
    let loud = done.failures.iter().filter(|failure| !failure.is_quiet());
    for failure in loud.filter(|failure| context.log_throttle.should_log(failure.log_key())) {
        tracing::warn!(reason = failure.reason(), error = %failure, "failed; it is tried again");
    }
}

/// What is not there yet although nothing failed.
fn pending(service: &ObservedService, done: &ApplyResult) -> BTreeSet<Waiting> {
    let mut pending = match &service.desired {
        Desired::Managed(wanted) => unready(wanted, &done.observed),
        _ => BTreeSet::new(),
    };
    // There is nothing to look at before its turn.
    for cloud in done.not_their_turn() {
        pending.remove(&Waiting::Provisioning(cloud.clone()));
    }
    let stays = |waiting: &&Waiting| {
        matches!(
            waiting,
            Waiting::NodesUnconfirmed | Waiting::CloudNotConfigured(_)
        )
    };
    pending.extend(done.waiting.iter().filter(stays).cloned());
    pending
}

/// Brings the condition to what is true now, if a write of the plan did not.
async fn write_condition(
    service: &ObservedService,
    done: &ApplyResult,
    readiness: &Readiness,
    leadership: &Leadership,
    context: &Context,
) -> Result<(), ReconcileError> {
    let change = ServicePatch {
        readiness: Some(readiness),
        ..ServicePatch::default()
    };
    let written = context
        .services
        .patch(leadership, &done.object, &change)
        .await
        .inspect_err(|error| tracing::debug!(%error, "the condition was not written"))?;
    if let Some(written) = written {
        context
            .mutation_cache
            .record(&service.view.uid, written.into());
    }
    Ok(())
}

fn next(
    service: &ObservedService,
    done: &ApplyResult,
    pending: &BTreeSet<Waiting>,
    context: &Context,
) -> Option<Duration> {
    let failures = done.failures.iter().map(after_failure);
    let fight = done.restores(service).then_some(Requeue::Poll);
    let delays = failures
        .chain(pending.iter().map(after_waiting))
        .chain(fight);
    context.requeue.schedule(
        &service.view.uid,
        service.spec_hash,
        service.nodes_version(),
        delays,
    )
}
