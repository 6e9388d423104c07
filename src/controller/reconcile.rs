//! The reconcile of one Service, in steps.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join;
use kube::runtime::reflector::ObjectRef;
use tracing::Instrument;

use super::Context;
use super::admit::{WaitsForPlace, admit};
use super::apply::{Executor, announce, apply};
use super::attempt::{ObservedService, Skip};
use super::observe::{observe_clouds, observe_service};
use super::pace::pace;
use super::report::{explain_unreadable, explain_wait, report, spans};
use super::workqueue::{KeptPlaces, Work};
use crate::election::Leadership;
use crate::kubernetes::service_object::Service;
use crate::plan::plan;

/// The steps of an attempt, and the calls that it leaves behind because they take long: the
/// next attempt does not wait for them. Ends when they have ended.
///
/// # Errors
/// [`Skip`] and the work if the attempt ends after one of the first three steps.
async fn steps(
    watched: Arc<Service>,
    work: Work,
    leadership: &Leadership,
    context: &Context,
) -> Result<(), (Skip, Work)> {
    let service = match observe_service(watched, context) {
        Ok(service) => service, // no client
        Err(skip) => return Err((skip, work)),
    };
    let admitted = match admit(&service, &work, context) {
        Ok(admitted) => admitted, // no client
        Err(skip) => return Err((skip, work)),
    };
    let (clouds, mut left) = match observe_clouds(&service, admitted, &work, context).await {
        Ok(observed) => observed, // client: clouds
        Err(skip) => return Err((skip, work)),
    };
    let refused = service.refused(&clouds.observed);
    let service = refused.as_ref().unwrap_or(&service);
    let (left_clouds, waits) = (left.clouds.clone(), left.waits.take());
    // Each is given back when the call has ended.
    let places = KeptPlaces::default();
    let act = async {
        let plan = plan(&service.desired, &clouds.observed); // pure
        let paced = pace(plan, service, &context.memory.drift); // no client
        announce(&paced, service, context); // no client
        let executor = Executor::new(service, leadership, context, paced.repairs);
        let (result, calls) = apply(paced.plan, clouds, &executor).await; // client: clouds, API server
        let delay = report(service, result, leadership, context).await; // client: API server
        let left_calls = &context.memory.left_calls;
        let mut clouds = &left_clouds | &calls.left;
        clouds.retain(|cloud| left_calls.is_under_way(&service.view.uid, cloud));
        work.keep_places(&clouds, &places);
        end(work, next(service, delay, waits, leadership, context).await);
        calls.finish(&places).await; // client: clouds
    };
    join(act, left.finish(service, &places, context)).await;
    Ok(())
}

/// What follows an attempt that ended.
async fn next(
    service: &ObservedService,
    delay: Option<Duration>,
    waits: Option<WaitsForPlace>,
    leadership: &Leadership,
    context: &Context,
) -> Skip {
    if let Some(WaitsForPlace { clouds, .. }) = &waits {
        explain_wait(service.object.clone(), clouds, leadership, context).await;
    }
    match (delay, waits) {
        (Some(delay), _) => Skip::For(delay),
        (None, Some(waits)) => Skip::UntilPlace(waits.need),
        (None, None) => Skip::UntilChange,
    }
}

/// Ends an attempt, and says when the next one follows.
fn end(work: Work, skip: Skip) {
    match skip {
        Skip::UntilChange | Skip::Unreadable => {}
        Skip::For(delay) => work.requeue_after(delay),
        Skip::UntilPlace(need) => work.park(need),
    }
}

/// Reconciles the Service that the queue has admitted, if this replica leads and the
/// Service still exists. Never fails: an error is reported and determines the time of
/// the next attempt.
pub async fn reconcile(work: Work, context: Arc<Context>) {
    let key = work.key();
    let key = ObjectRef::new(&key.name).within(&key.namespace);
    let Some(leadership) = context.leadership() else {
        return;
    };
    if let Some(service) = context.watched.services.get(&key) {
        reconcile_object(service, work, &leadership, &context).await;
    }
}

/// Reconciles a Service in this state, with its span and its log fields.
pub(super) async fn reconcile_object(
    service: Arc<Service>,
    work: Work,
    leadership: &Leadership,
    context: &Arc<Context>,
) {
    let log_fields = tracing::info_span!(
        "reconcile",
        namespace = work.key().namespace,
        service = work.key().name,
        term = %leadership.term(),
    );
    let span = spans::of_attempt(&service, leadership, context);
    let steps = async {
        let ended = steps(service.clone(), work, leadership, context).await;
        let Err((skip, work)) = ended else {
            return;
        };
        if let Skip::UntilPlace(need) = &skip
            && work.explains_wait
        {
            explain_wait(service, &need.clouds, leadership, context).await;
        } else if skip == Skip::Unreadable {
            let delay = explain_unreadable(&service, leadership, context).await;
            return end(work, delay.map_or(Skip::UntilChange, Skip::For));
        }
        end(work, skip);
    };
    span.run(steps).instrument(log_fields).await;
}
