//! Connections of both listeners, the plain and the secure one.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Extension;
use axum::Router;
use axum::extract::ConnectInfo;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::task::{AbortHandle, JoinSet};

/// The longest that a client may take to send the head of a request, the first
/// or the next. Whoever connects and is silent must not keep a connection:
/// those of the secure port are few. Longer than a slow network needs.
const REQUEST_HEAD: Duration = Duration::from_secs(20);

/// Where the head of a request, as far as it has come, is too long: at twice the
/// longest token. Without a bound of ours it would be about 400 KiB for each client.
const BUFFER: usize = 32 * 1024;

/// Most connections at a time. One more ends the oldest: were it left to wait, as
/// many silent clients would keep the kubelet out, and a probe that is not
/// answered ends a healthy leader. A probe is over in milliseconds, so it is the
/// oldest only when hundreds come behind it meanwhile.
const MOST: usize = 256;

/// Serves until it is dropped; connections end with it.
pub(super) async fn serve<L>(mut listener: L, router: Router)
where
    L: Listener<Addr = SocketAddr>,
{
    let mut connections = JoinSet::new();
    let mut by_age: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        tokio::select! {
            (stream, peer) = listener.accept() => {
                let router = router.clone().layer(Extension(ConnectInfo(peer)));
                by_age.retain(|connection| !connection.is_finished());
                if by_age.len() >= MOST && let Some(oldest) = by_age.pop_front() {
                    tracing::debug!(%peer, "the admin server is at its connection limit; the oldest connection is closed");
                    oldest.abort();
                }
                by_age.push_back(connections.spawn(answer(stream, peer, router)));
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
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await;
    if let Err(error) = answered {
        tracing::debug!(%peer, %error, "a connection to the admin server failed");
    }
}
