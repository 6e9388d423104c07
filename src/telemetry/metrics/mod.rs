//! Metrics in a registry of our own, one room for each subject.
//!
//! Labels come from closed sets only: never a namespace, a Service, a Node, an
//! id or a message. What concerns one Service is in Events, conditions, logs
//! and traces. Names that dashboards for Kubernetes components know are kept as
//! they are (`leader_election_master_status`, `workqueue_*`, `rest_client_*`,
//! `process_*`); all others begin with `mycloud_lb_`. `docs/metrics.md` is
//! written from what is registered here.

mod cloud;
mod document;
mod election;
mod exemplars;
mod exposition;
mod inventory;
mod kubernetes;
mod leader_only;
mod nodes;
mod process;
mod program;
mod provisioning;
mod queue;
mod reconcile;
mod register;

use std::time::SystemTime;

use prometheus::Registry;

use crate::config::DEFAULT_LEASE;
use crate::plan::naming::CloudName;
use cloud::CloudMetrics;
use election::ElectionMetrics;
use exemplars::Exemplars;
use inventory::InventoryMetrics;
use kubernetes::KubernetesMetrics;
use leader_only::LeaderOnly;
use nodes::NodeMetrics;
use program::ProgramMetrics;
use provisioning::ProvisioningMetrics;
use queue::QueueMetrics;
use reconcile::ReconcileMetrics;
use register::{Described, Register};

pub use exposition::Format;
pub use program::LogLines;
pub use provisioning::OBJECTIVE;
pub use queue::Work;
pub use reconcile::ReconcileResult;

/// Every metric of the program.
pub struct Metrics {
    registry: Registry,
    exemplars: Exemplars,
    leader_only: LeaderOnly,
    described: Vec<Described>,
    /// The election.
    pub election: ElectionMetrics,
    /// Reconciles.
    pub reconcile: ReconcileMetrics,
    /// What waits for one.
    pub queue: QueueMetrics,
    /// Calls to the clouds.
    pub cloud: CloudMetrics,
    /// From the wish to the address.
    pub provisioning: ProvisioningMetrics,
    /// What the clouds have.
    pub inventory: InventoryMetrics,
    /// Nodes.
    pub nodes: NodeMetrics,
    /// The API server.
    pub kubernetes: KubernetesMetrics,
    /// The program about itself.
    pub program: ProgramMetrics,
}

impl Metrics {
    /// Metrics for these clouds and the default Lease.
    ///
    /// # Errors
    /// None that depends on the arguments.
    pub fn new(clouds: &[CloudName]) -> Result<Self, prometheus::Error> {
        Self::for_lease(clouds, DEFAULT_LEASE)
    }

    /// As [`Metrics::new`], for the Lease of this name.
    ///
    /// # Errors
    /// None that depends on the arguments.
    pub fn for_lease(clouds: &[CloudName], lease: &str) -> Result<Self, prometheus::Error> {
        let (registry, exemplars) = (Registry::new(), Exemplars::default());
        let leader_only = LeaderOnly::default();
        let mut register = Register {
            registry: &registry,
            clouds: clouds.iter().map(ToString::to_string).collect(),
            leader_only: &leader_only,
            exemplars: &exemplars,
            described: Vec::new(),
        };
        let register = &mut register;
        let election = ElectionMetrics::register(register, lease)?;
        let reconcile = ReconcileMetrics::register(register)?;
        let queue = QueueMetrics::register(register)?;
        let cloud = CloudMetrics::register(register)?;
        let provisioning = ProvisioningMetrics::register(register)?;
        let inventory = InventoryMetrics::register(register)?;
        let nodes = NodeMetrics::register(register)?;
        let kubernetes = KubernetesMetrics::register(register)?;
        let program = ProgramMetrics::register(register)?;
        let described = std::mem::take(&mut register.described);
        registry.register(Box::new(process::Process::new()?))?;
        Ok(Self {
            registry,
            exemplars,
            leader_only,
            described,
            election,
            reconcile,
            queue,
            cloud,
            provisioning,
            inventory,
            nodes,
            kubernetes,
            program,
        })
    }

    /// Whether this replica leads. What only a leader tells goes when it steps down.
    pub fn leader(&self, leads: bool) {
        if self.leader_only.set(leads) {
            self.inventory.leads();
            self.cloud.leads();
        }
        self.election.leads(leads);
    }

    /// Everything, as text. Reads files of `/proc`: not for a thread that runs tasks.
    pub fn gather(&self, format: Format) -> Vec<u8> {
        self.queue.refresh();
        self.cloud.refresh();
        self.provisioning.refresh();
        format.write(&self.registry.gather(), &self.exemplars)
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests;
