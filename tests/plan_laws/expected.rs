//! What Services want and which load balancers are theirs, written without the
//! shipped code; and the names that all scenes use.

use std::collections::BTreeSet;
use std::net::IpAddr;

use my_cloud_controller_manager::plan::CreateRequest;
use my_cloud_controller_manager::plan::health_check::HealthCheck;
use my_cloud_controller_manager::plan::load_balancer::{
    Algorithm, Listener, LoadBalancer, LoadBalancerSpec, Protocol,
};
use my_cloud_controller_manager::plan::naming::{
    CloudName, ClusterId, LoadBalancerId, Owner, ServiceUid,
};
use my_cloud_controller_manager::plan::node_addresses::NodeAddresses;
use my_cloud_controller_manager::plan::record::Ingress;
use my_cloud_controller_manager::plan::service::{PortView, ServiceView};

use crate::scene::Nodes;

/// The name of the cloud at this index of [`Scene::clouds`].
pub fn cloud_name(index: usize) -> CloudName {
    CloudName::new(format!("cloud{}", index + 1))
}

pub fn cluster() -> ClusterId {
    ClusterId::new("cluster")
}

pub fn owner() -> Owner {
    Owner {
        cluster: cluster(),
        namespace: "default".into(),
        name: "web".into(),
        uid: ServiceUid::new("uid"),
    }
}

pub fn wanted_spec(nodes: Nodes) -> LoadBalancerSpec {
    LoadBalancerSpec {
        nodes: nodes.addresses(),
        listeners: vec![Listener {
            name: "http".into(),
            protocol: Protocol::Tcp,
            port: 80,
            node_port: 30080,
            health_check: HealthCheck::Unspecified,
            proxy_protocol: None,
            app_protocol: None,
        }],
        spec: "standard".into(),
        bandwidth: "5M".into(),
        algorithm: Algorithm::RoundRobin,
        source_ranges: Vec::new(),
        client_affinity_seconds: None,
        ..LoadBalancerSpec::default()
    }
}

/// The spec that a valid Service wants, with these Nodes.
pub fn spec_of(service: &ServiceView, nodes: &NodeAddresses) -> LoadBalancerSpec {
    let listener = |port: &PortView| Listener {
        name: port.name.clone(),
        protocol: match port.protocol.as_str() {
            "UDP" => Protocol::Udp,
            _ => Protocol::Tcp,
        },
        port: port.port,
        node_port: port.node_port.unwrap_or_default(),
        health_check: HealthCheck::Unspecified,
        proxy_protocol: None,
        app_protocol: None,
    };
    LoadBalancerSpec {
        nodes: nodes.clone(),
        listeners: service.ports.iter().map(listener).collect(),
        bandwidth: service.annotations["lb-bandwidth"].clone(),
        ..wanted_spec(Nodes::None)
    }
}

/// The clouds that a Service names.
pub fn clouds_of(service: &ServiceView) -> BTreeSet<CloudName> {
    let named = service.annotations["provider"].split(',');
    named.map(CloudName::new).collect()
}

/// The entries of a Service's status for a load balancer.
pub fn addresses_of(found: &LoadBalancer) -> Vec<Ingress> {
    let addresses = &found.addresses;
    let names = addresses.hostnames.iter().cloned().map(Ingress::Hostname);
    addresses
        .ips
        .iter()
        .copied()
        .map(Ingress::Ip)
        .chain(names)
        .collect()
}

/// Whether a load balancer is this owner's.
pub fn is_of(found: &LoadBalancer, owner: &Owner) -> bool {
    match &found.owner {
        Some(shown) => shown.cluster == owner.cluster && shown.uid == owner.uid,
        None => found.name == owner.load_balancer_name(),
    }
}

pub fn without_names(mut spec: LoadBalancerSpec) -> LoadBalancerSpec {
    for listener in &mut spec.listeners {
        listener.name.clear();
    }
    spec
}

pub fn id(index: usize) -> LoadBalancerId {
    LoadBalancerId::new(format!("lb-{}", index + 1))
}

pub fn address(index: usize) -> IpAddr {
    IpAddr::from([192, 0, 2, index as u8 + 1])
}

pub fn wanted_request(nodes: Nodes) -> CreateRequest {
    CreateRequest {
        name: owner().load_balancer_name(),
        owner: owner(),
        spec: wanted_spec(nodes),
    }
}
