//! Performs the effects of an [`Execution`], those in different lanes side by side. The
//! execution decides their order and the consequences of a failure; the effects themselves
//! are in [`service`] and [`clouds`].

mod clouds;
mod service;
mod task;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use parking_lot::Mutex;
use tokio::time::{sleep, timeout};

use super::Context;
use super::attempt::{ApplyResult, ObservedClouds, ObservedService, Repairs};
use super::error::ReconcileError;
use super::memory::left_calls::Left;
use super::memory::own_writes::Part;
use super::observe::PATIENCE;
use super::pace::PacedPlan;
use super::report::{events, metrics, report_outdated};
use super::workqueue::KeptPlaces;
use crate::election::Leadership;
use crate::kubernetes::service_object::Service;
use crate::plan::execution::{Certainty, Effect, Execution, Lane, Reach};
use crate::plan::kept::Kept;
use crate::plan::naming::CloudName;
use crate::plan::{Action, Observed, Plan, Waiting};
use crate::telemetry::traces;
use task::{End, Task};

/// What one cloud has achieved waits this long for the others before it is published, so
/// that clouds that answer at the same moment need one write. Nobody notices the delay.
const SAME_MOMENT: Duration = Duration::from_millis(10);

/// Performs effects for one Service.
pub struct Executor<'a> {
    service: &'a ObservedService,
    leadership: &'a Leadership,
    context: &'a Context,
    repairs: Repairs,
    /// The newest known state of the Service, from which every write starts.
    object: Mutex<Arc<Service>>,
    /// As in [`ApplyResult`].
    restored: Mutex<BTreeSet<Part>>,
}

/// A plan that is being performed.
pub struct Performance<'e> {
    executor: &'e Executor<'e>,
    progress: Progress,
    under_way: FuturesUnordered<BoxFuture<'e, (Lane, End)>>,
    /// The clouds whose calls it leaves behind.
    pub left: BTreeSet<CloudName>,
    has_left_updates: bool,
}

impl<'a> Executor<'a> {
    pub fn new(
        service: &'a ObservedService,
        leadership: &'a Leadership,
        context: &'a Context,
        repairs: Repairs,
    ) -> Self {
        Self {
            service,
            leadership,
            context,
            repairs,
            object: Mutex::new(service.object.clone()),
            restored: Mutex::default(),
        }
    }
}

/// The time until the next attempt after a call that was left behind has shown that its cloud
/// is still at work: such a cloud is slow, and is not asked all the time.
const REST: Duration = Duration::from_secs(5);

/// Announces a plan in metrics, traces and Events.
pub fn announce(paced: &PacedPlan, service: &ObservedService, context: &Context) {
    if !paced.is_empty() {
        traces::begin();
    }
    metrics::count_drift_found(&paced.repairs, context);
    events::emit_before_apply(paced, service, context);
}

/// Performs a plan, up to the calls that take so long that they are left behind, if the
/// Service has other clouds. [`Performance::finish`] ends these.
pub async fn apply<'e>(
    plan: Plan,
    clouds: ObservedClouds,
    executor: &'e Executor<'e>,
) -> (ApplyResult, Performance<'e>) {
    let ObservedClouds {
        observed,
        errors,
        disowned,
        outdated,
    } = clouds;
    let Executor {
        service, context, ..
    } = executor;
    for failure in outdated {
        report_outdated(service, failure, context);
    }
    let resting = |observed: &Observed| {
        let backoff = &context.memory.cloud_backoff;
        backoff.failures(&service.view.uid, service.spec_hash, observed)
    };
    let resting_now = resting(&observed);
    let (execution, waiting) = Execution::new(plan, observed);
    let mut performance = Performance {
        executor,
        progress: Progress {
            execution,
            begun: BTreeSet::new(),
            actions: Vec::new(),
            errors: errors.into_values().map(ReconcileError::from).collect(),
            resting: resting_now,
            waiting,
        },
        under_way: FuturesUnordered::new(),
        left: BTreeSet::new(),
        has_left_updates: false,
    };
    performance.run().await;
    let Progress {
        execution,
        begun: _,
        actions,
        errors,
        resting: _,
        waiting,
    } = &mut performance.progress;
    let observed = execution.observed().without_answers_of(&performance.left);
    let result = ApplyResult {
        object: executor.object.lock().clone(),
        actions: std::mem::take(actions),
        errors: std::mem::take(errors),
        resting: resting(&observed),
        observed,
        waiting: std::mem::take(waiting),
        disowned,
        repairs: executor.repairs.clone(),
        restored: std::mem::take(&mut executor.restored.lock()),
        left_updates: performance.has_left_updates,
    };
    (result, performance)
}

async fn rest(lane: Lane, context: &Context) -> (Lane, End) {
    let rest = sleep(REST);
    context.stopping.run_until_cancelled(rest).await;
    (lane, End::Rested)
}

