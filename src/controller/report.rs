//! Step five: says what was done and what was not, and decides the next attempt.
//! Never fails the reconcile.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::Context;
use super::done::Done;
use super::failure::Failure;
use super::measure::measure;
use super::observe::ObservedService;
use super::readiness::readiness;
use super::retry::{Delay, after_failure, after_waiting};
use super::speech::{say_mistakes, say_news, say_what_was_done};
use crate::election::Leadership;
use crate::kubernetes::condition;
use crate::kubernetes::condition::Readiness;
use crate::kubernetes::service_writer::Change;
use crate::plan::{Desired, Waiting, unready};
use crate::telemetry::traces;

/// Says what was done and what was not; gives when to try again, `None` if only
/// a change is worth it.
pub async fn report(
    service: &ObservedService,
    mut done: Done,
    started: Instant,
    leadership: &Leadership,
    context: &Context,
) -> Option<Duration> {
    log(&done, context);
    // A load balancer that is not on record yet is not ready, whatever it does.
    let overtaken = done.failures.iter().any(Failure::is_overtaken);
    let readiness = readiness(service, &done, context.marks.prefix()).filter(|_| !overtaken);
    let before = condition::find(&service.object, context.marks.condition());
    let loud = done.failures.iter().find(|failure| !failure.is_quiet());
    let failure = loud.map(Failure::gist);
    // A failure that only words differently is no news, neither here nor on the object.
    let speaks = context.said.failure_is_new(service, failure)
        || before.is_none_or(|before| before.status == "True");
    let readiness = readiness.filter(|_| speaks);
    let is_news = readiness
        .as_ref()
        .is_some_and(|now| before.is_none_or(|before| !now.is_said_by(before)));
    if is_news {
        traces::begin();
    }
    say_what_was_done(service, &done, context);
    if let Some(readiness) = readiness.as_ref().filter(|_| is_news) {
        say_news(service, readiness, context);
    }
    say_mistakes(service, &done, readiness.as_ref(), context);
    let pending = pending(service, &done);
    if let Some(readiness) = &readiness {
        let written = write_condition(service, &done, readiness, leadership, context).await;
        done.failures.extend(written.err());
    }
    measure(service, &done, !pending.is_empty(), started, context);
    // What is left on a cloud that is not configured takes nothing from the rest.
    let is_left = |waiting: &Waiting| matches!(waiting, Waiting::CloudNotConfigured(_));
    if done.failures.is_empty() && pending.iter().all(is_left) {
        context.drift.settle(service);
    }
    next(service, &done, &pending, context)
}

fn log(done: &Done, context: &Context) {
    for action in &done.actions {
        tracing::info!(%action, "done");
    }
    for waiting in &done.waiting {
        tracing::info!(?waiting, "not done");
    }
    let loud = done.failures.iter().filter(|failure| !failure.is_quiet());
    for failure in loud.filter(|failure| context.repeats.is_news(failure.kind())) {
        tracing::warn!(reason = failure.reason(), error = %failure, "failed; it is tried again");
    }
}

/// What is not there yet although nothing failed.
fn pending(service: &ObservedService, done: &Done) -> BTreeSet<Waiting> {
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
    done: &Done,
    readiness: &Readiness,
    leadership: &Leadership,
    context: &Context,
) -> Result<(), Failure> {
    let change = Change {
        readiness: Some(readiness),
        ..Change::default()
    };
    let written = context
        .services
        .patch(leadership, &done.object, &change)
        .await
        .inspect_err(|error| tracing::debug!(%error, "the condition was not written"))?;
    if let Some(written) = written {
        context
            .own_writes
            .remember(&service.view.uid, written.into());
    }
    Ok(())
}

fn next(
    service: &ObservedService,
    done: &Done,
    pending: &BTreeSet<Waiting>,
    context: &Context,
) -> Option<Duration> {
    let failures = done.failures.iter().map(after_failure);
    let fight = done.restores(service).then_some(Delay::LookAgain);
    let delays = failures
        .chain(pending.iter().map(after_waiting))
        .chain(fight);
    context.retry.next(
        &service.view.uid,
        service.input,
        service.nodes_version(),
        delays,
    )
}
