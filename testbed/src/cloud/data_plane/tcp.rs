//! Forwards TCP connections.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::health;
use super::pool::{OpenConnection, Pool};
use super::proxy_header;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// Takes the port.
pub(super) fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Otherwise closed connections hold the port for a minute.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts until `closed`; a connection lasts until its ends or `cut`.
pub(super) async fn serve(
    listener: TcpListener,
    pool: Arc<Pool>,
    closed: CancellationToken,
    cut: CancellationToken,
    connections: TaskTracker,
) {
    loop {
        let accepted = tokio::select! {
            () = closed.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((client, from)) => {
                let forwarded = forward(client, from, pool.clone());
                connections.spawn(cut.clone().run_until_cancelled_owned(forwarded));
            }
            Err(error) => {
                // Out of file descriptors, most likely: others may close some.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
}

async fn forward(mut client: TcpStream, from: SocketAddr, pool: Arc<Pool>) {
    if !pool.lets_in(from.ip()) {
        return;
    }
    if let Some((mut backend, _open)) = connect(from, &pool).await {
        // Either side may go away at any time, which is not an error.
        let _ = client.set_nodelay(true);
        let _ = backend.set_nodelay(true);
        let Ok(to) = client.local_addr() else {
            return;
        };
        let header = proxy_header::of(pool.proxy_protocol(), from, to);
        if backend.write_all(&header).await.is_err() {
            return;
        }
        let _ = copy_bidirectional(&mut client, &mut backend).await;
    }
}

/// Connects to the first candidate that accepts.
async fn connect(from: SocketAddr, pool: &Pool) -> Option<(TcpStream, OpenConnection)> {
    for backend in pool.candidates(from.ip()) {
        let open = backend.connection();
        let connecting = TcpStream::connect(backend.address);
        match tokio::time::timeout(health::TIMEOUT, connecting).await {
            Ok(Ok(stream)) => {
                pool.chosen(from.ip(), backend.address);
                return Some((stream, open));
            }
            Ok(Err(_)) | Err(_) => backend.failed(),
        }
    }
    None
}