impl Performance<'_> {
    /// Performs effects until none is left, or only some that take long.
    async fn run(&mut self) {
        loop {
            self.begin();
            let publishes_early = self.progress.execution.may_publish_early();
            let wait = match (publishes_early, self.may_leave()) {
                (true, _) => Some(SAME_MOMENT),
                (false, true) => Some(PATIENCE),
                (false, false) => None,
            };
            let next = self.under_way.next();
            let next = match wait {
                Some(wait) => timeout(wait, next).await,
                None => Ok(next.await),
            };
            match next {
                Ok(Some((lane, end))) => self.progress.ended(&lane, end, self.executor),
                Ok(None) => return,
                Err(_) if publishes_early => self.progress.execution.publish_early(),
                Err(_) => return self.leave(),
            }
        }
    }

    fn begin(&mut self) {
        let executor = self.executor;
        let tasks = self.progress.begin(executor).into_iter();
        let tasks = tasks.map(|task| executor.perform(task).boxed());
        self.under_way.extend(tasks);
    }

    /// Whether the Service has other clouds, which must not wait for those under way.
    fn may_leave(&self) -> bool {
        let execution = &self.progress.execution;
        execution.awaits_only_clouds()
            && execution.observed().clouds.len() > 1
            && !self.executor.context.stopping.is_cancelled()
    }

    fn leave(&mut self) {
        let Executor {
            service, context, ..
        } = self.executor;
        self.left = self.progress.execution.leave();
        for cloud in &self.left {
            let is_update = self.progress.is_update(&Lane::Cloud(cloud.clone()));
            self.has_left_updates |= is_update;
            let what = match is_update {
                true => Left::Update(service.tried()),
                false => Left::Other,
            };
            context
                .memory
                .left_calls
                .leave(&service.view.uid, cloud, what);
            let waiting = Waiting::Unanswered(cloud.clone());
            self.progress.waiting.insert(waiting);
        }
    }

    /// Waits for the calls that were left behind, and hands over to the next attempt what
    /// each has shown.
    pub async fn finish(mut self, places: &KeptPlaces) {
        let Executor {
            service, context, ..
        } = self.executor;
        loop {
            self.begin();
            let Some((lane, end)) = self.under_way.next().await else {
                return;
            };
            self.progress.ended(&lane, end, self.executor);
            let actions = std::mem::take(&mut self.progress.actions);
            let observed = self.progress.execution.observed();
            events::emit_ended(service, &actions, observed, context);
            let Lane::Cloud(cloud) = &lane else {
                continue;
            };
            let unmet = &self.progress.execution.observed().unmet;
            context.memory.learn_unmet(&service.view.uid, cloud, unmet);
            if !std::mem::take(&mut self.progress.waiting).is_empty() {
                self.under_way.push(rest(lane, context).boxed());
            } else if self.progress.execution.effect(&lane).is_none() {
                let errors = self.progress.errors.drain(..);
                let error = errors.filter_map(ReconcileError::into_cloud).next();
                context.call_ended(&service.view, cloud, error.map_or(Ok(None), Err));
                places.give_back(cloud);
            }
        }
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
    resting: Vec<Arc<ReconcileError>>,
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
                self.remember_repair(lane, executor);
                let action = self.execution.succeeded(lane, outcome);
                if let Some(action) = &action {
                    metrics::count_repair(action, &executor.repairs, executor.context);
                }
                self.actions.extend(action);
            }
            End::Action(Err(interruption)) => self.interrupted(lane, interruption, executor),
            End::ServiceChecked { is_gone } => self.execution.service_checked(is_gone),
            End::Undone => self.execution.undone(),
            End::Rested => {}
        }
    }

    fn is_update(&self, lane: &Lane) -> bool {
        let effect = self.execution.effect(lane);
        matches!(effect, Some(Effect::Apply(Action::Update { .. })))
    }

    /// Remembers what the update under way in a lane has repaired.
    fn remember_repair(&self, lane: &Lane, executor: &Executor<'_>) {
        let observed = self.execution.observed();
        let Some(Effect::Apply(Action::Update { cloud, request, .. })) =
            self.execution.effect(lane)
        else {
            return;
        };
        let found = observed.load_balancer(cloud);
        let found = found.filter(|_| executor.repairs.contains_key(cloud));
        let read = found.map(|found| observed.as_requested(cloud, found));
        let difference = read.and_then(|read| Kept::before_update(&request.spec, &read));
        if let Some(difference) = difference {
            let (service, memory) = (executor.service, &executor.context.memory);
            let (uid, spec_hash) = (&service.view.uid, service.spec_hash);
            memory.repairs.record(uid, spec_hash, cloud, difference);
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
