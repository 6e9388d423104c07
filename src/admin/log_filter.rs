//! `/debug/log-filter`: shows and replaces the filter of log lines, for clients on a
//! loopback address only. `kubectl port-forward` comes from there; other pods do not.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;

use super::text_response;
use crate::telemetry::logs::{FilterError, LogFilter};

/// Maximum size of a filter in bytes.
const MAX_SIZE: usize = 4096;

pub(super) fn route(filter: LogFilter) -> Router {
    Router::new()
        .route("/debug/log-filter", get(show).put(set))
        .layer(DefaultBodyLimit::max(MAX_SIZE))
        .layer(middleware::from_fn(loopback_only))
        .with_state(filter)
}

/// Rejects clients on other addresses, because the endpoint has no authentication.
async fn loopback_only(
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    // An IPv6 socket may show an IPv4 peer as ::ffff:127.0.0.1.
    if peer.ip().to_canonical().is_loopback() {
        return next.run(request).await;
    }
    let reason = format!("Forbidden: {} is not a loopback address\n", peer.ip());
    text_response(StatusCode::FORBIDDEN, reason)
}

async fn show(State(filter): State<LogFilter>) -> Response {
    text_response(StatusCode::OK, filter.text() + "\n")
}

async fn set(State(filter): State<LogFilter>, requested: String) -> Response {
    match filter.set(&requested) {
        Ok(()) => text_response(StatusCode::OK, filter.text() + "\n"),
        Err(error) => {
            let status = match error {
                FilterError::Empty | FilterError::Directive { .. } => StatusCode::BAD_REQUEST,
                FilterError::Gone(_) => StatusCode::INTERNAL_SERVER_ERROR,
            };
            text_response(status, format!("{error}\n"))
        }
    }
}
