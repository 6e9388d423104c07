//! The metrics, in a registry of their own, with one file for each subject.
//!
//! Label values come from closed sets only: never a namespace, a Service, a Node, an
//! id or a message. Events, conditions, logs and traces have the details of a single
//! Service. Metrics that dashboards for Kubernetes components use keep their names
//! (`leader_election_master_status`, `workqueue_*`, `rest_client_*`, `process_*`); all
//! others begin with `mycloud_lb_`. `docs/metrics.md` is generated from the registered
//! metrics.

mod capabilities;
mod changes;
mod cloud;
mod election;
mod events;
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

use std::time::SystemTime;

use parking_lot::RwLock;
use prometheus::Registry;

use crate::plan::naming::CloudName;
use capabilities::CapabilityMetrics;
use changes::ChangeMetrics;
use cloud::CloudMetrics;
use election::ElectionMetrics;
use events::EventMetrics;
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

pub use changes::{Change, CloudChanges, NOT_CONFIGURED, PendingServices};
pub use exposition::ExpositionFormat;
pub use process_info::LogLines;
pub use provisioning::OBJECTIVE;
pub use reconcile::ReconcileResult;
pub use registry::{Described, Label, MetricKind, Values};

type Update = Box<dyn Fn(&Metrics) + Send + Sync>;

/// Every metric of the program.
pub struct Metrics {
    registry: Registry,
    exemplars: Exemplars,
    leader_only: LeaderOnly,
    described: Vec<Described>,
    before_scrape: RwLock<Vec<Update>>,
    pub election: ElectionMetrics,
    pub reconcile: ReconcileMetrics,
    pub workqueue: WorkqueueMetrics,
    pub cloud: CloudMetrics,
    pub provisioning: ProvisioningMetrics,
    changes: ChangeMetrics,
    pub inventory: InventoryMetrics,
    pub capabilities: CapabilityMetrics,
    pub nodes: NodeMetrics,
    pub kubernetes: KubernetesMetrics,
    pub events: EventMetrics,
    pub program: ProcessInfoMetrics,
}

impl Metrics {
    /// Registers the metrics for these clouds and for the Lease of this name.
    ///
    /// # Errors
    /// Two metrics have the same name; no argument can cause that.
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
        let changes = ChangeMetrics::register(registrar)?;
        let inventory = InventoryMetrics::register(registrar)?;
        let capabilities = CapabilityMetrics::register(registrar)?;
        let nodes = NodeMetrics::register(registrar)?;
        let kubernetes = KubernetesMetrics::register(registrar)?;
        let events = EventMetrics::register(registrar)?;
        let program = ProcessInfoMetrics::register(registrar)?;
        let described = std::mem::take(&mut registrar.described);
        registry.register(Box::new(process::Process::new()?))?;
        Ok(Self {
            registry,
            exemplars,
            leader_only,
            described,
            before_scrape: RwLock::default(),
            election,
            reconcile,
            workqueue,
            cloud,
            provisioning,
            changes,
            inventory,
            capabilities,
            nodes,
            kubernetes,
            events,
            program,
        })
    }

    #[cfg(test)]
    pub fn for_test(clouds: &[CloudName]) -> Self {
        Self::new(clouds, "my-cloud-controller-manager").expect("metrics")
    }

    /// Records whether this replica leads. The leader gauges are removed when it does not.
    pub fn leader(&self, leads: bool) {
        if self.leader_only.set(leads) {
            self.inventory.leads();
            self.cloud.leads();
        }
        self.election.leads(leads);
    }

    /// Registers an update of gauges before each scrape.
    pub fn before_scrape(&self, update: impl Fn(&Self) + Send + Sync + 'static) {
        self.before_scrape.write().push(Box::new(update));
    }

    /// The registered families, for `docs/metrics.md`.
    #[must_use]
    pub fn described(&self) -> &[Described] {
        &self.described
    }

    /// Encodes all metrics as text. Reads files of `/proc`, so do not call it on a thread
    /// that runs tasks.
    pub fn gather(&self, format: ExpositionFormat) -> Vec<u8> {
        self.cloud.refresh();
        for update in self.before_scrape.read().iter() {
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
