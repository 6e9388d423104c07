//! A simulated cloud: the load balancer API that the controller calls, over
//! HTTP, with real traffic behind it.
//!
//! ```text
//!  POST /api/v1/lb/<verb> ─> api (faults, events) ─> operation ─> engine ─┬─ inventory ── snapshot (disk)
//!  /admin/…               ─> admin ───────────────────────────────────────┴─ data plane ─> back ends
//! ```
//!
//! The API is described by `docs/cloud-api.openapi.yaml`. Its types are this
//! module's own, on purpose: that document is all that the
//! controller and this cloud have in common.

mod admin;
mod answer;
mod api;
mod call;
mod capabilities;
mod connection;
mod data_plane;
mod engine;
mod event;
mod fault;
pub mod hostile;
mod inventory;
mod load_balancer;
mod operation;
mod refusal;
mod snapshot;
mod validation;
mod wire;
mod words;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use ipnet::Ipv4Net;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::capabilities::{Capabilities, FEATURES, Limits, Spec};
pub use self::event::{Effect, Event, Outcome, Verb, most_in_flight};
pub use self::fault::{Failure, Fault, FaultKind, LateReply};
pub use self::load_balancer::{
    AddressFamily, Algorithm, HealthCheck, HealthCheckProtocol, IngressEntry, Listener,
    LoadBalancer, Owner, Plant, Protocol, ProxyProtocol, SessionAffinity, Settings, State,
};
pub use self::refusal::Code;

use self::connection::{Connection, CuttableListener};
use self::data_plane::DataPlane;
use self::engine::{Engine, Manner};
use self::inventory::Inventory;
use self::refusal::Refusal;
use crate::loopback::LoopbackRange;

/// Which API a cloud offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Profile {
    /// All of it.
    #[default]
    Standard,
    /// The smallest: create, delete, update and query with one
    /// TCP port; no owners, no codes, no list.
    Basic,
}

/// How a simulated cloud is made.
#[derive(Clone, Debug)]
pub struct CloudSimulatorOptions {
    /// Its name, for logs.
    pub name: String,
    /// Where it listens; port 0 for any free port.
    pub listen: SocketAddr,
    /// Which API it offers.
    pub profile: Profile,
    /// File that keeps its state; none for memory only.
    pub state: Option<PathBuf>,
    /// Where its load balancers get their addresses; none for a range that no
    /// other cloud on this machine has.
    pub addresses: Option<Ipv4Net>,
    /// The IPv6 address of all its load balancers, such as `::1`; none for one for each, which
    /// is served only where the kernel takes it.
    pub address6: Option<Ipv6Addr>,
    /// Time before any call of the API is carried out.
    pub latency: Duration,
    /// Further time before a call of create, update or delete is carried out.
    pub mutation_latency: Duration,
    /// Time that a new load balancer is without an address.
    pub provisioning: Duration,
    /// Time that an update takes, in which the load balancer is `provisioning` with the
    /// settings of before.
    pub updating: Duration,
    /// Time that a deleted load balancer is still there.
    pub deletion: Duration,
    /// Whether it refuses a fencing token lower than the highest seen.
    pub fencing: bool,
    /// The bearer token that callers need; none lets everybody in.
    pub token: Option<String>,
    /// How many load balancers it gives out; none for no limit.
    pub quota: Option<usize>,
    /// What it tells about itself; none for a cloud that has no such call.
    pub capabilities: Option<Capabilities>,
    /// Whether it forwards traffic.
    pub data_plane: bool,
    /// Added to ports below 1024 when the data plane takes them, for users who
    /// may not take such ports (80 at 8080: 8000); 0 takes them as they are.
    pub low_port_offset: u16,
    /// Time between two looks at a back end.
    pub health_check_period: Duration,
}

impl CloudSimulatorOptions {
    /// A quick cloud with this name on any free port.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            profile: Profile::Standard,
            state: None,
            addresses: None,
            address6: None,
            latency: Duration::ZERO,
            mutation_latency: Duration::ZERO,
            provisioning: Duration::ZERO,
            updating: Duration::ZERO,
            deletion: Duration::ZERO,
            fencing: true,
            token: None,
            quota: None,
            capabilities: None,
            data_plane: true,
            low_port_offset: 0,
            health_check_period: Duration::from_secs(2),
        }
    }
}

/// A cloud that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct CloudSimulator {
    engine: Arc<Engine>,
    address: SocketAddr,
    addresses: Ipv4Net,
    _range: Option<LoopbackRange>,
}

impl CloudSimulator {
    /// Starts a cloud, with what its state file has.
    ///
    /// # Errors
    /// The address to listen on is taken, the state file cannot be read, the
    /// range of addresses is too small, or there is no free range.
    pub async fn start(options: CloudSimulatorOptions) -> anyhow::Result<Self> {
        let range = match options.addresses {
            Some(_) => None,
            None => Some(LoopbackRange::claim()?),
        };
        let addresses = options
            .addresses
            .or(range.as_ref().map(LoopbackRange::network));
        let addresses = addresses.context("no range of addresses")?;
        ensure!(
            addresses.prefix_len() <= 30,
            "{addresses}: a /30 is the smallest range"
        );
        let snapshot = match &options.state {
            Some(path) => snapshot::load(path).await?,
            None => None,
        };
        let listener = tokio::net::TcpListener::bind(options.listen)
            .await
            .with_context(|| format!("listen on {}", options.listen))?;
        let address = listener.local_addr().context("the listener's address")?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let data_plane = options
            .data_plane
            .then(|| DataPlane::new(&options, stop.clone(), tasks.clone()));
        let inventory = Inventory::new(addresses, options.address6, options.quota, snapshot);
        let capabilities = options.capabilities.clone();
        let engine = Arc::new(Engine::new(
            manner(options),
            capabilities,
            inventory,
            data_plane,
            stop,
            tasks,
        ));
        let simulator = Self {
            engine: engine.clone(),
            address,
            addresses,
            _range: range,
        };
        engine.resume().await.map_err(into_error)?;
        let router = api::routes(&engine).merge(admin::routes(engine.clone()));
        let service = router.into_make_service_with_connect_info::<Connection>();
        let serving = axum::serve(CuttableListener(listener), service)
            .with_graceful_shutdown(engine.stop.clone().cancelled_owned());
        engine.tasks.spawn(async move { serving.await });
        Ok(simulator)
    }

