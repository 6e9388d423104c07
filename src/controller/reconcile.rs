//! The reconcile of one Service, in six steps.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use kube::runtime::controller::Action as Next;
use tracing::Instrument;

use super::Context;
use super::apply::apply;
use super::attempt::Skip;
use super::context::uid;
use super::observe::{observe_clouds, observe_service};
use super::pace::pace;
use super::report::{report, spans};
use crate::election::Leadership;
use crate::kubernetes::service_object::Service;
use crate::plan::plan;

/// The six steps.
///
/// # Errors
/// [`Skip`] if the attempt ends after one of the first two steps.
async fn attempt(
    watched: Arc<Service>,
    leadership: &Leadership,
    context: &Context,
) -> Result<Option<Duration>, Skip> {
    let service = observe_service(watched, context)?; // no client
    let clouds = observe_clouds(&service, context).await?; // client: clouds
    let plan = plan(&service.desired, &clouds.observed); // pure
    let paced = pace(plan, &service, &context.memory.drift); // no client
    let result = apply(paced, &service, clouds, leadership, context).await; // client: clouds, API server
    Ok(report(&service, result, leadership, context).await) // client: API server
}

/// Reconciles one Service, with its span, its log fields and the metrics of the
/// queue. Never fails: an error is reported and determines the time of the next
/// attempt, so that kube-runtime's own error policy is not used.
pub async fn reconcile(service: Arc<Service>, context: Arc<Context>) -> Result<Next, Infallible> {
    let Some(uid) = uid(&service) else {
        return Ok(Next::await_change());
    };
    let in_progress = context.memory.workqueue.begin(&uid);
    if let Some(waited) = in_progress.waited {
        context.metrics.workqueue.began(waited);
    }
    let Some(leadership) = context.leadership() else {
        return Ok(Next::await_change());
    };
    let log_fields = tracing::info_span!(
        "reconcile",
        namespace = service.namespace().unwrap_or_default(),
        service = service.name_any(),
        term = %leadership.term(),
    );
    let span = spans::of_attempt(&service, &leadership, &context);
    let attempt = span.run(attempt(service, &leadership, &context));
    let requeue_after = attempt.instrument(log_fields).await;
    match requeue_after.unwrap_or_else(Skip::requeue_after) {
        None => Ok(Next::await_change()),
        Some(delay) => {
            context.enqueued(&uid, delay);
            Ok(Next::requeue(delay))
        }
    }
}
