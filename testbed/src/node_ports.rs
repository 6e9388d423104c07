//! Replaces kube-proxy and the pods: on every Node, at every node port of every
//! Service, a back end answers with the names of both.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use anyhow::{Result, bail};
use futures::{Stream, StreamExt, stream};
use k8s_openapi::api::core::v1::{Node, Service};
use kube::runtime::reflector::{self, Lookup, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::back_end::BackEnd;
use crate::cloud::Protocol;

/// The names of the Node and the Service for each socket.
type Desired = BTreeMap<(SocketAddr, Protocol), (String, String)>;

/// The sockets that answer at present.
#[derive(Clone, Default)]
struct Served {
    sockets: BTreeSet<(SocketAddr, Protocol)>,
    /// Of the ports that could not be taken.
    errors: Vec<String>,
}

/// Follows Nodes and Services until it is dropped.
pub struct NodePorts {
    served: watch::Receiver<Served>,
    _task: AbortOnDropHandle<()>,
}

impl NodePorts {
    /// Starts to follow.
    pub fn start(client: &Client) -> Self {
        let (sender, served) = watch::channel(Served::default());
        let task = tokio::spawn(follow(client.clone(), sender));
        Self {
            served,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// Whether this Service's node ports answer on all these Nodes.
    ///
    /// # Errors
    /// One of the ports cannot be taken.
    pub fn answer(&self, service: &Service, nodes: &[IpAddr]) -> Result<bool> {
        let served = self.served.borrow();
        if !served.errors.is_empty() {
            bail!("{}", served.errors.join("; "));
        }
        let mut desired = nodes.iter().flat_map(|node| sockets(service, *node));
        Ok(desired.all(|socket| served.sockets.contains(&socket)))
    }
}

async fn follow(client: Client, served: watch::Sender<Served>) {
    let (nodes, node_changes) = watched::<Node>(&client);
    let (services, service_changes) = watched::<Service>(&client);
    let mut changes = stream::select(node_changes.boxed(), service_changes.boxed());
    let mut running = BTreeMap::new();
    while changes.next().await.is_some() {
        let desired = desired(&nodes.state(), &services.state());
        let errors = update(desired, &mut running).await;
        served.send_replace(Served {
            sockets: running.keys().copied().collect(),
            errors,
        });
    }
}

/// A store, and a tick for each change of it.
fn watched<K>(client: &Client) -> (Store<K>, impl Stream<Item = ()> + Send + use<K>)
where
    K: Resource<DynamicType = ()> + Lookup<DynamicType = ()>,
    K: Clone + DeserializeOwned + std::fmt::Debug + Send + Sync + 'static,
{
    let (store, writer) = reflector::store();
    let watched = watcher(Api::all(client.clone()), watcher::Config::default());
    let changes = watched.default_backoff().reflect(writer);
    // An error ends nothing: the watch starts again.
    (store, changes.map(drop))
}

fn desired(nodes: &[Arc<Node>], services: &[Arc<Service>]) -> Desired {
    let addresses = nodes
        .iter()
        .filter_map(|node| Some((node.name_any(), internal_ip(node)?)));
    addresses
        .flat_map(|(node, address)| {
            services.iter().flat_map(move |service| {
                let names = (node.clone(), service.name_any());
                let sockets = sockets(service, address).into_iter();
                sockets.map(move |socket| (socket, names.clone()))
            })
        })
        .collect()
}

/// Stops the back ends that are no longer desired and starts those that are
/// missing; gives the errors.
async fn update(
    desired: Desired,
    running: &mut BTreeMap<(SocketAddr, Protocol), BackEnd>,
) -> Vec<String> {
    running.retain(|socket, _| desired.contains_key(socket));
    let mut errors = Vec::new();
    for ((address, protocol), (node, service)) in desired {
        if running.contains_key(&(address, protocol)) {
            continue;
        }
        let text = format!("{node} (Service {service})");
        match BackEnd::start(address.ip(), address.port(), protocol, text).await {
            Ok(back_end) => drop(running.insert((address, protocol), back_end)),
            Err(error) => errors.push(format!("{error:#}")),
        }
    }
    errors
}

fn sockets(service: &Service, node: IpAddr) -> Vec<(SocketAddr, Protocol)> {
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_deref());
    let sockets = ports.unwrap_or_default().iter().filter_map(|port| {
        let number = u16::try_from(port.node_port?).ok()?;
        let protocol = match port.protocol.as_deref() {
            Some("UDP") => Protocol::Udp,
            _ => Protocol::Tcp,
        };
        Some((SocketAddr::new(node, number), protocol))
    });
    sockets.collect()
}

fn internal_ip(node: &Node) -> Option<IpAddr> {
    let addresses = node.status.as_ref()?.addresses.as_deref()?;
    let internal = addresses
        .iter()
        .find(|address| address.type_ == "InternalIP");
    internal?.address.parse().ok()
}
