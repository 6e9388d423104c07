//! The last step of a reconcile: log lines, Events, the condition, metrics, and the time
//! of the next attempt. Never fails the reconcile.
//! [`explain_wait`] reports a Service that waits for its first attempt, and
//! [`explain_unreadable`] one that cannot be read.

pub mod changes;
pub mod condition;
pub mod events;
mod log;
pub mod metrics;
pub mod spans;
mod unreadable;
mod wait;

pub use unreadable::explain_unreadable;
pub use wait::explain_wait;

use std::collections::BTreeSet;
use std::time::Duration;

use super::Context;
use super::attempt::{ApplyResult, ObservedService};
use super::error::{ReconcileError, Unfinished};
use super::memory::cloud_backoff::Attempted;
use super::memory::left_calls::OutdatedFailure;
use super::memory::own_writes::{Part, changed};
use super::memory::requeue::{AttemptInput, Requeue};
use crate::election::Leadership;
use crate::kubernetes::condition::{Readiness, find};
use crate::kubernetes::service_object::Service;
use crate::kubernetes::service_writer::ServicePatch;
use crate::plan::load_balancer::{LoadBalancer, State};
use crate::plan::naming::CloudName;
use crate::plan::port_status::PortErrors;
use crate::plan::{CloudView, Desired, Observed, Waiting, unready};
use crate::telemetry::traces;

/// Reports an attempt. Returns the delay until the next one; `None` if the Service
/// is next reconciled when something changes.
pub async fn report(
    service: &ObservedService,
    mut result: ApplyResult,
    leadership: &Leadership,
    context: &Context,
) -> Option<Duration> {
    let (readiness, has_changed) = condition_to_set(service, &result, context);
    log::log_result(service, &result, has_changed, context);
    if has_changed {
        traces::begin();
    }
    events::emit_ended(service, &result.actions, &result.observed, context);
    if let Some(readiness) = readiness.as_ref().filter(|_| has_changed) {
        events::emit_condition_change(service, readiness, context);
    }
    let pending = pending(service, &result);
    if let Some(readiness) = &readiness {
        let object = &result.object;
        let ports = port_errors(service, &result.observed, context);
        let ports = ports.as_ref();
        match write_condition(service, object, readiness, ports, leadership, context).await {
            Ok(restored) => result.restored.extend(restored),
            Err(error) => result.errors.push(error),
        }
    }
    events::emit_warnings(service, &result, readiness.as_ref(), context);
    report_given_up(service, &result, context);
    metrics::count_attempt(service, &result, &pending, context);
    // A load balancer that is left on a cloud which is no longer configured, or that is
    // not deleted because it is in use, does not keep the others from being in sync; nor
    // does a lack of Nodes, whose end is a change.
    let is_in_sync = |waiting: &Waiting| {
        matches!(
            waiting,
            Waiting::CloudNotConfigured(_) | Waiting::ShownTwice { .. } | Waiting::NoEligibleNodes
        )
    };
    let is_unmet = result.has_unmet_create();
    let is_whole = result.errors.is_empty() && result.resting.is_empty();
    if is_whole && pending.iter().all(is_in_sync) && !is_unmet {
        context.memory.drift.mark_in_sync(service);
    }
    remember(service, &result, context);
    requeue(service, result, &pending, context)
}

/// Reports and counts an update that failed when its Nodes were not the newest any more. The
/// attempt goes on with the newest; the condition has the failure while that is not done.
pub fn report_outdated(service: &ObservedService, failure: OutdatedFailure, context: &Context) {
    let one = Unfinished::Failed(&failure.error);
    if one.is_failure() {
        log::log_failure(&failure.error, context);
        context.metrics.reconcile.failed(one.reason());
    }
    let backoff = &context.memory.cloud_backoff;
    backoff.count(&service.view.uid, service.spec_hash, failure);
}

/// Reports the repairs that the attempt has given up, each once.
fn report_given_up(service: &ObservedService, result: &ApplyResult, context: &Context) {
    for (cloud, difference) in &result.observed.unmet.given_up {
        let repairs = &context.memory.repairs;
        if repairs.is_first_look(&service.view.uid, service.spec_hash, cloud) {
            events::emit_given_up(service, cloud, difference, &result.observed, context);
            metrics::count_given_up(cloud, context);
        }
    }
}

/// Remembers what the next attempt compares with.
fn remember(service: &ObservedService, result: &ApplyResult, context: &Context) {
    let (memory, uid) = (&context.memory, &service.view.uid);
    let mut unmet = result.observed.unmet.clone();
    let is_there = |cloud: &CloudName| {
        matches!(
            result.observed.clouds.get(cloud),
            Some(CloudView::Present(_) | CloudView::Unanswered)
        )
    };
    unmet.kept.retain(|cloud, _| is_there(cloud));
    unmet.under_way.retain(|cloud, _| is_there(cloud));
    let awaited = result.observed.awaited().cloned().collect();
    memory.set_unmet(uid, unmet, &awaited);
    // Without an error the status has what the plan wanted to publish.
    if result.errors.is_empty() && matches!(service.desired, Desired::Managed(_)) {
        let Observed { ingress, modes, .. } = &result.observed;
        memory
            .published
            .insert(uid, (ingress.clone(), modes.clone()));
    }
}

