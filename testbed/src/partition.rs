//! A network between a client and kube-apiserver that can be cut: bytes stop and
//! nothing is closed, as when a cable is pulled.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use kube::Config;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Debug)]
pub struct Network {
    is_up: watch::Sender<bool>,
}

impl Network {
    /// Nothing passes from now on, on old and new connections.
    pub fn cut(&self) {
        self.is_up.send_replace(false);
    }

    /// All passes again, also what was under way.
    pub fn heal(&self) {
        self.is_up.send_replace(true);
    }
}

/// A network to the API server of a configuration, and a configuration that goes
/// through it. It lasts as long as the runtime.
///
/// # Errors
/// The configuration has no address of a server, or no port is free.
pub async fn between(direct: &Config) -> Result<(Network, Config)> {
    let host = direct.cluster_url.host().context("a host")?.to_owned();
    let port = direct.cluster_url.port_u16().context("a port")?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut proxied = direct.clone();
    proxied.cluster_url = format!("https://{}", listener.local_addr()?).parse()?;
    proxied.tls_server_name = Some(host.clone());
    let server: SocketAddr = format!("{host}:{port}").parse()?;
    let (is_up, network) = watch::channel(true);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(carry(client, server, network.clone()));
        }
    });
    Ok((Network { is_up }, proxied))
}

async fn carry(client: TcpStream, server: SocketAddr, network: watch::Receiver<bool>) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    let (client_out, client_in) = client.into_split();
    let (server_out, server_in) = server.into_split();
    tokio::select! {
        _ = pump(client_out, server_in, network.clone()) => {}
        _ = pump(server_out, client_in, network) => {}
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut network: watch::Receiver<bool>,
) -> Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        network.wait_for(|is_up| *is_up).await?;
        to.write_all(&buffer[..length]).await?;
    }
}
