//! One Service, in five steps.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use kube::runtime::controller::Action as Next;
use tracing::Instrument;

use super::Context;
use super::apply::apply;
use super::observe::{ObservedService, Skip, observe_clouds, observe_service};
use super::report::report;
use super::trace;
use crate::election::Leadership;
use crate::plan::naming::ServiceKey;
use crate::plan::plan;
use crate::telemetry::traces;

/// Reconciles one Service. Never fails towards the runtime: a failure is
/// reported and becomes the time of the next attempt.
///
/// # Errors
/// None.
pub async fn reconcile(service: Arc<Service>, context: Arc<Context>) -> Result<Next, Infallible> {
    let key = key(&service);
    let _work = context.metrics.queue.begin(key.clone());
    let Some(leadership) = context.leadership() else {
        return Ok(Next::await_change());
    };
    let span = tracing::info_span!(
        "reconcile",
        namespace = key.namespace,
        service = key.name,
        term = %leadership.term(),
    );
    let attempt = attempt(service, &leadership, &context).instrument(span);
    let again = attempt.await.unwrap_or_else(|not_now| match not_now {
        Skip::UntilChange => None,
        Skip::For(delay) => Some(delay),
    });
    let Some(delay) = again else {
        return Ok(Next::await_change());
    };
    context.metrics.queue.add_after(key, delay);
    Ok(Next::requeue(delay))
}

/// Namespace and name; empty for an object that no API server serves.
pub fn key(service: &Service) -> ServiceKey {
    ServiceKey {
        namespace: service.namespace().unwrap_or_default(),
        name: service.name_any(),
    }
}

/// The first step; most attempts end with it, or find nothing to do after it.
async fn attempt(
    service: Arc<Service>,
    leadership: &Leadership,
    context: &Context,
) -> Result<Option<Duration>, Skip> {
    let service = observe_service(service, context)?;
    let work = trace::attempt(&service, leadership, context);
    work.run(steps(&service, leadership, context)).await
}

/// The other four.
async fn steps(
    service: &ObservedService,
    leadership: &Leadership,
    context: &Context,
) -> Result<Option<Duration>, Skip> {
    let started = Instant::now();
    let seen = tokio::select! {
        seen = observe_clouds(service, context) => seen?,
        // Reading may be broken off at any time; writing may not.
        () = context.stopping.cancelled() => return Err(Skip::UntilChange),
    };
    context.metrics.reconcile.started();
    let plan = plan(&service.desired, &seen.observed);
    if !plan.actions.is_empty() {
        traces::begin();
    }
    let done = apply(plan, service, seen, leadership, context).await;
    Ok(report(service, done, started, leadership, context).await)
}
