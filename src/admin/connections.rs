//! The connections of both listeners, the plain and the secure listener.

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

/// Time limit for the head of each request. A silent client must not keep its
/// connection, because the secure listener has few. A slow network needs less.
const REQUEST_HEAD: Duration = Duration::from_secs(20);

/// Maximum size of the head of a request: twice the longest token. The default of
/// hyper is about 400 KiB for each client.
const BUFFER: usize = 32 * 1024;

/// Maximum number of open connections. At the limit the oldest is closed; otherwise
/// 256 idle clients could starve the probes of the kubelet and get a healthy leader
/// restarted. A probe takes milliseconds, so it is the oldest connection only if
/// hundreds of connections come after it in that time.
const MAX_CONNECTIONS: usize = 256;

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
                if by_age.len() >= MAX_CONNECTIONS && let Some(oldest) = by_age.pop_front() {
                    tracing::debug!(%peer, "the admin server is at its connection limit; the oldest connection is closed");
                    oldest.abort();
                }
                by_age.push_back(connections.spawn(serve_one(stream, peer, router)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve_one<S>(stream: S, peer: SocketAddr, router: Router)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    // `serve` of axum sets no timer, and without a timer there is no time limit.
    let result = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_HEAD)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await;
    if let Err(error) = result {
        tracing::debug!(%peer, %error, "a connection to the admin server failed");
    }
}
