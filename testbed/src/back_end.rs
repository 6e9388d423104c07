//! Back ends: what runs on a Node behind its node port.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use axum::Router;
use axum::http::StatusCode;
use tokio::net::{TcpListener, UdpSocket};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cloud::Protocol;

/// A back end that answers with a fixed text, until it is stopped or dropped.
#[derive(Debug)]
pub struct BackEnd {
    address: SocketAddr,
    answered: Arc<AtomicU64>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl BackEnd {
    /// Starts a back end on this address and port (0 for any free one). Over
    /// TCP it answers any HTTP/1.1 request with 200 and `text` and a newline,
    /// over UDP any datagram with `text`.
    ///
    /// # Errors
    /// The port is taken.
    pub async fn start(
        ip: IpAddr,
        port: u16,
        protocol: Protocol,
        text: impl Into<String>,
    ) -> anyhow::Result<Self> {
        let wanted = SocketAddr::new(ip, port);
        Self::answering(wanted, protocol, StatusCode::OK, text.into()).await
    }

    /// Starts a back end that answers any HTTP/1.1 request with 503, as kube-proxy does at
    /// the health check port of a Node without an endpoint.
    ///
    /// # Errors
    /// The port is taken.
    pub async fn start_refusing(
        ip: IpAddr,
        port: u16,
        text: impl Into<String>,
    ) -> anyhow::Result<Self> {
        let (wanted, status) = (SocketAddr::new(ip, port), StatusCode::SERVICE_UNAVAILABLE);
        Self::answering(wanted, Protocol::Tcp, status, text.into()).await
    }

    async fn answering(
        wanted: SocketAddr,
        protocol: Protocol,
        status: StatusCode,
        text: String,
    ) -> anyhow::Result<Self> {
        let answered = Arc::new(AtomicU64::new(0));
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let what = || format!("a back end on {wanted} ({protocol:?})");
        let address = match protocol {
            Protocol::Tcp => {
                let listener = TcpListener::bind(wanted).await.with_context(what)?;
                let address = listener.local_addr().with_context(what)?;
                let serving = serve_http(listener, (status, text), answered.clone(), stop.clone());
                tasks.spawn(serving);
                address
            }
            Protocol::Udp => {
                let socket = UdpSocket::bind(wanted).await.with_context(what)?;
                let address = socket.local_addr().with_context(what)?;
                let serving = serve_datagrams(socket, text, answered.clone());
                tasks.spawn(stop.clone().run_until_cancelled_owned(serving));
                address
            }
            Protocol::Sctp => anyhow::bail!("no back end over SCTP: few kernels have it"),
        };
        Ok(Self {
            address,
            answered,
            stop,
            tasks,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many requests or datagrams it has answered.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Stops it and waits until its port is free. Idle connections are closed.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for BackEnd {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn serve_http(
    listener: TcpListener,
    (status, text): (StatusCode, String),
    answered: Arc<AtomicU64>,
    stop: CancellationToken,
) -> io::Result<()> {
    let body = text + "\n";
    let router = Router::new().fallback(async move || {
        answered.fetch_add(1, Ordering::Relaxed);
        (status, body.clone())
    });
    axum::serve(listener, router)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

async fn serve_datagrams(socket: UdpSocket, text: String, answered: Arc<AtomicU64>) {
    let mut datagram = vec![0; 65_535];
    loop {
        // An error is an ICMP message about a client that went away.
        if let Ok((_, client)) = socket.recv_from(&mut datagram).await
            && socket.send_to(text.as_bytes(), client).await.is_ok()
        {
            answered.fetch_add(1, Ordering::Relaxed);
        }
    }
}
