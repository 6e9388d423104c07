//! The data plane: real sockets on each load balancer's address that forward
//! to its back ends.

mod health;
mod pool;
mod proxy_header;
mod tcp;
mod udp;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::pool::Pool;
use super::CloudSimulatorOptions;
use super::load_balancer::{Listener, Protocol, Settings};

/// A port, as the kernel counts them.
type Port = (IpAddr, Protocol, u16);

/// From here on every user may take a port.
const FIRST_FREE_PORT: u16 = 1024;

/// All load balancers that are served.
#[derive(Debug)]
pub(super) struct DataPlane {
    period: Duration,
    low_port_offset: u16,
    stop: CancellationToken,
    tasks: TaskTracker,
    served: Mutex<BTreeMap<String, Served>>,
}

/// One load balancer.
#[derive(Debug)]
struct Served {
    forwarders: BTreeMap<Port, Forwarder>,
    /// Cuts all its connections.
    cut: CancellationToken,
}

#[derive(Debug)]
struct Forwarder {
    pool: Arc<Pool>,
    closed: CancellationToken,
    task: JoinHandle<()>,
}

impl DataPlane {
    /// Serves nothing yet. `stop` ends everything, and `tasks` has whatever is left.
    pub(super) fn new(
        options: &CloudSimulatorOptions,
        stop: CancellationToken,
        tasks: TaskTracker,
    ) -> Self {
        Self {
            period: options.health_check_period,
            low_port_offset: options.low_port_offset,
            stop,
            tasks,
            served: Mutex::default(),
        }
    }

    /// Serves a load balancer with these settings from now on. Connections
    /// that are open stay open, whatever changes. An IPv6 address that is not on this
    /// machine is not served: Linux has `::1` only.
    ///
    /// # Errors
    /// An explanation for the load balancer's owner of ports that cannot be taken;
    /// the other ports are served.
    pub(super) async fn serve(
        &self,
        id: &str,
        addresses: &[IpAddr],
        settings: &Settings,
    ) -> Result<(), String> {
        let mut all = self.served.lock().await;
        let served = all.entry(id.to_owned()).or_insert_with(|| Served {
            forwarders: BTreeMap::new(),
            cut: self.stop.child_token(),
        });
        let mut wanted: BTreeMap<Port, &Listener> = BTreeMap::new();
        for address in addresses {
            let port = |listener: &Listener| (*address, listener.protocol, listener.port);
            let served = settings.listeners.iter();
            let served = served.filter(|one| one.protocol != Protocol::Sctp);
            wanted.extend(served.map(|one| (port(one), one)));
        }
        let gone = served
            .forwarders
            .extract_if(.., |port, _| !wanted.contains_key(port));
        for (_, forwarder) in gone.collect::<Vec<_>>() {
            forwarder.close().await;
        }
        let mut problems = Vec::new();
        for (port, listener) in wanted {
            let settings = &of_family(port.0, settings);
            if let Some(forwarder) = served.forwarders.get(&port) {
                forwarder.pool.replace(settings, listener);
                continue;
            }
            match self.open(port.0, served, settings, listener) {
                Ok(forwarder) => {
                    served.forwarders.insert(port, forwarder);
                }
                Err(error) if is_elsewhere(port.0, &error) => {
                    tracing::info!(id, address = %port.0, "the address is not on this machine");
                }
                Err(error) => problems.push(explain(port, &error)),
            }
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems.join("; "))
        }
    }

    /// Closes a load balancer's ports and cuts its connections. Its ports can
    /// be taken again once this returns.
    pub(super) async fn stop(&self, id: &str) {
        let served = self.served.lock().await.remove(id);
        if let Some(served) = served {
            served.cut.cancel();
            for forwarder in served.forwarders.into_values() {
                forwarder.close().await;
            }
        }
    }

    fn open(
        &self,
        address: IpAddr,
        served: &Served,
        settings: &Settings,
        listener: &Listener,
    ) -> io::Result<Forwarder> {
        let port = match listener.port {
            low if low < FIRST_FREE_PORT => low.saturating_add(self.low_port_offset),
            port => port,
        };
        let address = SocketAddr::from((address, port));
        let pool = Arc::new(Pool::new(settings, listener));
        let closed = served.cut.child_token();
        let task = match listener.protocol {
            Protocol::Tcp => {
                let socket = tcp::bind(address)?;
                let (closed, cut) = (closed.clone(), served.cut.clone());
                let connections = self.tasks.clone();
                let serving = tcp::serve(socket, pool.clone(), closed, cut, connections);
                self.tasks.spawn(serving)
            }
            Protocol::Udp => {
                let socket = udp::bind(address)?;
                let serving = udp::serve(socket, pool.clone(), closed.clone());
                self.tasks.spawn(serving)
            }
            Protocol::Sctp => return Err(io::ErrorKind::Unsupported.into()),
        };
        let watching = health::watch(pool.clone(), listener.protocol, self.period);
        self.tasks
            .spawn(closed.clone().run_until_cancelled_owned(watching));
        Ok(Forwarder { pool, closed, task })
    }
}

impl Forwarder {
    /// Closes the port, and waits until it is free.
    async fn close(self) {
        self.closed.cancel();
        // It can only have panicked, and then the port is free as well.
        let _ = self.task.await;
    }
}

/// The settings for clients of an address: its family's back ends, if there are any.
fn of_family(address: IpAddr, settings: &Settings) -> Settings {
    let is_same = |node: &&IpAddr| node.is_ipv4() == address.is_ipv4();
    let nodes: Vec<IpAddr> = settings.nodes.iter().filter(is_same).copied().collect();
    let mut settings = settings.clone();
    if !nodes.is_empty() {
        settings.nodes = nodes;
    }
    settings
}

fn is_elsewhere(address: IpAddr, error: &io::Error) -> bool {
    address.is_ipv6() && error.kind() == io::ErrorKind::AddrNotAvailable
}

fn explain((address, protocol, port): Port, error: &io::Error) -> String {
    let socket = SocketAddr::new(address, port);
    let what = format!("cannot listen on {socket} ({protocol:?}): {error}");
    let remedy = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; ports below 1024 need root, CAP_NET_BIND_SERVICE, or \
             sysctl net.ipv4.ip_unprivileged_port_start=0"
        }
        io::ErrorKind::AddrInUse => {
            "; another program has this port, perhaps on all addresses: \
             `ss -ltnup` names it"
        }
        io::ErrorKind::AddrNotAvailable => {
            "; choose loopback addresses: 127.0.0.0/8 is local on Linux"
        }
        _ => "",
    };
    what + remedy
}
