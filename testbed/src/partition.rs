//! A network between a client and kube-apiserver that can be cut: bytes stop and
//! nothing is closed, as when a cable is pulled. Or only the connections that are open die,
//! as when a firewall forgets them.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use kube::Config;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Debug)]
pub struct Network {
    state: watch::Sender<State>,
}

#[derive(Debug)]
struct State {
    is_up: bool,
    /// Connections of earlier generations carry nothing any more.
    generation: u64,
}

impl Network {
    /// Nothing passes from now on, on old and new connections.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.is_up = false);
    }

    /// All passes again, also what was under way.
    pub fn heal(&self) {
        self.state.send_modify(|state| state.is_up = true);
    }

    /// The connections that are open stay open and carry nothing any more; new ones work.
    pub fn freeze(&self) {
        self.state.send_modify(|state| state.generation += 1);
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
    let (state, network) = watch::channel(State {
        is_up: true,
        generation: 0,
    });
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(carry(client, server, network.clone()));
        }
    });
    Ok((Network { state }, proxied))
}

async fn carry(client: TcpStream, server: SocketAddr, network: watch::Receiver<State>) {
    let generation = network.borrow().generation;
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    let (client_out, client_in) = client.into_split();
    let (server_out, server_in) = server.into_split();
    tokio::select! {
        _ = pump(client_out, server_in, generation, network.clone()) => {}
        _ = pump(server_out, client_in, generation, network) => {}
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    generation: u64,
    mut network: watch::Receiver<State>,
) -> Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        let works = |state: &State| state.is_up && state.generation == generation;
        network.wait_for(works).await?;
        to.write_all(&buffer[..length]).await?;
    }
}
