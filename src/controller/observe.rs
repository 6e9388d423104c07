//! Observes the Service and its clouds.

pub mod cloud_query;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;

use super::Context;
use super::admit::Admitted;
use super::attempt::{ObservedClouds, ObservedService, Skip, SpecHash};
use super::report::events::emit_unclear_switch;
use crate::kubernetes::condition::ConditionReason;
use crate::kubernetes::service_object::Service;
use crate::kubernetes::{condition, service};
use crate::plan::service::ServiceView;
use crate::plan::{CloudView, Desired, Release};
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
    let nodes = context.watched.nodes.borrow().clone();
    let condition = condition::find(&object, keys.condition());
    let mut desired = context.desired(&view);
    if let Desired::Unmanaged(reason) = desired {
        // A Service that was always invalid has our condition and no finalizer; the
        // condition is removed once the Service is not managed any more.
        if view.deleting || condition.is_none() {
            tracing::trace!(?reason, "the Service is not managed by this controller");
            emit_unclear_switch(&object, &view, reason, context);
            memory.changes.forget(&view.uid);
            return Err(Skip::UntilChange);
        }
        desired = Desired::Released(Release::Stays(reason));
    }
    let version = nodes.as_ref().map_or(0, |nodes| nodes.version);
    if let Some(delay) = delay(&view, spec_hash, version, context) {
        return Err(Skip::For(delay));
    }
    let no_nodes = <&str>::from(ConditionReason::NoEligibleNodes);
    let was_ready = condition
        .is_some_and(|condition| condition.status == "True" || condition.reason == no_nodes);
    let kept = memory.kept.get(&view.uid).unwrap_or_default();
    let is_edited = memory.drift.is_edited(&view.uid, spec_hash);
    Ok(ObservedService {
        object,
        view,
        desired,
        spec_hash,
        nodes,
        was_ready,
        kept,
        is_edited,
        started,
    })
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
    edit.or_else(|| memory.requeue.remaining(&view.uid, spec_hash, nodes))
}

/// Queries the clouds of a Service concurrently, unless the inventories have answered.
///
/// # Errors
/// [`Skip::UntilChange`] when the process stops, because reads can be abandoned at
/// any time.
pub async fn observe_clouds(
    service: &ObservedService,
    admitted: Admitted<'_>,
    context: &Context,
) -> Result<ObservedClouds, Skip> {
    let (queries, backends, priority) = match admitted {
        Admitted::Known(clouds) => return Ok(clouds),
        Admitted::Queries {
            queries,
            backends,
            priority,
        } => (queries, backends, priority),
    };
    let queries = queries.into_iter().map(|query| async move {
        let result = query.run(priority).await;
        (query.name, result)
    });
    let results = context.stopping.run_until_cancelled(join_all(queries));
    let results = results.await.ok_or(Skip::UntilChange)?;
    let mut errors = BTreeMap::new();
    let results = results.into_iter().map(|(name, result)| {
        let result = result.unwrap_or_else(|error| {
            errors.insert(name.clone(), error);
            QueryResult::from(CloudView::Unreachable)
        });
        (name, result)
    });
    let mut clouds = ObservedClouds::of(service, backends, results);
    clouds.errors = errors;
    Ok(clouds)
}
