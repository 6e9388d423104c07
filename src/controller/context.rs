//! What every reconcile has in hand.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use kube::runtime::reflector::Store;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::cloud_handle::CloudHandle;
use super::doubts::PendingCreates;
use super::drift::Drift;
use super::own_writes::MutationCache;
use super::reconcile::key;
use super::retry::RequeuePolicy;
use super::said::EventDedup;
use super::trace::ProvisioningTraces;
use super::vanished::FinalizerRaces;
use crate::election::{Leadership, Role};
use crate::kubernetes::MetadataKeys;
use crate::kubernetes::events::Events;
use crate::kubernetes::node_watch::NodeSet;
use crate::kubernetes::service_writer::ServiceWriter;
use crate::plan::Clouds;
use crate::plan::naming::{CloudName, ClusterId, ServiceKey, ServiceUid};
use crate::telemetry::Metrics;
use crate::telemetry::log_throttle::LogThrottle;
use crate::telemetry::traces::Tracer;

/// What every reconcile has in hand.
pub struct Context {
    /// This cluster, as the owner of load balancers.
    pub cluster: ClusterId,
    /// Names of our marks on Services.
    pub metadata_keys: MetadataKeys,
    /// The configured clouds, as the plan knows them.
    pub capabilities: Clouds,
    /// The configured clouds, each with what it is known to have.
    pub clouds: BTreeMap<CloudName, CloudHandle>,
    /// Every Service, as the watch shows them.
    pub services_store: Store<Service>,
    /// Whether that is whole.
    pub services_listed: watch::Receiver<bool>,
    /// Writes to Services.
    pub services: ServiceWriter,
    /// Events on Services.
    pub events: Events,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// Where spans come from.
    pub tracer: Tracer,
    /// The traces of Services that wait for their first address.
    pub provisioning_traces: ProvisioningTraces,
    /// Whether we lead.
    pub roles: watch::Receiver<Role>,
    /// The Nodes; `None` until all are known.
    pub nodes: watch::Receiver<Option<NodeSet>>,
    /// When to try again.
    pub requeue: RequeuePolicy,
    /// What Events have been said.
    pub event_dedup: EventDedup,
    /// What failures have been logged of late.
    pub log_throttle: LogThrottle,
    /// Our writes that the watch has not shown yet.
    pub mutation_cache: MutationCache,
    /// Creates that may have happened.
    pub pending_creates: PendingCreates,
    /// What changed at the clouds although nobody asked for it.
    pub drift: Drift,
    /// Where Services are handed in that went although our finalizer was on them.
    pub finalizer_races: FinalizerRaces,
    /// Cancelled when no new work may be started.
    pub stopping: CancellationToken,
}

impl Context {
    /// Our leadership, unless we are a standby or about to stop.
    pub fn leadership(&self) -> Option<Leadership> {
        if self.stopping.is_cancelled() {
            return None;
        }
        match &*self.roles.borrow() {
            Role::Leader(leadership) => Some(leadership.clone()),
            Role::Standby => None,
        }
    }

    /// Drops what is remembered of a Service that is gone.
    pub fn forget(&self, service: &Service) {
        let Some(uid) = service.uid().map(ServiceUid::new) else {
            return;
        };
        self.requeue.forget(&uid);
        self.mutation_cache.forget(&uid);
        self.drift.forget(&uid);
        self.event_dedup.forget(&uid);
        self.provisioning_traces.forget(&uid);
        self.metrics.provisioning.forget(&uid);
        self.metrics.queue.forget(&key(service));
    }

    /// Drops what is remembered of Services that went while no watch was there
    /// to say so.
    pub fn forget_absent(&self) {
        if !*self.services_listed.borrow() {
            return;
        }
        let services = self.services_store.state();
        let uids = services.iter().filter_map(|service| service.uid());
        let alive: HashSet<ServiceUid> = uids.map(ServiceUid::new).collect();
        self.requeue.keep(&alive);
        self.mutation_cache.keep(&alive);
        self.drift.keep(&alive);
        self.event_dedup.keep(&alive);
        self.metrics.provisioning.keep(&alive);
        self.metrics.nodes.keep(&alive);
        let known: HashSet<ServiceKey> = services.iter().map(|service| key(service)).collect();
        self.metrics.queue.keep(&known);
        self.provisioning_traces.keep(&alive);
    }
}
