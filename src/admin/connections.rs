//! Connections of both listeners, the plain and the secure one.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Extension;
use axum::Router;
use axum::extract::ConnectInfo;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::task::JoinSet;

/// The longest that a client may take to send the head of a request, the first
/// or the next. Whoever connects and is silent must not keep a connection:
/// those of the secure port are few. Longer than a slow network needs.
const REQUEST_HEAD: Duration = Duration::from_secs(20);

/// Serves until it is dropped; connections end with it.
pub(super) async fn serve<L>(mut listener: L, router: Router)
where
    L: Listener<Addr = SocketAddr>,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            (stream, peer) = listener.accept() => {
                let router = router.clone().layer(Extension(ConnectInfo(peer)));
                connections.spawn(answer(stream, peer, router));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn answer<S>(stream: S, peer: SocketAddr, router: Router)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    // axum's own `serve` sets no timer, and without one there is no time limit.
    let answered = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await;
    if let Err(error) = answered {
        tracing::debug!(%peer, %error, "a client of the admin server went wrong");
    }
}
