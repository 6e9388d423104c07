//! Looks at back ends from time to time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::pool::Pool;
use crate::cloud::load_balancer::{HealthCheck, HealthCheckProtocol, Protocol};

/// A back end that takes longer does not serve.
pub(super) const TIMEOUT: Duration = Duration::from_secs(1);

/// Looks at all back ends of a listener, all at once, every period.
pub(super) async fn watch(pool: Arc<Pool>, protocol: Protocol, period: Duration) {
    loop {
        let check = pool.health_check();
        let looks = pool.backends().into_iter().map(|backend| {
            let check = check.clone();
            async move {
                let answers = serves(backend.address, protocol, check.as_ref()).await;
                backend.found(answers, check.as_ref());
            }
        });
        futures::future::join_all(looks).await;
        tokio::time::sleep(period).await;
    }
}

async fn serves(backend: SocketAddr, protocol: Protocol, check: Option<&HealthCheck>) -> bool {
    let default = HealthCheck::default();
    let check = match (check, protocol) {
        (Some(check), _) => check,
        (None, Protocol::Tcp) => &default,
        // UDP reports nothing until it is used; one that was refused gets another
        // chance with every look.
        (None, Protocol::Udp | Protocol::Sctp) => return true,
    };
    let port = check.port.unwrap_or(backend.port());
    let target = SocketAddr::new(backend.ip(), port);
    if check.protocol == HealthCheckProtocol::None {
        return true;
    }
    let look = async {
        let mut stream = TcpStream::connect(target).await?;
        match check.protocol {
            HealthCheckProtocol::Tcp | HealthCheckProtocol::None => Ok(true),
            HealthCheckProtocol::Http => {
                answers(&mut stream, target, check.path.as_deref().unwrap_or("/")).await
            }
        }
    };
    matches!(tokio::time::timeout(TIMEOUT, look).await, Ok(Ok(true)))
}

/// Whether an HTTP GET is answered with 2xx. The status line is all it reads.
async fn answers(stream: &mut TcpStream, host: SocketAddr, path: &str) -> std::io::Result<bool> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut start = [0; "HTTP/1.1 2".len()];
    stream.read_exact(&mut start).await?;
    Ok(start.starts_with(b"HTTP/1.") && start.ends_with(b" 2"))
}
