//! The reconcile of one Service, in steps.

use std::sync::Arc;
use std::time::Duration;

use kube::runtime::reflector::ObjectRef;
use tracing::Instrument;

use super::Context;
use super::admit::admit;
use super::apply::apply;
use super::attempt::Skip;
use super::observe::{observe_clouds, observe_service};
use super::pace::pace;
use super::report::{explain_unreadable, explain_wait, report, spans};
use super::workqueue::Work;
use crate::election::Leadership;
use crate::kubernetes::service_object::Service;
use crate::plan::plan;

/// The steps.
///
/// # Errors
/// [`Skip`] if the attempt ends after one of the first three steps.
async fn attempt(
    watched: Arc<Service>,
    work: &Work,
    leadership: &Leadership,
    context: &Context,
) -> Result<Option<Duration>, Skip> {
    let service = observe_service(watched, context)?; // no client
    let admitted = admit(&service, work, context)?; // no client
    let clouds = observe_clouds(&service, admitted, context).await?; // client: clouds
    let plan = plan(&service.desired, &clouds.observed); // pure
    let paced = pace(plan, &service, &context.memory.drift); // no client
    let result = apply(paced, &service, clouds, leadership, context).await; // client: clouds, API server
    Ok(report(&service, result, leadership, context).await) // client: API server
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
        let skip = match attempt(service.clone(), &work, leadership, context).await {
            Ok(Some(delay)) => Skip::For(delay),
            Ok(None) => Skip::UntilChange,
            Err(skip) => skip,
        };
        if let Skip::UntilPlace(need) = &skip
            && work.explains_wait
        {
            explain_wait(service, &need.clouds, leadership, context).await;
        } else if skip == Skip::Unreadable {
            let delay = explain_unreadable(&service, leadership, context).await;
            return delay.map_or(Skip::UntilChange, Skip::For);
        }
        skip
    };
    match span.run(steps).instrument(log_fields).await {
        Skip::UntilChange | Skip::Unreadable => {}
        Skip::For(delay) => work.requeue_after(delay),
        Skip::UntilPlace(need) => work.park(need),
    }
}
