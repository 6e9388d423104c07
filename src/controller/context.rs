//! The clients, stores and settings that every reconcile uses.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use kube::ResourceExt;
use kube::runtime::reflector::Store;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::cloud_handle::CloudHandle;
use super::memory::Memory;
use super::memory::left_calls::Answer;
use super::observe::cloud_query::Sources;
use super::workqueue::Workqueue;
use crate::election::{Leadership, Role};
use crate::kubernetes::events::Events;
use crate::kubernetes::node_watch::NodeSets;
use crate::kubernetes::service_object::Service;
use crate::kubernetes::service_writer::ServiceWriter;
use crate::kubernetes::{MetadataKeys, service};
use crate::plan::KnownClouds;
use crate::plan::naming::{CloudName, ClusterId, ServiceKey, ServiceUid};
use crate::plan::service::ServiceView;
use crate::priority::Priority;
use crate::telemetry::Metrics;
use crate::telemetry::log_throttle::LogThrottle;
use crate::telemetry::traces::Tracer;

/// The clients, stores and settings that every reconcile uses.
pub struct Context {
    pub cluster: ClusterId,
    /// The names of our annotations, finalizer and condition.
    pub metadata_keys: MetadataKeys,
    /// What is known of what each cloud can do.
    pub capabilities: watch::Sender<Arc<KnownClouds>>,
    pub clouds: BTreeMap<CloudName, CloudHandle>,
    pub watched: Watched,
    /// The client for reading and writing Services.
    pub services: ServiceWriter,
    pub events: Events,
    pub metrics: Arc<Metrics>,
    pub tracer: Tracer,
    pub log_throttle: LogThrottle,
    pub memory: Arc<Memory>,
    pub queue: Arc<Workqueue>,
    pub roles: watch::Receiver<Role>,
    /// Cancelled when no new work may start.
    pub stopping: CancellationToken,
}

/// The state of the cluster, as the watches show it.
pub struct Watched {
    pub services: Store<Service>,
    /// Whether all Services were listed once.
    pub services_listed: watch::Receiver<bool>,
    /// `None` until all Nodes were listed.
    pub nodes: watch::Receiver<Option<NodeSets>>,
}

impl Context {
    /// What is known of the clouds without a query.
    pub fn sources(&self) -> Sources<'_> {
        Sources {
            cluster: &self.cluster,
            clouds: &self.clouds,
            pending_creates: &self.memory.pending_creates,
            left_calls: &self.memory.left_calls,
        }
    }

    /// The leadership of this replica; `None` for a standby and while stopping.
    pub fn leadership(&self) -> Option<Leadership> {
        if self.stopping.is_cancelled() {
            return None;
        }
        match &*self.roles.borrow() {
            Role::Leader(leadership) => Some(leadership.clone()),
            Role::Standby => None,
        }
    }

    /// What is known now of what each cloud can do.
    pub fn known_clouds(&self) -> Arc<KnownClouds> {
        self.capabilities.borrow().clone()
    }

    /// Queues a Service, if this replica leads. A new leader queues all Services, so
    /// that none is lost on a standby.
    pub fn enqueue(&self, service: &Service, priority: Priority) {
        if self.leadership().is_some()
            && let Some(key) = key(service)
        {
            self.queue.add(&key, priority);
        }
    }

    /// Records the end of a call that an attempt has left behind, and queues the Service.
    pub fn call_ended(&self, service: &ServiceView, cloud: &CloudName, answer: Answer) {
        self.memory.left_calls.end(&service.uid, cloud, answer);
        if self.leadership().is_some() {
            self.queue.add(&service.key, Priority::User);
        }
    }

    /// Queues every Service. Only with the priority of a user does that move those that
    /// wait for a place.
    pub fn enqueue_all(&self, priority: Priority) {
        for service in self.watched.services.state() {
            self.enqueue(&service, priority);
        }
    }

    /// Queues every Service for a new leader: those for which a user may be waiting come
    /// first, however many are in sync.
    pub fn enqueue_all_at_takeover(&self) {
        for service in self.watched.services.state() {
            let priority = match service::is_pending(&service, &self.metadata_keys) {
                true => Priority::User,
                false => Priority::Background,
            };
            self.enqueue(&service, priority);
        }
    }

    /// Drops the memory of Services that were deleted while the watch was
    /// disconnected.
    pub fn forget_absent(&self) {
        if !*self.watched.services_listed.borrow() {
            return;
        }
        let services = self.watched.services.state();
        let uids = services.iter().filter_map(|service| uid(service));
        self.memory.retain(&uids.collect::<HashSet<_>>());
    }
}

/// The namespace and name of a Service; every object from an API server has both.
pub fn key(service: &Service) -> Option<ServiceKey> {
    Some(ServiceKey {
        namespace: service.namespace()?,
        name: service.metadata.name.clone()?,
    })
}

/// The UID of a Service; every object from an API server has one.
pub fn uid(service: &Service) -> Option<ServiceUid> {
    service.uid().map(ServiceUid::new)
}
