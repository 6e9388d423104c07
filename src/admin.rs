//! The admin server: probes for the kubelet and metrics for Prometheus over plain HTTP,
//! and the log filter and the plans of Services for clients on a loopback address. [`secure`] serves the metrics
//! with authentication on a separate listener.

mod connections;
mod debug_plan;
mod health;
mod log_filter;
mod loopback;
mod scrape;
pub mod secure;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, RawQuery};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, StatusCode};
use tokio::net::TcpListener;

pub use debug_plan::{PLANS_AT_ONCE, Planner, Plans};
pub use health::{CheckKind, Endpoint, Health};
use health::{Options, ProbeResult};

use crate::telemetry::Metrics;
use crate::telemetry::logs::LogFilter;

/// Serves until it is dropped. Drop it last, so that probes fail until the process
/// exits.
pub async fn serve(listener: TcpListener, router: Router) {
    connections::serve(listener, router).await;
}

/// The routes: `/livez`, `/readyz`, `/healthz`, each with `/NAME` for one check;
/// `/debug/log-filter`; `/debug/plan/NAMESPACE/NAME`; and `/metrics`, if `metrics` is given.
pub fn router(
    health: Arc<Health>,
    metrics: Option<Arc<Metrics>>,
    filter: LogFilter,
    plans: Plans,
) -> Router {
    let mut router = log_filter::route(filter).merge(debug_plan::route(plans));
    for endpoint in Endpoint::ALL {
        let path = format!("/{}", endpoint.as_str());
        let (all, one) = (Arc::clone(&health), Arc::clone(&health));
        router = router
            .route(
                &path,
                get(async move |RawQuery(query): RawQuery| {
                    respond(all.probe(endpoint, &Options::parse(query.as_deref().unwrap_or(""))))
                }),
            )
            .route(
                &format!("{path}/{{check}}"),
                get(
                    async move |Path(name): Path<String>| match one.one(endpoint, &name) {
                        Some(result) => respond(result),
                        None => text_response(StatusCode::NOT_FOUND, "404 page not found\n".into()),
                    },
                ),
            );
    }
    match metrics {
        Some(metrics) => router.merge(scrape::route(health, metrics)),
        None => router,
    }
}

fn respond(result: ProbeResult) -> Response {
    let status = if result.passed {
        StatusCode::OK
    } else {
        StatusCode::INTERNAL_SERVER_ERROR
    };
    text_response(status, result.text)
}

fn text_response(status: StatusCode, text: String) -> Response {
    (status, headers("text/plain; charset=utf-8"), text).into_response()
}

fn headers(content_type: &'static str) -> HeaderMap {
    HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ])
}

#[cfg(test)]
mod tests;
