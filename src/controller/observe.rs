//! Observes the Service and its clouds.

pub mod cloud_query;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::time::timeout;

use super::Context;
use super::admit::{Admitted, WaitsForPlace};
use super::attempt::{ObservedClouds, ObservedService, Skip, SpecHash};
use super::memory::left_calls::Left;
use super::node_choices::with_nodes;
use super::report::events::emit_unclear_switch;
use super::workqueue::{KeptPlaces, Work};
use crate::cloud::CloudError;
use crate::kubernetes::condition::ConditionReason;
use crate::kubernetes::service_object::Service;
use crate::kubernetes::{condition, service};
use crate::plan::naming::{CloudName, ClusterId};
use crate::plan::service::ServiceView;
use crate::plan::{Backends, CloudView, Desired, KnownClouds, Release, Waiting, disposal, plan};
use cloud_query::QueryResult;

/// Reads the Service from the watch and the mutation cache; sends no request.
///
/// # Errors
/// [`Skip`] if there is nothing to do before a change or the end of a delay.
pub fn observe_service(watched: Arc<Service>, context: &Context) -> Result<ObservedService, Skip> {
    let started = Instant::now();
    let (keys, memory) = (&context.metadata_keys, &context.memory);
    let view = service::view(&watched, keys).ok_or(Skip::Unreadable)?;
    let object = memory.mutation_cache.newest(&view.uid, watched.clone());
    let view = if Arc::ptr_eq(&object, &watched) {
        view
    } else {
        service::view(&object, keys).ok_or(Skip::Unreadable)?
    };
    let spec_hash = SpecHash::of(&view);
    let condition = condition::find(&object, keys.condition());
    let desired = asked(
        &view,
        condition.is_some(),
        &context.cluster,
        &context.known_clouds(),
    );
    if let Desired::Unmanaged(reason) = desired {
        tracing::trace!(?reason, "the Service is not managed by this controller");
        emit_unclear_switch(&object, &view, reason, context);
        memory.changes.forget(&view.uid);
        memory.node_choices.forget(&view.uid);
        return Err(Skip::UntilChange);
    }
    let (desired, nodes) = with_nodes(desired, &view, context);
    let version = nodes.as_ref().map_or(0, |nodes| nodes.version);
    if let Some(delay) = delay(&view, spec_hash, version, context) {
        return Err(Skip::For(delay));
    }
    let was_ready = condition.is_some_and(|condition| {
        condition.status == "True" || condition.is_for(ConditionReason::NoEligibleNodes)
    });
    let unmet = memory.unmet(&view.uid, spec_hash);
    let is_edited = memory.drift.is_edited(&view.uid, spec_hash);
    Ok(ObservedService {
        object,
        view,
        desired,
        spec_hash,
        nodes,
        was_ready,
        unmet,
        is_edited,
        started,
    })
}

/// The desired state of a Service, with or without our condition.
pub fn asked(
    view: &ServiceView,
    has_condition: bool,
    cluster: &ClusterId,
    clouds: &KnownClouds,
) -> Desired {
    match clouds.desired(view, cluster) {
        // A Service that was always invalid has our condition and no finalizer; the
        // condition is removed once the Service is not managed any more.
        Desired::Unmanaged(reason) if has_condition && !view.deleting => {
            Desired::Released(Release::Stays(reason), disposal(view, &clouds.clouds))
        }
        desired => desired,
    }
}

/// The time until an attempt may begin.
fn delay(
    view: &ServiceView,
    spec_hash: SpecHash,
    nodes: u64,
    context: &Context,
) -> Option<Duration> {
    let memory = &context.memory;
    // A deletion is the last edit of all.
    let edit = memory.edits.delay(&view.uid, spec_hash);
    let edit = edit.filter(|_| !view.deleting);
    // A cloud that has answered does not wait for the backoff of another.
    if edit.is_none() && memory.left_calls.has_news(&view.uid) {
        return None;
    }
    edit.or_else(|| memory.requeue.remaining(&view.uid, spec_hash, nodes))
}

/// A cloud that takes longer than this does not keep a Service from its other clouds: the
/// attempt goes on without it. A cloud answers most calls within a second, and an attempt that
/// goes on without one costs another attempt when it has answered.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// A query that is under way.
type Query<'a> = BoxFuture<'a, (CloudName, Result<QueryResult, CloudError>)>;

/// Queries of clouds that the attempt goes on without.
#[derive(Default)]
pub struct LeftQueries<'a> {
    pub clouds: BTreeSet<CloudName>,
    queries: FuturesUnordered<Query<'a>>,
    /// The clouds that it does not call at all.
    pub waits: Option<WaitsForPlace>,
}

