//! A leader with two clouds, and a Service.

use std::collections::BTreeSet;
use std::sync::Arc;

use kube::runtime::reflector;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::api_server::{ApiServer, merge};
use super::cloud::{Scripted, made};
use crate::controller::Context;
use crate::controller::cloud_handle::CloudHandle;
use crate::controller::context::{Watched, key};
use crate::controller::observe::observe_service;
use crate::controller::reconcile::reconcile_object;
use crate::controller::workqueue::Workqueue;
use crate::election::{Role, sole_leader};
use crate::kubernetes::MetadataKeys;
use crate::kubernetes::events::Events;
use crate::kubernetes::node_watch::{NodeSet, NodeSets};
use crate::kubernetes::service::view;
use crate::kubernetes::service_object::Service;
use crate::kubernetes::service_writer::ServiceWriter;
use crate::plan::load_balancer::LoadBalancer;
use crate::plan::naming::{CloudName, ClusterId};
use crate::plan::node_addresses::NodeAddresses;
use crate::plan::{Capabilities, CreateRequest, Desired, KnownClouds, desired};
use crate::priority::Priority;
use crate::telemetry::Metrics;

pub(in crate::controller) fn metadata_keys() -> MetadataKeys {
    MetadataKeys::new("mycloud.com")
}

pub(in crate::controller) fn cluster() -> ClusterId {
    ClusterId::new("cluster")
}

/// A Service on cloud1 with our finalizer, and with the changes of a test.
pub(in crate::controller) fn service(changes: Value) -> Service {
    let mut service = json!({
        "metadata": {
            "namespace": "default", "name": "web", "uid": "uid", "resourceVersion": "10",
            "finalizers": ["mycloud.com/load-balancer"],
            "annotations": {"mycloud.com/enable": "true", "mycloud.com/provider": "cloud1"},
        },
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80, "nodePort": 30080}]},
    });
    merge(&mut service, changes);
    serde_json::from_value(service).expect("a Service")
}

/// The load balancer of a Service.
pub(in crate::controller) fn load_balancer(of: &Service, id: &str) -> LoadBalancer {
    let view = view(of, &metadata_keys()).expect("a whole Service");
    let capabilities = names().map(|name| (name, Capabilities::standard())).into();
    let Desired::Managed(wanted) = desired(&view, &cluster(), &capabilities) else {
        panic!("ours");
    };
    let request = CreateRequest {
        name: wanted.owner.load_balancer_name(),
        owner: wanted.owner.clone(),
        spec: wanted.spec(&names()[0], &NodeAddresses::default()),
    };
    made(&request, id)
}

fn names() -> [CloudName; 2] {
    ["cloud1", "cloud2"].map(CloudName::new)
}

/// A leader whose watch shows these Services and that has listed no cloud yet.
pub(in crate::controller) fn leader(
    server: &ApiServer,
    clouds: [&Arc<Scripted>; 2],
    shown: impl IntoIterator<Item = Service>,
) -> Arc<Context> {
    let (_, roles) = watch::channel(Role::Leader(sole_leader(1)));
    replica(roles, server, clouds, shown)
}

/// A leader that has recorded this Service as in sync.
pub(in crate::controller) fn leader_in_sync(
    server: &ApiServer,
    cloud: &Arc<Scripted>,
    was: &Service,
) -> Arc<Context> {
    let context = leader(server, [cloud, cloud], []);
    let Ok(observed) = observe_service(Arc::new(was.clone()), &context) else {
        panic!("ours");
    };
    context.memory.drift.mark_in_sync(&observed);
    context
}

/// A replica in any role.
pub(in crate::controller) fn replica(
    roles: watch::Receiver<Role>,
    server: &ApiServer,
    clouds: [&Arc<Scripted>; 2],
    shown: impl IntoIterator<Item = Service>,
) -> Arc<Context> {
    let (services_store, mut writer) = reflector::store();
    for service in shown {
        writer.apply_watcher_event(&kube::runtime::watcher::Event::Apply(service));
    }
    let metrics = Arc::new(Metrics::for_test(&names()));
    let (events, _) = Events::new(server.client(), "test", Arc::default(), metrics.clone());
    let nodes = NodeSet {
        version: 1,
        ..NodeSet::default()
    };
    let handle = |cloud: &Arc<Scripted>| CloudHandle::new(cloud.clone(), Capabilities::standard());
    let context = Context {
        cluster: cluster(),
        capabilities: watch::Sender::new(Arc::new(KnownClouds {
            clouds: names().map(|name| (name, Capabilities::standard())).into(),
            untold: BTreeSet::new(),
        })),
        clouds: names().into_iter().zip(clouds.map(handle)).collect(),
        watched: Watched {
            services: services_store,
            services_listed: watch::channel(true).1,
            nodes: watch::channel(Some(NodeSets::for_test(nodes))).1,
        },
        services: ServiceWriter::new(
            server.client(),
            metadata_keys(),
            Arc::default(),
            metrics.clone(),
        ),
        metadata_keys: metadata_keys(),
        events,
        roles,
        queue: Workqueue::new(names().map(|name| (name, 16)), metrics.clone()),
        metrics,
        memory: Default::default(),
        tracer: Default::default(),
        log_throttle: Default::default(),
        stopping: Default::default(),
    };
    Arc::new(context)
}

/// Reconciles a Service in this state, after the first lists of the clouds.
pub(in crate::controller) async fn reconcile(service: Service, context: Arc<Context>) {
    for cloud in context.clouds.keys() {
        context.queue.mark_listed(cloud);
    }
    let key = key(&service).expect("a whole Service");
    context.queue.add(&key, Priority::User);
    let work = context.queue.next().await;
    let leadership = context.leadership().expect("it leads");
    reconcile_object(Arc::new(service), work, &leadership, &context).await;
}
