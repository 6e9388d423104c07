//! The admin server: probes for the kubelet and metrics for Prometheus, over
//! plain HTTP. Nothing here changes anything.

mod health;

use std::future::IntoFuture;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, StatusCode};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use health::{Endpoint, Health, Kind};
use health::{Options, Verdict};

use crate::telemetry::{Metrics, MetricsFormat};

/// How long requests may take to end once shutdown has begun.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(5);

/// Serves until `shutdown` is cancelled and the requests under way have ended, or 5 s later.
///
/// # Errors
/// The listener fails for good.
pub async fn serve(
    listener: TcpListener,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let served = axum::serve(listener, router(health, metrics))
        .with_graceful_shutdown(shutdown.clone().cancelled_owned())
        .into_future();
    let too_long = async {
        shutdown.cancelled().await;
        tokio::time::sleep(SHUTDOWN_LIMIT).await;
    };
    tokio::select! {
        result = served => result,
        // A client that neither sends nor closes must not keep the process.
        () = too_long => Ok(()),
    }
}

/// The routes: `/livez`, `/readyz`, `/healthz`, each with `/NAME` for one check, and `/metrics`.
pub fn router(health: Arc<Health>, metrics: Arc<Metrics>) -> Router {
    let mut router = Router::new();
    for endpoint in Endpoint::ALL {
        let path = format!("/{}", endpoint.as_str());
        let (all, one) = (Arc::clone(&health), Arc::clone(&health));
        router = router
            .route(
                &path,
                get(async move |RawQuery(query): RawQuery| {
                    answer(all.probe(endpoint, &Options::parse(query.as_deref().unwrap_or(""))))
                }),
            )
            .route(
                &format!("{path}/{{check}}"),
                get(
                    async move |Path(name): Path<String>| match one.one(endpoint, &name) {
                        Some(verdict) => answer(verdict),
                        None => answer_text(StatusCode::NOT_FOUND, "404 page not found\n".into()),
                    },
                ),
            );
    }
    let scraped = Router::new()
        .route("/metrics", get(scrape))
        .with_state((health, metrics));
    router.merge(scraped)
}

fn answer(verdict: Verdict) -> Response {
    let status = if verdict.passed {
        StatusCode::OK
    } else {
        StatusCode::INTERNAL_SERVER_ERROR
    };
    answer_text(status, verdict.text)
}

fn answer_text(status: StatusCode, text: String) -> Response {
    (status, headers("text/plain; charset=utf-8"), text).into_response()
}

fn headers(content_type: &'static str) -> HeaderMap {
    HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ])
}

async fn scrape(
    State((health, metrics)): State<(Arc<Health>, Arc<Metrics>)>,
    asked: HeaderMap,
) -> Response {
    let accepts = asked.get(ACCEPT).and_then(|value| value.to_str().ok());
    let format = MetricsFormat::preferred(accepts.unwrap_or_default());
    // Gathering reads /proc, which a thread that runs tasks must not wait for.
    let gathered = tokio::task::spawn_blocking(move || {
        health.measure(&metrics);
        metrics.gather(format)
    });
    match gathered.await {
        Ok(text) => (headers(format.content_type()), text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be gathered");
            let text = "internal server error: metrics cannot be gathered\n";
            answer_text(StatusCode::INTERNAL_SERVER_ERROR, text.into())
        }
    }
}

#[cfg(test)]
mod tests;
