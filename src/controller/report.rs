//! Step five: says what was done and what was not, and decides the next attempt.
//! Never fails the reconcile.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use kube::runtime::controller::Action as Next;

use super::Context;
use super::apply::Done;
use super::failure::{Failure, waiting_reason};
use super::observe::ObservedService;
use super::readiness::readiness;
use super::retry::{Delay, Input, after_failure, after_waiting};
use crate::election::Leadership;
use crate::kubernetes::condition;
use crate::kubernetes::condition::{Readiness, Reason};
use crate::kubernetes::events::EventReason;
use crate::kubernetes::service_writer::Change;
use crate::plan::annotation::{self, UnknownAnnotation};
use crate::plan::naming::{CloudName, ServiceUid};
use crate::plan::{Action, Desired, Plan, Urgency, Waiting, unready};
use crate::telemetry::ReconcileResult;

/// What has been said of a Service, so that it is not said again.
#[derive(Default)]
pub struct Said(Mutex<HashMap<ServiceUid, Spoken>>);

struct Spoken {
    /// For this state of it.
    input: Input,
    /// Whether what is wrong and yet stops nothing has been spoken of.
    mistakes: bool,
    /// The failure that was spoken of last, without the words that may differ
    /// from one attempt to the next (a request's id, a time).
    failure: Option<String>,
}

impl Said {
    fn of<T>(&self, service: &ObservedService, use_it: impl FnOnce(&mut Spoken) -> T) -> T {
        let nothing = || Spoken {
            input: service.input,
            mistakes: false,
            failure: None,
        };
        let mut spoken = self.lock();
        let entry = spoken
            .entry(service.view.uid.clone())
            .or_insert_with(nothing);
        if entry.input != service.input {
            *entry = nothing();
        }
        use_it(entry)
    }

    /// Whether mistakes are spoken of for the first time.
    fn mistakes_are_new(&self, service: &ObservedService) -> bool {
        self.of(service, |spoken| {
            !std::mem::replace(&mut spoken.mistakes, true)
        })
    }

    /// Whether the failure is another than the last one.
    fn failure_is_new(&self, service: &ObservedService, failure: Option<String>) -> bool {
        self.of(service, |spoken| {
            let is_new = failure.is_none() || spoken.failure != failure;
            spoken.failure = failure;
            is_new
        })
    }

    /// Drops what is remembered of all Services but these.
    pub fn keep(&self, alive: &HashSet<ServiceUid>) {
        self.lock().retain(|uid, _| alive.contains(uid));
    }

