//! The guard of `/debug`: only clients on a loopback address. `kubectl port-forward` comes
//! from there; other pods do not.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Request};
use axum::middleware::Next;
use axum::response::Response;
use http::StatusCode;

use super::text_response;

/// Rejects clients on other addresses, because the endpoints have no authentication.
pub(super) async fn loopback_only(
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
