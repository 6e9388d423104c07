//! Performs the effects of an [`Execution`], those in different lanes side by side. The
//! execution decides their order and the consequences of a failure; the effects themselves
//! are in [`service`] and [`clouds`].

mod clouds;
mod service;
mod task;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use parking_lot::Mutex;
use tokio::time::timeout;

use super::Context;
use super::attempt::{ApplyResult, ObservedClouds, ObservedService, Repairs};
use super::error::ReconcileError;
use super::memory::own_writes::Part;
use super::pace::PacedPlan;
use super::report::{events, metrics};
use crate::election::Leadership;
use crate::kubernetes::service_object::Service;
use crate::plan::execution::{Certainty, Execution, Lane, Reach};
use crate::plan::{Action, Waiting};
use crate::telemetry::traces;
use task::{End, Task};

/// What one cloud has achieved waits this long for the others before it is published, so
/// that clouds that answer at the same moment need one write. Nobody notices the delay.
const SAME_MOMENT: Duration = Duration::from_millis(10);

/// Performs a plan.
pub async fn apply(
    paced: PacedPlan,
    service: &ObservedService,
    clouds: ObservedClouds,
    leadership: &Leadership,
    context: &Context,
) -> ApplyResult {
    if !paced.is_empty() {
        traces::begin();
    }
    metrics::count_drift_found(&paced.repairs, context);
    events::emit_before_apply(&paced, service, context);
    let PacedPlan { plan, repairs } = paced;
    let ObservedClouds {
        observed,
        errors,
        disowned,
    } = clouds;
    let (execution, waiting) = Execution::new(plan, observed);
    let executor = Executor {
        service,
        leadership,
        context,
        repairs,
        object: Mutex::new(service.object.clone()),
        restored: Mutex::default(),
    };
    let mut progress = Progress {
        execution,
        begun: BTreeSet::new(),
        actions: Vec::new(),
        errors: errors.into_values().map(ReconcileError::from).collect(),
        waiting,
    };
    let mut under_way = FuturesUnordered::new();
    loop {
        let tasks = progress.begin(&executor).into_iter();
        under_way.extend(tasks.map(|task| executor.perform(task)));
        // A publication is worth waiting for those that answer at the same moment.
        let next = if progress.execution.may_publish_early() {
            timeout(SAME_MOMENT, under_way.next()).await
        } else {
            Ok(under_way.next().await)
        };
        match next {
            Ok(Some((lane, end))) => progress.ended(&lane, end, &executor),
            Ok(None) => break,
            Err(_) => progress.execution.publish_early(),
        }
    }
    drop(under_way);
    let Progress {
        execution,
        begun: _,
        actions,
        errors,
        waiting,
    } = progress;
    ApplyResult {
        observed: execution.into_observed(),
        object: executor.object.into_inner(),
        actions,
        errors,
        waiting,
        disowned,
        repairs: executor.repairs,
        restored: executor.restored.into_inner(),
    }
}

/// An execution, and what its effects have shown so far.
struct Progress {
    execution: Execution,
    /// The lanes of the effects that are being performed.
    begun: BTreeSet<Lane>,
    /// As in [`ApplyResult`].
    actions: Vec<Action>,
    errors: Vec<ReconcileError>,
    waiting: BTreeSet<Waiting>,
}

impl Progress {
    /// The effects that nobody performs yet.
    fn begin(&mut self, executor: &Executor<'_>) -> Vec<Task> {
        let effects = self.execution.effects();
        let new = effects.filter(|(lane, _)| !self.begun.contains(lane));
        let tasks: Vec<Task> = new
            .map(|(lane, effect)| Task::new(lane, effect, self, executor))
            .collect();
        self.begun
            .extend(tasks.iter().map(|task| task.lane.clone()));
        tasks
    }

    fn ended(&mut self, lane: &Lane, end: End, executor: &Executor<'_>) {
        self.begun.remove(lane);
        match end {
            End::Action(Ok(outcome)) => {
                let action = self.execution.succeeded(lane, outcome);
                if let Some(action) = &action {
                    metrics::count_repair(action, &executor.repairs, executor.context);
                }
                self.actions.extend(action);
            }
            End::Action(Err(interruption)) => self.interrupted(lane, interruption, executor),
            End::ServiceChecked { is_gone } => self.execution.service_checked(is_gone),
            End::Undone => self.execution.undone(),
        }
    }

    fn interrupted(&mut self, lane: &Lane, interruption: Interruption, executor: &Executor<'_>) {
        let pending_create = match interruption {
            Interruption::Waiting(waiting) => {
                self.waiting.insert(waiting);
                self.execution
                    .failed(lane, Reach::Action, Certainty::NotDone)
            }
            Interruption::Error(error) => {
                let (reach, certainty) = (reach(&error), error.certainty());
                self.errors.push(error);
                self.execution.failed(lane, reach, certainty)
            }
        };
        if let Some(cloud) = pending_create {
            let pending_creates = &executor.context.memory.pending_creates;
            pending_creates.record(&executor.service.view.uid, cloud);
        }
    }
}

/// Performs effects for one Service.
struct Executor<'a> {
    service: &'a ObservedService,
    leadership: &'a Leadership,
    context: &'a Context,
    repairs: Repairs,
    /// The newest known state of the Service, from which every write starts.
    object: Mutex<Arc<Service>>,
    /// As in [`ApplyResult`].
    restored: Mutex<BTreeSet<Part>>,
}

/// The reason for which an action did not succeed.
enum Interruption {
    Error(ReconcileError),
    /// The cloud needs more time; nothing failed.
    Waiting(Waiting),
}

impl<E: Into<ReconcileError>> From<E> for Interruption {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

fn reach(error: &ReconcileError) -> Reach {
    match error {
        ReconcileError::Changed | ReconcileError::NotLeader(_) | ReconcileError::Stopping => {
            Reach::Plan
        }
        ReconcileError::Cloud(_) | ReconcileError::Kubernetes(_) => Reach::Action,
    }
}