/// The condition to set, if it may be set, and whether it differs from the
/// Service's current condition.
fn condition_to_set(
    service: &ObservedService,
    result: &ApplyResult,
    context: &Context,
) -> (Option<Readiness>, bool) {
    let keys = &context.metadata_keys;
    let before = find(&service.object, keys.condition());
    // The same failure with a different message (a request id, a timestamp) must
    // not emit another Event or rewrite the condition.
    let failure = result.failures().find(|error| !error.is_superseded());
    let failure = failure.map(ReconcileError::fingerprint);
    // While an answer is awaited, the failure before it is not over.
    let is_open = failure.is_none() && result.observed.awaited().next().is_some();
    let may_be_set = is_open
        || context.memory.event_dedup.record_failure(service, failure)
        || before.is_none_or(|before| before.status == "True");
    // A superseded attempt may have created a load balancer that is in no record
    // yet; the Service must not be reported as ready.
    let superseded = result.errors.iter().any(ReconcileError::is_superseded);
    let readiness = condition::readiness(
        &service.desired,
        &result.observed,
        result.unfinished(),
        keys.prefix(),
    )
    .or_else(|| condition::corrected(&service.desired, &result.observed, before))
    .filter(|_| may_be_set && !superseded);
    let has_changed = readiness
        .as_ref()
        .is_some_and(|now| before.is_none_or(|before| !now.matches(before)));
    (readiness, has_changed)
}

/// The waits that remain and are not errors.
fn pending(service: &ObservedService, result: &ApplyResult) -> BTreeSet<Waiting> {
    let mut pending = match &service.desired {
        Desired::Managed(wanted) => unready(wanted, &result.observed),
        _ => BTreeSet::new(),
    };
    // Polling the cloud before the slot of the repair would find nothing new.
    for cloud in result.queued_repairs() {
        pending.remove(&Waiting::Provisioning(cloud.clone()));
    }
    let stays = |waiting: &&Waiting| {
        matches!(
            waiting,
            Waiting::NoEligibleNodes
                | Waiting::CloudNotConfigured(_)
                | Waiting::ShownTwice { .. }
                | Waiting::NotUnderstood(_)
                | Waiting::StillDeleting(..)
                | Waiting::RepairSlot(_)
                | Waiting::Unanswered(_)
        )
    };
    pending.extend(result.waiting.iter().filter(stays).cloned());
    pending
}

/// The errors of ports to show; `None` if those that are shown stay, because the plan could
/// not find out.
pub fn port_errors(
    service: &ObservedService,
    observed: &Observed,
    context: &Context,
) -> Option<PortErrors> {
    let Desired::Managed(wanted) = &service.desired else {
        return None;
    };
    let prefix = context.metadata_keys.prefix();
    wanted
        .knows_lacking_ports(observed)
        .then(|| PortErrors::of(wanted, observed, prefix))
}

/// Writes the condition, unless a write of the plan has set it already. Returns the parts of
/// the Service that were restored.
async fn write_condition(
    service: &ObservedService,
    object: &Service,
    readiness: &Readiness,
    ports: Option<&PortErrors>,
    leadership: &Leadership,
    context: &Context,
) -> Result<BTreeSet<Part>, ReconcileError> {
    let patch = ServicePatch {
        readiness: Some(readiness),
        ports,
        ..ServicePatch::default()
    };
    let changed = changed(object, &patch, &context.metadata_keys);
    let written = context
        .services
        .patch(leadership, object, &patch)
        .await
        .inspect_err(
            |error| tracing::debug!(%error, "failed to write the condition of the Service"),
        )?;
    let Some(written) = written else {
        return Ok(BTreeSet::new());
    };
    let (uid, memory) = (&service.view.uid, &context.memory);
    memory.mutation_cache.record_written(uid, written.into());
    Ok(memory.own_writes.record(uid, service.spec_hash, changed))
}

fn requeue(
    service: &ObservedService,
    mut result: ApplyResult,
    pending: &BTreeSet<Waiting>,
    context: &Context,
) -> Option<Duration> {
    let errors = std::mem::take(&mut result.errors);
    let (uid, backoff) = (&service.view.uid, &context.memory.cloud_backoff);
    let attempted = Attempted {
        spec_hash: service.spec_hash,
        nodes: service.nodes_version(),
        observed: &result.observed,
        waiting: &result.waiting,
    };
    let slots = result.repairs.values().filter_map(|repair| repair.wait);
    let has_restored = !result.restored.is_empty();
    let requeues: Vec<_> = Requeue::of_attempt(&errors, pending, has_restored).collect();
    let requeues = requeues
        .into_iter()
        .chain(backoff.record(uid, attempted, errors))
        .chain(slots.map(Requeue::Slot))
        .chain((result.has_unmet_create() || result.left_updates).then_some(Requeue::Poll));
    let is_kept = |found: &LoadBalancer| found.state != State::Deleting;
    let input = AttemptInput {
        spec_hash: service.spec_hash,
        nodes: service.nodes_version(),
        follows_nodes: result.observed.present().any(|(_, found)| is_kept(found))
            || backoff.follows_nodes(uid, service.spec_hash),
    };
    context.memory.requeue.schedule(uid, input, requeues)
}