    /// Drops what is remembered of a Service.
    pub fn forget(&self, uid: &ServiceUid) {
        self.lock().remove(uid);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ServiceUid, Spoken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says what is about to be done: once for a new state of the Service, not
/// for each attempt at it.
pub fn announce(plan: &Plan, service: &ObservedService, context: &Context) {
    if context.retry.attempts(&service.view.uid, service.input) > 0 {
        return;
    }
    let say = |reason, note: &str| context.events.say(&service.object, reason, note.to_owned());
    for action in &plan.actions {
        match action {
            Action::Create { cloud, request } => {
                say(
                    EventReason::EnsuringLoadBalancer,
                    &format!("creating load balancer {} on {cloud}", request.name),
                );
                if request.spec.nodes.is_empty() {
                    say(
                        EventReason::UnAvailableLoadBalancer,
                        "there is no eligible Node: the load balancer has no back end yet",
                    );
                }
            }
            Action::Update {
                cloud,
                id,
                urgency: Urgency::User,
                ..
            } => {
                say(
                    EventReason::EnsuringLoadBalancer,
                    &format!("updating load balancer {id} on {cloud}"),
                );
            }
            Action::Delete { cloud, id } => {
                say(
                    EventReason::DeletingLoadBalancer,
                    &format!("deleting load balancer {id} on {cloud}"),
                );
            }
            _ => {}
        }
    }
}

/// Says what was done and what was not.
pub async fn report(
    service: &ObservedService,
    mut done: Done,
    started: Instant,
    leadership: &Leadership,
    context: &Context,
) -> Next {
    log(&done);
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
    say_what_was_done(service, &done, context);
    if let Some(readiness) = readiness.as_ref().filter(|_| is_news) {
        say_news(service, readiness, context);
    }
    say_mistakes(service, &done, readiness.as_ref(), context);
    measure(service, &done, readiness.as_ref(), started, context);
    if let Some(readiness) = &readiness {
        let written = write_condition(service, &done, readiness, leadership, context).await;
        done.failures.extend(written.err());
    }
    next(service, &done, context)
}

fn log(done: &Done) {
    for action in &done.actions {
        tracing::info!(%action, "done");
    }
    for waiting in &done.waiting {
        tracing::info!(?waiting, "not done");
    }
    for failure in done.failures.iter().filter(|failure| !failure.is_quiet()) {
        tracing::warn!(reason = failure.reason(), error = %failure, "failed; it is tried again");
    }
}

fn say_what_was_done(service: &ObservedService, done: &Done, context: &Context) {
    let say = |reason, note: String| context.events.say(&service.object, reason, note);
    for action in &done.actions {
        match action {
            Action::Update {
                cloud,
                id,
                request,
                urgency,
            } => match urgency {
                Urgency::User => say(
                    EventReason::EnsuredLoadBalancer,
                    format!("load balancer {id} on {cloud} is as wanted"),
                ),
                Urgency::Background if request.spec.nodes.is_empty() => {
                    say(
                        EventReason::UnAvailableLoadBalancer,
                        format!(
                            "there is no eligible Node: load balancer {id} on {cloud} has no back end"
                        ),
                    );
                }
                Urgency::Background => {
                    let count = request.spec.nodes.len();
                    say(
                        EventReason::UpdatedLoadBalancer,
                        format!("load balancer {id} on {cloud} has {count} back ends now"),
                    );
                }
            },
            Action::ConfirmGone { cloud, id } => {
                say(
                    EventReason::DeletedLoadBalancer,
                    format!("load balancer {id} on {cloud} is gone"),
                );
            }
            _ => {}
        }
    }
}

/// An Event for a condition that changed.
fn say_news(service: &ObservedService, readiness: &Readiness, context: &Context) {
    let reason = match readiness.reason {
        Reason::Ready => EventReason::EnsuredLoadBalancer,
        // Said already as "ensuring".
        Reason::Provisioning => return,
        Reason::InvalidConfiguration => EventReason::InvalidConfiguration,
        Reason::NotOwned => EventReason::LoadBalancerNotOwned,
        Reason::CloudNotConfigured | Reason::CloudError | Reason::SyncFailed => {
            EventReason::SyncLoadBalancerFailed
        }
    };
    context
        .events
        .say(&service.object, reason, readiness.message.clone());
}

/// What is wrong with the annotations and yet stops nothing.
fn say_mistakes(
    service: &ObservedService,
    done: &Done,
    readiness: Option<&Readiness>,
    context: &Context,
) {
    let unknown = match &service.desired {
        // A misspelt annotation may be what makes the Service invalid.
        Desired::Managed(_) | Desired::Invalid(_) => {
            annotation::unknown(service.view.annotations.keys())
        }
        Desired::Unmanaged(_) | Desired::Released(_) => Vec::new(),
    };
    // Otherwise the condition speaks of it.
    let left_behind: Vec<_> = if readiness.is_some_and(Readiness::is_ready) {
        done.waiting.iter().filter_map(unconfigured).collect()
    } else {
        Vec::new()
    };
    let restored = restores(service, done);
    let nothing =
        unknown.is_empty() && done.disowned.is_empty() && left_behind.is_empty() && !restored;
    if nothing || !context.said.mistakes_are_new(service) {
        return;
    }
    if restored {
        let note = "somebody else changed status.loadBalancer; it is put right, each time later if that goes on";
        context
            .events
            .say(&service.object, EventReason::StatusOverwritten, note.into());
    }
    for cloud in left_behind {
        let note = format!(
            "{cloud} still has a load balancer of this Service but is not configured here any more: it stays"
        );
        context
            .events
            .say(&service.object, EventReason::SyncLoadBalancerFailed, note);
    }
    let prefix = context.marks.prefix();
    for UnknownAnnotation { name, nearest } in unknown {
        let note = format!(
            "annotation {prefix}/{name} is unknown and ignored; the nearest known one is {prefix}/{nearest}"
        );
        context
            .events
            .say(&service.object, EventReason::UnknownAnnotation, note);
    }
    for (cloud, id) in &done.disowned {
        let note = format!(
            "load balancer {id} on {cloud}, which the annotation {prefix}/lb-id names, does not belong to this Service: it is left alone"
        );
        context
            .events
            .say(&service.object, EventReason::LoadBalancerNotOwned, note);
    }
}

fn unconfigured(waiting: &Waiting) -> Option<&CloudName> {
    match waiting {
        Waiting::CloudNotConfigured(cloud) => Some(cloud),
        _ => None,
    }
}

/// Whether all that was done is to put back the addresses of a Service that
/// was ready: somebody else writes them too.
fn restores(service: &ObservedService, done: &Done) -> bool {
    matches!(done.actions[..], [Action::Publish { .. }])
        && !service.view.published.is_empty()
        && service.view.record == done.observed.record
        && service.view.published != done.observed.ingress
        && service.was_ready
}

fn measure(
    service: &ObservedService,
    done: &Done,
    readiness: Option<&Readiness>,
    started: Instant,
    context: &Context,
) {
    let metrics = &context.metrics;
    let result = if matches!(service.desired, Desired::Invalid(_)) {
        ReconcileResult::TerminalError
    } else if done.failures.iter().any(|failure| !failure.is_quiet()) {
        ReconcileResult::Error
    } else if done.failures.is_empty() && pending(service, done).is_empty() {
        ReconcileResult::Success
    } else {
        ReconcileResult::Requeue
    };
    metrics.reconcile_finished(result, started.elapsed());
    if result == ReconcileResult::TerminalError {
        metrics.reconcile_error("invalid_spec");
    }
    for failure in done.failures.iter().filter(|failure| !failure.is_quiet()) {
        metrics.reconcile_error(failure.reason());
    }
    for reason in done.waiting.iter().filter_map(waiting_reason) {
        metrics.reconcile_error(reason);
    }
    let serves_now = readiness.is_some_and(Readiness::is_ready);
    if service.view.published.is_empty() && serves_now && !done.observed.ingress.is_empty() {
        let since = condition::find(&service.object, context.marks.condition());
        let took = since.map_or(started.elapsed(), |condition| {
            age(condition.last_transition_time.0)
        });
        for (cloud, _) in done.observed.present() {
            metrics.provisioned(cloud.as_str(), took);
        }
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

/// What is not there yet although nothing failed.
fn pending(service: &ObservedService, done: &Done) -> BTreeSet<Waiting> {
    let mut pending = match &service.desired {
        Desired::Managed(wanted) => unready(wanted, &done.observed),
        _ => BTreeSet::new(),
    };
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

fn next(service: &ObservedService, done: &Done, context: &Context) -> Next {
    let failures = done.failures.iter().map(after_failure);
    let pending = pending(service, done);
    let fight = restores(service, done).then_some(Delay::LookAgain);
    let delays = failures
        .chain(pending.iter().map(after_waiting))
        .chain(fight);
    match context
        .retry
        .next(&service.view.uid, service.input, service.nodes, delays)
    {
        Some(wait) => Next::requeue(wait),
        None => Next::await_change(),
    }
}
