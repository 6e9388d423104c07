//! What every reconcile works with.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use kube::runtime::reflector::Store;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::cloud_handle::CloudHandle;
use super::memory::Memory;
use crate::election::{Leadership, Role};
use crate::kubernetes::MetadataKeys;
use crate::kubernetes::events::Events;
use crate::kubernetes::node_watch::NodeSet;
use crate::kubernetes::service_writer::ServiceWriter;
use crate::plan::Clouds;
use crate::plan::naming::{CloudName, ClusterId, ServiceUid};
use crate::telemetry::Metrics;
use crate::telemetry::log_throttle::LogThrottle;
use crate::telemetry::traces::Tracer;

/// What every reconcile works with.
pub struct Context {
    /// This cluster, as the owner of load balancers.
    pub cluster: ClusterId,
    /// The names of our annotations, finalizer and condition.
    pub metadata_keys: MetadataKeys,
    /// The configured clouds, as the plan sees them.
    pub capabilities: Clouds,
    /// The configured clouds, as they are called.
    pub clouds: BTreeMap<CloudName, CloudHandle>,
    /// Services and Nodes, as the watches show them.
    pub watched: Watched,
    /// Reads and writes Services.
    pub services: ServiceWriter,
    /// Records Events.
    pub events: Events,
    pub metrics: Arc<Metrics>,
    pub tracer: Tracer,
    pub log_throttle: LogThrottle,
    /// What is remembered between reconciles.
    pub memory: Arc<Memory>,
    /// Whether this replica leads.
    pub roles: watch::Receiver<Role>,
    /// Cancelled when no new work may be started.
    pub stopping: CancellationToken,
}

/// The state of the cluster, as the watches show it.
pub struct Watched {
    /// Every Service.
    pub services: Store<Service>,
    /// Whether all Services were listed.
    pub services_listed: watch::Receiver<bool>,
    /// The Nodes; `None` until all were listed.
    pub nodes: watch::Receiver<Option<NodeSet>>,
}

impl Context {
    /// Our leadership, unless this replica is a standby or about to stop.
    pub fn leadership(&self) -> Option<Leadership> {
        if self.stopping.is_cancelled() {
            return None;
        }
        match &*self.roles.borrow() {
            Role::Leader(leadership) => Some(leadership.clone()),
            Role::Standby => None,
        }
    }

    /// Counts a request to reconcile a Service after a delay.
    pub fn enqueued(&self, uid: &ServiceUid, delay: Duration) {
        if self.memory.workqueue.add(uid, delay) {
            self.metrics.workqueue.added();
        }
    }

    /// Drops what is remembered of Services that were deleted while no watch was
    /// connected.
    pub fn forget_absent(&self) {
        if !*self.watched.services_listed.borrow() {
            return;
        }
        let services = self.watched.services.state();
        let uids = services.iter().filter_map(|service| uid(service));
        self.memory.retain(&uids.collect::<HashSet<_>>());
    }
}

/// The UID, which every object from an API server has.
pub fn uid(service: &Service) -> Option<ServiceUid> {
    service.uid().map(ServiceUid::new)
}
