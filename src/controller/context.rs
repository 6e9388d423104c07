//! What every reconcile has in hand.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use kube::runtime::reflector::Store;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::cloud_in_hand::CloudInHand;
use super::doubts::Doubts;
use super::drift::Drift;
use super::own_writes::OwnWrites;
use super::reconcile::key;
use super::retry::Retry;
use super::said::Said;
use super::trace::Provisions;
use super::vanished::Vanished;
use crate::election::{Leadership, Role};
use crate::kubernetes::Marks;
use crate::kubernetes::events::Events;
use crate::kubernetes::node_watch::NodeSet;
use crate::kubernetes::service_writer::ServiceWriter;
use crate::plan::Clouds;
use crate::plan::naming::{CloudName, ClusterId, ServiceKey, ServiceUid};
use crate::telemetry::Metrics;
use crate::telemetry::repeats::Repeats;
use crate::telemetry::traces::Tracer;

/// What every reconcile has in hand.
pub struct Context {
    /// This cluster, as the owner of load balancers.
    pub cluster: ClusterId,
    /// Names of our marks on Services.
    pub marks: Marks,
    /// The configured clouds, as the plan knows them.
    pub abilities: Clouds,
    /// The configured clouds, each with what it is known to have.
    pub clouds: BTreeMap<CloudName, CloudInHand>,
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
    pub provisions: Provisions,
    /// Whether we lead.
    pub roles: watch::Receiver<Role>,
    /// The Nodes; `None` until all are known.
    pub nodes: watch::Receiver<Option<NodeSet>>,
    /// When to try again.
    pub retry: Retry,
    /// What Events have been said.
    pub said: Said,
    /// What failures have been logged of late.
    pub repeats: Repeats,
    /// Our writes that the watch has not shown yet.
    pub own_writes: OwnWrites,
    /// Creates that may have happened.
    pub doubts: Doubts,
    /// What changed at the clouds although nobody asked for it.
    pub drift: Drift,
    /// Where Services are handed in that went although our finalizer was on them.
    pub vanished: Vanished,
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
        self.retry.forget(&uid);
        self.own_writes.forget(&uid);
        self.drift.forget(&uid);
        self.said.forget(&uid);
        self.provisions.forget(&uid);
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
        self.retry.keep(&alive);
        self.own_writes.keep(&alive);
        self.drift.keep(&alive);
        self.said.keep(&alive);
        self.metrics.provisioning.keep(&alive);
        self.metrics.nodes.keep(&alive);
        let known: HashSet<ServiceKey> = services.iter().map(|service| key(service)).collect();
        self.metrics.queue.keep(&known);
        self.provisions.keep(&alive);
    }
}
