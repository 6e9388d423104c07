//! Accepts connections and performs their TLS handshakes.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::task::AbortOnDropHandle;

use super::certificate::Certificate;

/// Maximum number of connections, from before the handshake to the end of each. More
/// clients wait in the queue of the system, so that idle clients cost no more than this.
const MAX_CONNECTIONS: usize = 64;
/// Time limit for a handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Yields connections in the order in which their handshakes end, so that a slow
/// handshake does not delay the others.
pub(super) struct TlsListener {
    address: SocketAddr,
    ready: mpsc::Receiver<(Connection, SocketAddr)>,
    _accepting: AbortOnDropHandle<()>,
}

impl TlsListener {
    /// Starts to accept connections.
    ///
    /// # Errors
    /// The listener has no address.
    pub(super) fn new(listener: TcpListener, certificate: Certificate) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (sender, ready) = mpsc::channel(1);
        let accepting = tokio::spawn(accept(listener, certificate, sender));
        Ok(Self {
            address,
            ready,
            _accepting: AbortOnDropHandle::new(accepting),
        })
    }
}

/// A connection, with its slot.
pub(super) struct Connection {
    stream: TlsStream<TcpStream>,
    _slot: OwnedSemaphorePermit,
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Listener for TlsListener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            // The sender is dropped only when the process exits.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

async fn accept(
    mut listener: TcpListener,
    certificate: Certificate,
    ready: mpsc::Sender<(Connection, SocketAddr)>,
) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    // The semaphore is never closed.
    while let Ok(slot) = slots.clone().acquire_owned().await {
        let (stream, peer) = Listener::accept(&mut listener).await;
        let acceptor = TlsAcceptor::from(certificate.current());
        let ready = ready.clone();
        tokio::spawn(async move {
            match timeout(HANDSHAKE, acceptor.accept(stream)).await {
                // The send fails only when the process exits.
                Ok(Ok(stream)) => {
                    let connection = Connection {
                        stream,
                        _slot: slot,
                    };
                    drop(ready.send((connection, peer)).await);
                }
                Ok(Err(error)) => {
                    tracing::debug!(%peer, %error, "the TLS handshake with a metrics client failed")
                }
                Err(_) => {
                    tracing::debug!(%peer, "a metrics client did not complete the TLS handshake within {HANDSHAKE:?}")
                }
            }
        });
    }
}
