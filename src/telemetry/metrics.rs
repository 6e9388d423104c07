//! Metrics in a registry of our own, one room for each subject.
//!
//! Labels come from closed sets only: never a namespace, a Service, a Node, an
//! id or a message. What concerns one Service is in Events, conditions, logs
//! and traces. Names that dashboards for Kubernetes components know are kept as
//! they are (`leader_election_master_status`, `workqueue_*`, `rest_client_*`,
//! `process_*`); all others begin with `mycloud_lb_`. `docs/metrics.md` is
//! written from what is registered here.

mod cloud;
mod election;
mod exemplars;
mod exposition;
mod inventory;
mod kubernetes;
mod leader_gauges;
mod nodes;
mod process;
mod process_info;
mod provisioning;
mod reconcile;
mod registry;
mod workqueue;

use std::sync::OnceLock;
use std::time::SystemTime;

use prometheus::Registry;

use crate::plan::naming::CloudName;
use cloud::CloudMetrics;
use election::ElectionMetrics;
use exemplars::Exemplars;
use inventory::InventoryMetrics;
use kubernetes::KubernetesMetrics;
use leader_gauges::LeaderOnly;
use nodes::NodeMetrics;
use process_info::ProcessInfoMetrics;
use provisioning::ProvisioningMetrics;
use reconcile::ReconcileMetrics;
use registry::Registrar;
use workqueue::WorkqueueMetrics;

pub use exposition::ExpositionFormat;
pub use process_info::LogLines;
pub use provisioning::{OBJECTIVE, PendingServices};
pub use reconcile::ReconcileResult;
pub use registry::{Described, Label, MetricKind, Values};

type Update = Box<dyn Fn(&Metrics) + Send + Sync>;

/// Every metric of the program.
pub struct Metrics {
    registry: Registry,
    exemplars: Exemplars,
    leader_only: LeaderOnly,
    described: Vec<Described>,
    before_scrape: OnceLock<Update>,
    /// The election.
    pub election: ElectionMetrics,
    /// Reconciles.
    pub reconcile: ReconcileMetrics,
    /// What waits for one.
    pub workqueue: WorkqueueMetrics,
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
    pub program: ProcessInfoMetrics,
}

impl Metrics {
    /// Metrics for these clouds, and the Lease of this name.
    ///
    /// # Errors
    /// None that depends on the arguments.
    pub fn new(clouds: &[CloudName], lease: &str) -> Result<Self, prometheus::Error> {
        let (registry, exemplars) = (Registry::new(), Exemplars::default());
        let leader_only = LeaderOnly::default();
        let mut registrar = Registrar {
            registry: &registry,
            clouds: clouds.iter().map(ToString::to_string).collect(),
            leader_only: &leader_only,
            exemplars: &exemplars,
            described: Vec::new(),
        };
        let registrar = &mut registrar;
        let election = ElectionMetrics::register(registrar, lease)?;
        let reconcile = ReconcileMetrics::register(registrar)?;
        let workqueue = WorkqueueMetrics::register(registrar)?;
        let cloud = CloudMetrics::register(registrar)?;
        let provisioning = ProvisioningMetrics::register(registrar)?;
        let inventory = InventoryMetrics::register(registrar)?;
        let nodes = NodeMetrics::register(registrar)?;
        let kubernetes = KubernetesMetrics::register(registrar)?;
        let program = ProcessInfoMetrics::register(registrar)?;
        let described = std::mem::take(&mut registrar.described);
        registry.register(Box::new(process::Process::new()?))?;
        Ok(Self {
            registry,
            exemplars,
            leader_only,
            described,
            before_scrape: OnceLock::new(),
            election,
            reconcile,
            workqueue,
            cloud,
            provisioning,
            inventory,
            nodes,
            kubernetes,
            program,
        })
    }

    #[cfg(test)]
    pub fn for_test(clouds: &[CloudName]) -> Self {
        Self::new(clouds, "my-cloud-controller-manager").expect("metrics")
    }

    /// Whether this replica leads. What only a leader tells goes when it steps down.
    pub fn leader(&self, leads: bool) {
        if self.leader_only.set(leads) {
            self.inventory.leads();
            self.cloud.leads();
        }
        self.election.leads(leads);
    }

    /// Sets the gauges that depend on the moment, before each scrape. The first
    /// call counts.
    pub fn before_scrape(&self, update: impl Fn(&Self) + Send + Sync + 'static) {
        // There is one controller in a process.
        let _ = self.before_scrape.set(Box::new(update));
    }

    /// The families that are registered, for `docs/metrics.md`.
    #[must_use]
    pub fn described(&self) -> &[Described] {
        &self.described
    }

    /// Everything, as text. Reads files of `/proc`: not for a thread that runs tasks.
    pub fn gather(&self, format: ExpositionFormat) -> Vec<u8> {
        self.cloud.refresh();
        if let Some(update) = self.before_scrape.get() {
            update(self);
        }
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
