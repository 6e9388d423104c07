//! `/debug/log-filter`: which lines are logged, seen and changed from this
//! machine only. `kubectl port-forward` arrives from there; another pod does not.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;

use super::answer_text;
use crate::telemetry::logs::{FilterError, LogFilter};

/// Most bytes of a filter.
const LIMIT: usize = 4096;

pub(super) fn route(filter: LogFilter) -> Router {
    Router::new()
        .route("/debug/log-filter", get(show).put(set))
        .layer(DefaultBodyLimit::max(LIMIT))
        .layer(middleware::from_fn(only_from_here))
        .with_state(filter)
}

/// Nothing proves who asks, so nobody but this machine is answered.
async fn only_from_here(
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    // A socket of IPv6 may show a peer of IPv4 as ::ffff:127.0.0.1.
    if peer.ip().to_canonical().is_loopback() {
        return next.run(request).await;
    }
    let reason = format!("Forbidden: {} is not a loopback address\n", peer.ip());
    answer_text(StatusCode::FORBIDDEN, reason)
}

async fn show(State(filter): State<LogFilter>) -> Response {
    answer_text(StatusCode::OK, filter.text() + "\n")
}

async fn set(State(filter): State<LogFilter>, wanted: String) -> Response {
    match filter.set(&wanted) {
        Ok(()) => answer_text(StatusCode::OK, filter.text() + "\n"),
        Err(error) => {
            let status = match error {
                FilterError::Empty | FilterError::Directive { .. } => StatusCode::BAD_REQUEST,
                FilterError::Gone(_) => StatusCode::INTERNAL_SERVER_ERROR,
            };
            answer_text(status, format!("{error}\n"))
        }
    }
}
