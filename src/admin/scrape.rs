//! The endpoint `/metrics`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::ACCEPT;
use http::{HeaderMap, StatusCode};

use super::{Health, headers, text_response};
use crate::telemetry::{Metrics, MetricsFormat};

pub(super) fn route(health: Arc<Health>, metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route("/metrics", get(scrape))
        .with_state((health, metrics))
}

async fn scrape(
    State((health, metrics)): State<(Arc<Health>, Arc<Metrics>)>,
    request: HeaderMap,
) -> Response {
    let accepts = request.get(ACCEPT).and_then(|value| value.to_str().ok());
    let format = MetricsFormat::preferred(accepts.unwrap_or_default());
    // Gathering reads /proc, which would block a thread that runs tasks.
    let gathered = tokio::task::spawn_blocking(move || {
        health.measure(&metrics);
        metrics.gather(format)
    });
    match gathered.await {
        Ok(text) => (headers(format.content_type()), text).into_response(),
        Err(error) => {
            tracing::error!(%error, "cannot gather the metrics");
            let text = "internal server error: cannot gather the metrics\n";
            text_response(StatusCode::INTERNAL_SERVER_ERROR, text.into())
        }
    }
}
