//! The back ends of one listener, and which of them is next.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use parking_lot::{Mutex, RwLock};

use crate::cloud::load_balancer::{
    Algorithm, HealthCheck, Listener, ProxyProtocol, SessionAffinity, Settings,
};

/// One back end.
#[derive(Debug)]
pub(super) struct Backend {
    /// Node and node port.
    pub(super) address: SocketAddr,
    /// Whether the last look found it serving; a new one is trusted.
    healthy: AtomicBool,
    /// How many looks in a row found the opposite.
    against: AtomicU32,
    open: AtomicUsize,
}

impl Backend {
    fn new(address: SocketAddr) -> Self {
        Self {
            address,
            healthy: AtomicBool::new(true),
            against: AtomicU32::new(0),
            open: AtomicUsize::new(0),
        }
    }

    /// What the last look found.
    pub(super) fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }

    /// Notes what a look at it found. Only so many looks in a row as the health check says
    /// change its health.
    pub(super) fn found(&self, healthy: bool, check: Option<&HealthCheck>) {
        if self.is_healthy() == healthy {
            self.against.store(0, Ordering::Relaxed);
            return;
        }
        let threshold = check.and_then(|check| match healthy {
            true => check.healthy_threshold,
            false => check.unhealthy_threshold,
        });
        let against = self.against.fetch_add(1, Ordering::Relaxed) + 1;
        if against >= threshold.unwrap_or(1) {
            self.set(healthy);
        }
    }

    /// A connection to it failed, which no look has to confirm.
    pub(super) fn failed(&self) {
        self.set(false);
    }

    fn set(&self, healthy: bool) {
        self.against.store(0, Ordering::Relaxed);
        if self.healthy.swap(healthy, Ordering::Relaxed) != healthy {
            let health = if healthy {
                "serves again"
            } else {
                "does not serve"
            };
            tracing::info!(backend = %self.address, "back end {health}");
        }
    }

    /// Counts a connection for as long as the guard lives.
    pub(super) fn connection(self: &Arc<Self>) -> OpenConnection {
        self.open.fetch_add(1, Ordering::Relaxed);
        OpenConnection(self.clone())
    }
}

