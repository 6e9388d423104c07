//! Replaces kube-proxy and the pods: on every Node, at every node port of every
//! Service, a back end answers with the names of both.
//!
//! For a Service with `externalTrafficPolicy: Local`, only Nodes with an endpoint in its
//! EndpointSlices have one, and the port of its health check tells which Nodes those are.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use anyhow::{Result, bail};
use futures::{Stream, StreamExt, stream};
use k8s_openapi::api::core::v1::{Node, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::runtime::reflector::{self, Lookup, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::back_end::BackEnd;
use crate::cloud::Protocol;

/// Where kube-proxy tells whether a Node can take traffic for any Service.
const KUBE_PROXY_HEALTH: u16 = 10_256;
/// The taint with which kube-proxy says that it cannot (KEP-3836).
const LEAVING: &str = "ToBeDeletedByClusterAutoscaler";
/// The label of an EndpointSlice that names its Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// What answers at each socket.
type Desired = BTreeMap<(SocketAddr, Protocol), Answer>;

/// What a socket answers.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    /// The names of the Node and the Service.
    BackEnd(String, String),
    /// Whether a Node has an endpoint, or stays, as kube-proxy tells it.
    Health(bool),
}

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
        Self::start_on(client, &[])
    }

    /// The same with kube-proxy's own health on every Node. Its port is fixed, so no other test
    /// may have Nodes with these addresses.
    pub fn start_with_kube_proxy_health(client: &Client) -> Self {
        Self::start_on(client, &[KUBE_PROXY_HEALTH])
    }

    fn start_on(client: &Client, health_ports: &'static [u16]) -> Self {
        let (sender, served) = watch::channel(Served::default());
        let task = tokio::spawn(follow(client.clone(), health_ports, sender));
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

async fn follow(client: Client, health_ports: &[u16], served: watch::Sender<Served>) {
    let (nodes, node_changes) = watched::<Node>(&client);
    let (services, service_changes) = watched::<Service>(&client);
    let (slices, slice_changes) = watched::<EndpointSlice>(&client);
    let objects = stream::select(service_changes.boxed(), slice_changes.boxed());
    let mut changes = stream::select(node_changes.boxed(), objects);
    let mut running = BTreeMap::new();
    while changes.next().await.is_some() {
        let nodes = nodes.state();
        let mut desired = desired(&nodes, &services.state(), &slices.state());
        desired.extend(nodes.iter().flat_map(|node| {
            let address = internal_ip(node);
            let sockets = address.into_iter().flat_map(|address| {
                health_ports
                    .iter()
                    .map(move |port| SocketAddr::new(address, *port))
            });
            sockets.map(|socket| ((socket, Protocol::Tcp), Answer::Health(!is_leaving(node))))
        }));
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

fn desired(
    nodes: &[Arc<Node>],
    services: &[Arc<Service>],
    slices: &[Arc<EndpointSlice>],
) -> Desired {
    let mut desired = Desired::new();
    for node in nodes {
        let (name, Some(address)) = (node.name_any(), internal_ip(node)) else {
            continue;
        };
        for service in services {
            let health = health_check_port(service);
            let has_endpoint = health.is_none() || has_endpoint(service, &name, slices);
            if let Some(port) = health {
                let socket = (SocketAddr::new(address, port), Protocol::Tcp);
                desired.insert(socket, Answer::Health(has_endpoint));
            }
            if has_endpoint {
                let answer = Answer::BackEnd(name.clone(), service.name_any());
                let sockets = sockets(service, address).into_iter();
                desired.extend(sockets.map(|socket| (socket, answer.clone())));
            }
        }
    }
    desired
}

/// Whether kube-proxy knows that the Node is about to go.
fn is_leaving(node: &Node) -> bool {
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_ref());
    let is_tainted = taints.is_some_and(|taints| taints.iter().any(|taint| taint.key == LEAVING));
    node.metadata.deletion_timestamp.is_some() || is_tainted
}

/// The port at which kube-proxy tells whether a Node has an endpoint.
fn health_check_port(service: &Service) -> Option<u16> {
    let port = service.spec.as_ref()?.health_check_node_port?;
    u16::try_from(port).ok().filter(|port| *port != 0)
}

fn has_endpoint(service: &Service, node: &str, slices: &[Arc<EndpointSlice>]) -> bool {
    let is_of_service = |slice: &&Arc<EndpointSlice>| {
        slice.metadata.namespace == service.metadata.namespace
            && slice.labels().get(SERVICE_NAME) == Some(&service.name_any())
    };
    let mut endpoints = slices
        .iter()
        .filter(is_of_service)
        .flat_map(|slice| slice.endpoints.iter().flatten());
    endpoints.any(|endpoint| endpoint.node_name.as_deref() == Some(node))
}

/// Stops the back ends that are no longer desired and starts those that are
/// missing; gives the errors.
async fn update(
    desired: Desired,
    running: &mut BTreeMap<(SocketAddr, Protocol), (Answer, BackEnd)>,
) -> Vec<String> {
    let stays = |socket: &_, (answer, _): &(Answer, BackEnd)| desired.get(socket) == Some(answer);
    let gone = running.extract_if(.., |socket, served| !stays(socket, served));
    for (_, (_, back_end)) in gone.collect::<Vec<_>>() {
        back_end.stop().await;
    }
    let mut errors = Vec::new();
    for ((address, protocol), answer) in desired {
        if running.contains_key(&(address, protocol)) {
            continue;
        }
        let (ip, port) = (address.ip(), address.port());
        let started = match &answer {
            Answer::BackEnd(node, service) => {
                let text = format!("{node} (Service {service})");
                BackEnd::start(ip, port, protocol, text).await
            }
            Answer::Health(true) => BackEnd::start(ip, port, protocol, "healthy").await,
            Answer::Health(false) => BackEnd::start_refusing(ip, port, "no endpoint").await,
        };
        match started {
            Ok(back_end) => drop(running.insert((address, protocol), (answer, back_end))),
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
            // Nothing answers there.
            Some("SCTP") => return None,
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