    pub fn name(&self) -> &str {
        &self.engine.manner.name
    }

    /// Its base URL, `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its load balancers get their addresses.
    pub fn addresses(&self) -> Ipv4Net {
        self.addresses
    }

    /// All load balancers, oldest first.
    pub fn inventory(&self) -> Vec<LoadBalancer> {
        self.engine.load_balancers()
    }

    /// How many load balancers are so: cheaper than [`CloudSimulator::inventory`].
    pub fn count(&self, is_so: impl Fn(&LoadBalancer) -> bool) -> usize {
        self.engine.count(is_so)
    }

    /// The latest calls about load balancers, oldest first. The log has 100,000 calls.
    pub fn events(&self) -> Vec<Event> {
        self.events_after(0)
    }

    /// Calls about load balancers with a greater sequence number: all but the questions what
    /// the cloud can do, which come at any time ([`CloudSimulator::questions_after`]).
    pub fn events_after(&self, sequence: u64) -> Vec<Event> {
        let mut events = self.engine.events.after(sequence);
        events.retain(|event| event.verb != Verb::Capabilities);
        events
    }

    /// Questions what the cloud can do, with a greater sequence number.
    pub fn questions_after(&self, sequence: u64) -> Vec<Event> {
        let mut events = self.engine.events.after(sequence);
        events.retain(|event| event.verb == Verb::Capabilities);
        events
    }

    /// The sequence number of the latest call; 0 before the first one.
    pub fn last_sequence(&self) -> u64 {
        self.engine.events.last()
    }

    /// Calls of create, update and delete, whatever became of them.
    pub fn mutations(&self) -> Vec<Event> {
        let mut events = self.events();
        events.retain(|event| event.verb.is_mutation());
        events
    }

    /// This instant, as events count: in microseconds from the simulator's start.
    pub fn micros(&self) -> u64 {
        self.engine.events.now()
    }

    /// Makes it a cloud that can do this; `None` for one that does not tell. What exists
    /// stays as it is.
    pub fn set_capabilities(&self, capabilities: Option<Capabilities>) {
        self.engine.set_capabilities(capabilities);
    }

    /// Whether it tells that it has this feature.
    pub fn tells(&self, feature: &str) -> bool {
        let capabilities = self.engine.capabilities();
        let features = capabilities.and_then(|told| told.features);
        features.is_some_and(|features| features.iter().any(|own| own == feature))
    }

    /// Sets a fault in addition to those that are set. A call is struck by
    /// every latency that fits it and by the first other fault that does.
    pub fn set_fault(&self, fault: Fault) {
        self.engine.set_fault(fault);
    }

    /// Ends all faults for calls to come; calls that hang go on hanging.
    pub fn clear_faults(&self) {
        self.engine.faults.clear();
    }

    /// The faults that are set, with the counts that are left.
    pub fn faults(&self) -> Vec<Fault> {
        self.engine.faults.all()
    }

    /// Puts a load balancer there without a call of the API.
    ///
    /// # Errors
    /// Its id exists, or its address is not free.
    pub async fn plant(&self, plant: Plant) -> anyhow::Result<LoadBalancer> {
        self.engine.plant(plant).await.map_err(into_error)
    }

    /// Removes a load balancer behind its owner's back.
    ///
    /// # Errors
    /// There is none with this id.
    pub async fn remove(&self, id: &str) -> anyhow::Result<LoadBalancer> {
        self.engine.remove(id).await.map_err(into_error)
    }

    /// Changes a load balancer behind its owner's back; its id and address stay.
    ///
    /// # Errors
    /// There is none with this id.
    pub async fn edit(
        &self,
        id: &str,
        apply: impl FnOnce(&mut LoadBalancer) + Send,
    ) -> anyhow::Result<LoadBalancer> {
        self.engine.edit(id, apply).await.map_err(into_error)
    }

    /// Stops everything and waits until all its ports are free.
    pub async fn stop(self) {
        self.engine.stop.cancel();
        self.engine.tasks.close();
        self.engine.tasks.wait().await;
    }
}

impl Drop for CloudSimulator {
    fn drop(&mut self) {
        self.engine.stop.cancel();
    }
}

fn manner(options: CloudSimulatorOptions) -> Manner {
    Manner {
        name: options.name,
        profile: options.profile,
        state: options.state,
        latency: options.latency,
        mutation_latency: options.mutation_latency,
        provisioning: options.provisioning,
        updating: options.updating,
        deletion: options.deletion,
        fencing: options.fencing,
        token: options.token,
    }
}

fn into_error(refusal: Refusal) -> anyhow::Error {
    anyhow!("{}: {}", refusal.code, refusal.message)
}
