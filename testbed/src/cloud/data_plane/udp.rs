//! Forwards UDP datagrams. A client's address and port is a flow: it keeps its
//! back end until it is idle, or the back end goes.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::pool::{Backend, OpenConnection, Pool};

/// A flow without a datagram for so long is forgotten.
const IDLE: Duration = Duration::from_secs(30);
/// The largest datagram.
const DATAGRAM: usize = 65_535;

/// Takes the port.
pub(super) fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = std::net::UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

struct Flow {
    backend: Arc<Backend>,
    socket: Arc<UdpSocket>,
    last: Instant,
    _open: OpenConnection,
    /// The task that carries answers back.
    answers: AbortHandle,
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.answers.abort();
    }
}

/// Forwards until `closed`.
pub(super) async fn serve(socket: UdpSocket, pool: Arc<Pool>, closed: CancellationToken) {
    let socket = Arc::new(socket);
    let mut flows: HashMap<SocketAddr, Flow> = HashMap::new();
    let mut tasks = JoinSet::new();
    let mut datagram = vec![0; DATAGRAM];
    let mut tidy = tokio::time::interval(IDLE / 4);
    loop {
        tokio::select! {
            () = closed.cancelled() => break,
            Some(_) = tasks.join_next() => {}
            _ = tidy.tick() => flows.retain(|_, flow| flow.last.elapsed() < IDLE),
            received = socket.recv_from(&mut datagram) => {
                // An error is an ICMP message about a client that went away.
                let Ok((length, client)) = received else { continue };
                if pool.lets_in(client.ip()) {
                    pass_on(&datagram[..length], client, &socket, &pool, &mut flows, &mut tasks).await;
                }
            }
        }
    }
    // They hold the socket too: the port is free only after them.
    tasks.shutdown().await;
}

/// Sends a datagram to the client's back end, or to the next that takes it.
async fn pass_on(
    datagram: &[u8],
    client: SocketAddr,
    socket: &Arc<UdpSocket>,
    pool: &Arc<Pool>,
    flows: &mut HashMap<SocketAddr, Flow>,
    tasks: &mut JoinSet<()>,
) {
    if let Some(flow) = flows.get_mut(&client) {
        let serves = pool.has(flow.backend.address) && flow.backend.is_healthy();
        if serves && flow.socket.send(datagram).await.is_ok() {
            flow.last = Instant::now();
            return;
        }
        flows.remove(&client);
    }
    for backend in pool.candidates(client.ip()) {
        let Ok(flow) = open(backend, client, socket, tasks).await else {
            continue;
        };
        if flow.socket.send(datagram).await.is_ok() {
            pool.chosen(client.ip(), flow.backend.address);
            flows.insert(client, flow);
            return;
        }
        flow.backend.failed();
    }
}

async fn open(
    backend: Arc<Backend>,
    client: SocketAddr,
    listener: &Arc<UdpSocket>,
    tasks: &mut JoinSet<()>,
) -> io::Result<Flow> {
    let any = match backend.address {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = Arc::new(UdpSocket::bind((any, 0)).await?);
    socket.connect(backend.address).await?;
    let answers = carry_back(socket.clone(), backend.clone(), client, listener.clone());
    Ok(Flow {
        _open: backend.connection(),
        backend,
        socket,
        last: Instant::now(),
        answers: tasks.spawn(answers),
    })
}

/// Sends what the back end answers to the client. A refusal, which the kernel
/// reports to a connected socket, marks the back end: the next datagram goes on.
async fn carry_back(
    socket: Arc<UdpSocket>,
    backend: Arc<Backend>,
    client: SocketAddr,
    listener: Arc<UdpSocket>,
) {
    let mut datagram = vec![0; DATAGRAM];
    loop {
        match socket.recv(&mut datagram).await {
            Ok(length) => {
                // The client may be gone, which is not an error.
                let _ = listener.send_to(&datagram[..length], client).await;
            }
            Err(_) => {
                backend.failed();
                return;
            }
        }
    }
}