impl LeftQueries<'_> {
    /// The clouds of which nothing is known yet.
    fn unanswered(&self) -> impl Iterator<Item = (CloudName, QueryResult)> {
        let without_place = self.waits.iter().flat_map(|waits| &waits.clouds);
        let unanswered = self.clouds.iter().chain(without_place);
        unanswered.map(|name| (name.clone(), CloudView::Unanswered.into()))
    }

    /// Waits for the answers, and hands each over to the next attempt.
    pub async fn finish(
        mut self,
        service: &ObservedService,
        places: &KeptPlaces,
        context: &Context,
    ) {
        let answers = async {
            while let Some((cloud, result)) = self.queries.next().await {
                context.call_ended(&service.view, &cloud, result.map(Some));
                places.give_back(&cloud);
            }
        };
        // Reads can be abandoned at any time.
        context.stopping.run_until_cancelled(answers).await;
    }
}

/// Queries the clouds of a Service concurrently, unless the inventories have answered. Goes
/// on without those that take long, if there is something to do at others, or if the Service
/// has changed.
///
/// # Errors
/// [`Skip::UntilChange`] when the process stops, because reads can be abandoned at
/// any time.
pub async fn observe_clouds<'a>(
    service: &'a ObservedService,
    admitted: Admitted<'a>,
    work: &Work,
    context: &'a Context,
) -> Result<(ObservedClouds, LeftQueries<'a>), Skip> {
    let (queries, backends, priority, waits) = match admitted {
        Admitted::Known(clouds) => return Ok((clouds, LeftQueries::default())),
        Admitted::Queries {
            queries,
            backends,
            priority,
            waits,
        } => (queries, backends, priority, waits),
    };
    let mut left = LeftQueries {
        clouds: queries.iter().map(|query| query.name.clone()).collect(),
        queries: FuturesUnordered::new(),
        waits,
    };
    left.queries.extend(queries.into_iter().map(|query| {
        let run = async move {
            let result = query.run(priority, service.tried()).await;
            (query.name, result)
        };
        run.boxed()
    }));
    let mut answers = Vec::new();
    let answered = async {
        loop {
            match timeout(PATIENCE, left.queries.next()).await {
                Ok(Some((name, result))) => {
                    left.clouds.remove(&name);
                    answers.push((name, result));
                }
                Ok(None) => break,
                Err(_) => {
                    let has_work = has_work(service, &backends, &answers, left.unanswered());
                    if !answers.is_empty() && (has_work || work.is_again()) {
                        break;
                    }
                }
            }
        }
    };
    let answered = context.stopping.run_until_cancelled(answered).await;
    answered.ok_or(Skip::UntilChange)?;
    for cloud in &left.clouds {
        context
            .memory
            .left_calls
            .leave(&service.view.uid, cloud, Left::Other);
    }
    let (answers, errors) = or_unreachable(answers);
    let mut clouds = observed(
        service,
        backends.clone(),
        answers.into_iter().chain(left.unanswered()),
    );
    clouds.errors = errors;
    Ok((clouds, left))
}

/// The state that queries have shown, and what earlier attempts know of the clouds.
fn observed(
    service: &ObservedService,
    backends: Backends,
    results: impl IntoIterator<Item = (CloudName, QueryResult)>,
) -> ObservedClouds {
    ObservedClouds::of(&service.view, service.unmet.clone(), backends, results)
}

/// The results of the queries, and the errors of those that failed: the state of such a
/// cloud is unknown.
pub fn or_unreachable<E>(
    results: Vec<(CloudName, Result<QueryResult, E>)>,
) -> (Vec<(CloudName, QueryResult)>, BTreeMap<CloudName, E>) {
    let mut errors = BTreeMap::new();
    let results = results.into_iter().map(|(name, result)| {
        let result = result.unwrap_or_else(|error| {
            errors.insert(name.clone(), error);
            QueryResult::from(CloudView::Unreachable)
        });
        (name, result)
    });
    (results.collect(), errors)
}

/// Whether something can be done, looked at again or reported at the clouds that have
/// answered. Otherwise nothing is gained by going on: the finalizer, for example, can only be
/// removed by an attempt that knows of all clouds.
fn has_work(
    service: &ObservedService,
    backends: &Backends,
    answers: &[(CloudName, Result<QueryResult, CloudError>)],
    unanswered: impl Iterator<Item = (CloudName, QueryResult)>,
) -> bool {
    let views = answers.iter().map(|(name, result)| {
        let view = result.as_ref().map(|result| result.view.clone());
        let view = view.unwrap_or(CloudView::Unreachable);
        (name.clone(), QueryResult::from(view))
    });
    let clouds = observed(service, backends.clone(), views.chain(unanswered));
    let plan = plan(&service.desired, &clouds.observed);
    let is_polled = |waiting: &Waiting| {
        matches!(
            waiting,
            Waiting::Provisioning(_) | Waiting::Deleting(_) | Waiting::StillDeleting(..)
        )
    };
    let has_failed = answers.iter().any(|(_, result)| result.is_err());
    has_failed || !plan.actions.is_empty() || plan.waiting.iter().any(is_polled)
}