/// A connection that counts for least-connections.
#[derive(Debug)]
pub(super) struct OpenConnection(Arc<Backend>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Rules {
    backends: Vec<Arc<Backend>>,
    algorithm: Algorithm,
    affinity: Option<Duration>,
    sources: Vec<IpNet>,
    health_check: Option<HealthCheck>,
    proxy_protocol: ProxyProtocol,
}

/// The back ends of one listener. They change under running connections.
#[derive(Debug)]
pub(super) struct Pool {
    rules: RwLock<Arc<Rules>>,
    turn: AtomicUsize,
    kept: Mutex<HashMap<IpAddr, (SocketAddr, Instant)>>,
}

impl Pool {
    pub(super) fn new(settings: &Settings, listener: &Listener) -> Self {
        Self {
            rules: RwLock::new(Arc::new(rules(settings, listener, &[]))),
            turn: AtomicUsize::new(0),
            kept: Mutex::default(),
        }
    }

    /// Takes new settings; a back end that stays keeps its health and count.
    pub(super) fn replace(&self, settings: &Settings, listener: &Listener) {
        let mut current = self.rules.write();
        *current = Arc::new(rules(settings, listener, &current.backends));
    }

    /// All back ends.
    pub(super) fn backends(&self) -> Vec<Arc<Backend>> {
        self.rules().backends.clone()
    }

    /// The health check, if it is not the default one.
    pub(super) fn health_check(&self) -> Option<HealthCheck> {
        self.rules().health_check.clone()
    }

    /// The header of connections to back ends.
    pub(super) fn proxy_protocol(&self) -> ProxyProtocol {
        self.rules().proxy_protocol
    }

    /// Whether a client is let in.
    pub(super) fn lets_in(&self, client: IpAddr) -> bool {
        let rules = self.rules();
        rules.sources.is_empty() || rules.sources.iter().any(|range| range.contains(&client))
    }

    /// Whether an address is still one of the back ends.
    pub(super) fn has(&self, address: SocketAddr) -> bool {
        let rules = self.rules();
        rules
            .backends
            .iter()
            .any(|backend| backend.address == address)
    }

    /// The back ends to try for a client, best first. If none is healthy, all:
    /// a wrong health check must not close a service.
    pub(super) fn candidates(&self, client: IpAddr) -> Vec<Arc<Backend>> {
        let rules = self.rules();
        let mut ready: Vec<Arc<Backend>> = rules
            .backends
            .iter()
            .filter(|backend| backend.is_healthy())
            .cloned()
            .collect();
        if ready.is_empty() {
            ready.clone_from(&rules.backends);
        }
        if ready.is_empty() {
            return ready;
        }
        // All algorithms start from the turn, so that equals alternate.
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let first = turn % ready.len();
        ready.rotate_left(first);
        match rules.algorithm {
            Algorithm::RoundRobin => {}
            Algorithm::LeastConnections => {
                ready.sort_by_key(|backend| backend.open.load(Ordering::Relaxed));
            }
            // The highest of a hash of both: a back end that goes or comes
            // moves only its own clients.
            Algorithm::SourceHash => {
                ready.sort_by_key(|backend| std::cmp::Reverse(weight(client, backend.address)));
            }
        }
        if let Some(timeout) = rules.affinity {
            self.keep_together(client, timeout, &mut ready);
        }
        ready
    }

    /// Remembers which back end answers a client, for session affinity.
    pub(super) fn chosen(&self, client: IpAddr, backend: SocketAddr) {
        if self.rules().affinity.is_some() {
            self.kept.lock().insert(client, (backend, Instant::now()));
        }
    }

    fn keep_together(&self, client: IpAddr, timeout: Duration, ready: &mut [Arc<Backend>]) {
        let mut kept = self.kept.lock();
        kept.retain(|_, (_, last)| last.elapsed() < timeout);
        let Some((address, _)) = kept.get(&client) else {
            return;
        };
        let position = ready.iter().position(|backend| backend.address == *address);
        if let Some(position) = position {
            ready.swap(0, position);
        }
    }

    fn rules(&self) -> Arc<Rules> {
        self.rules.read().clone()
    }
}

fn rules(settings: &Settings, listener: &Listener, before: &[Arc<Backend>]) -> Rules {
    let backend = |node: &IpAddr| {
        let address = SocketAddr::new(*node, listener.node_port);
        let same = before.iter().find(|backend| backend.address == address);
        same.cloned()
            .unwrap_or_else(|| Arc::new(Backend::new(address)))
    };
    Rules {
        backends: settings.nodes.iter().map(backend).collect(),
        algorithm: settings.algorithm,
        affinity: match settings.session_affinity {
            SessionAffinity::None => None,
            SessionAffinity::ClientIP { timeout_seconds } => {
                Some(Duration::from_secs(timeout_seconds.into()))
            }
        },
        // What does not parse was refused, or planted: it lets no client in.
        sources: settings
            .source_ranges
            .iter()
            .map(|range| {
                range
                    .parse()
                    .unwrap_or_else(|_| IpNet::from(IpAddr::from([0; 4])))
            })
            .collect(),
        proxy_protocol: listener.proxy_protocol,
        health_check: listener
            .health_check
            .clone()
            .or_else(|| settings.health_check.clone()),
    }
}

fn weight(client: IpAddr, backend: SocketAddr) -> u64 {
    let mut hasher = DefaultHasher::new();
    (client, backend).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(nodes: u8, algorithm: Algorithm) -> Settings {
        Settings {
            nodes: (1..=nodes)
                .map(|node| IpAddr::from([127, 0, 1, node]))
                .collect(),
            algorithm,
            ..Settings::default()
        }
    }

    fn pool(settings: &Settings) -> Pool {
        Pool::new(settings, &settings.listeners[0])
    }

    fn first(pool: &Pool, client: u8) -> IpAddr {
        pool.candidates(IpAddr::from([10, 0, 0, client]))[0]
            .address
            .ip()
    }

    #[test]
    fn round_robin_gives_each_back_end_its_turn() {
        let settings = settings(3, Algorithm::RoundRobin);
        let pool = pool(&settings);
        let picked: Vec<IpAddr> = (0..6).map(|_| first(&pool, 1)).collect();
        assert_eq!(picked[..3], settings.nodes[..]);
        assert_eq!(picked[3..], settings.nodes[..]);
    }

    #[test]
    fn least_connections_avoids_the_busy_one() {
        let settings = settings(2, Algorithm::LeastConnections);
        let pool = pool(&settings);
        let busy = pool.backends()[0].clone();
        let open = busy.connection();
        assert!((0..4).all(|_| first(&pool, 1) == settings.nodes[1]));
        drop(open);
        assert!((0..4).any(|_| first(&pool, 1) == settings.nodes[0]));
    }

    #[test]
    fn source_hash_moves_only_the_clients_of_a_lost_back_end() {
        let mut settings = settings(4, Algorithm::SourceHash);
        let pool = pool(&settings);
        let before: Vec<IpAddr> = (0..100).map(|client| first(&pool, client)).collect();
        let lost = settings.nodes.remove(1);
        pool.replace(&settings, &settings.listeners[0]);
        for (client, before) in (0..100).zip(before) {
            let after = first(&pool, client);
            assert!(after == before || before == lost, "client {client} moved");
        }
    }

    #[test]
    fn session_affinity_keeps_a_client_where_it_was() {
        let mut settings = settings(3, Algorithm::RoundRobin);
        settings.session_affinity = SessionAffinity::ClientIP {
            timeout_seconds: 60,
        };
        let pool = pool(&settings);
        let client = IpAddr::from([10, 0, 0, 1]);
        let backend = pool.candidates(client)[0].address;
        pool.chosen(client, backend);
        assert!((0..5).all(|_| first(&pool, 1) == backend.ip()));
    }

    #[test]
    fn an_unhealthy_back_end_is_skipped_unless_all_are() {
        let settings = settings(2, Algorithm::RoundRobin);
        let pool = pool(&settings);
        pool.backends()[0].failed();
        assert!((0..4).all(|_| first(&pool, 1) == settings.nodes[1]));
        pool.backends()[1].failed();
        assert_eq!(pool.candidates(IpAddr::from([10, 0, 0, 1])).len(), 2);
    }
}
