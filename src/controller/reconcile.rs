//! One Service, in five steps.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use kube::runtime::controller::Action as Next;
use tracing::Instrument;

use super::Context;
use super::apply::apply;
use super::observe::{NotNow, observe_cloud, observe_service};
use super::report::report;
use crate::election::Leadership;
use crate::plan::plan;

/// Reconciles one Service. Never fails towards the runtime: a failure is
/// reported and becomes the time of the next attempt.
///
/// # Errors
/// None.
pub async fn reconcile(service: Arc<Service>, context: Arc<Context>) -> Result<Next, Infallible> {
    let Some(leadership) = context.leadership() else {
        return Ok(Next::await_change());
    };
    let span = tracing::info_span!(
        "reconcile",
        namespace = service.namespace().unwrap_or_default(),
        service = service.name_any(),
        term = %leadership.term(),
    );
    Ok(attempt(service, &leadership, &context)
        .instrument(span)
        .await
        .unwrap_or_else(|not_now| match not_now {
            NotNow::Change => Next::await_change(),
            NotNow::After(delay) => Next::requeue(delay),
        }))
}

/// The five steps.
async fn attempt(
    service: Arc<Service>,
    leadership: &Leadership,
    context: &Context,
) -> Result<Next, NotNow> {
    let started = Instant::now();
    let service = observe_service(service, context)?;
    let seen = tokio::select! {
        seen = observe_cloud(&service, context) => seen?,
        // Reading may be broken off at any time; writing may not.
        () = context.stopping.cancelled() => return Err(NotNow::Change),
    };
    context.metrics.reconcile_started();
    let plan = plan(&service.desired, &seen.observed);
    let done = apply(plan, &service, seen, leadership, context).await;
    Ok(report(&service, done, started, leadership, context).await)
}
