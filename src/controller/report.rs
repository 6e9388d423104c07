//! Step five: says what was done and what was not, and decides the next attempt.
//! Never fails the reconcile.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use kube::runtime::controller::Action as Next;

use super::Context;
use super::apply::Done;
use super::failure::Failure;
use super::observe::ObservedService;
use super::readiness::readiness;
use super::retry::{Input, after_failure, after_waiting};
use crate::election::Leadership;
use crate::kubernetes::condition;
use crate::kubernetes::condition::{Readiness, Reason};
use crate::kubernetes::events::EventReason;
use crate::kubernetes::service_writer::Change;
use crate::plan::annotation::{self, UnknownAnnotation};
use crate::plan::naming::ServiceUid;
use crate::plan::{Action, Desired, Plan, Urgency, Waiting, unready};
use crate::telemetry::ReconcileResult;

/// Which mistakes have been spoken of, for which state of a Service.
#[derive(Default)]
pub struct Said(Mutex<HashMap<ServiceUid, Input>>);

impl Said {
    /// Whether this is the first time for this state.
    fn is_first(&self, uid: &ServiceUid, input: Input) -> bool {
        self.lock().insert(uid.clone(), input) != Some(input)
    }

    /// Drops what is remembered of a Service.
    pub fn forget(&self, uid: &ServiceUid) {
        self.lock().remove(uid);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ServiceUid, Input>> {
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
    let is_news = readiness
        .as_ref()
        .is_some_and(|now| before.is_none_or(|before| !now.is_said_by(before)));
    say_what_was_done(service, &done, context);
    if let Some(readiness) = readiness.as_ref().filter(|_| is_news) {
        say_news(service, readiness, context);
    }
    say_mistakes(service, &done, context);
    measure(service, &done, readiness.as_ref(), started, context);
    if let Some(readiness) = &readiness {
        let written = write_condition(service, &done, readiness, leadership, context).await;
        done.failures.extend(written.err());
    }
    next(service, &done, context)
}

fn log(done: &Done) {
    for action in &done.actions {
        tracing::info!(?action, "done");
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
fn say_mistakes(service: &ObservedService, done: &Done, context: &Context) {
    let unknown = match &service.desired {
        // A misspelt annotation may be what makes the Service invalid.
        Desired::Managed(_) | Desired::Invalid(_) => {
            annotation::unknown(service.view.annotations.keys())
        }
        Desired::Unmanaged(_) | Desired::Released(_) => Vec::new(),
    };
    if (unknown.is_empty() && done.disowned.is_empty())
        || !context.said.is_first(&service.view.uid, service.input)
    {
        return;
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
    let delays = failures.chain(pending.iter().map(after_waiting));
    match context.retry.next(&service.view.uid, service.input, delays) {
        Some(wait) => Next::requeue(wait),
        None => Next::await_change(),
    }
}
