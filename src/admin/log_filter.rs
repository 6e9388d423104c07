//! `/debug/log-filter`: shows and replaces the filter of log lines, for clients on a
//! loopback address only. `kubectl port-forward` comes from there; other pods do not.

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::middleware;
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;

use super::loopback::loopback_only;
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
