//! A Service, its load balancer and the Nodes, from which each case differs.

use super::*;

pub fn cluster() -> ClusterId {
    ClusterId::new("cluster")
}

pub fn clouds() -> Clouds {
    ["cloud1", "cloud2"]
        .map(|name| (CloudName::new(name), Capabilities::standard()))
        .into()
}

pub fn service(provider: &str) -> ServiceView {
    ServiceView {
        key: ServiceKey {
            namespace: "default".into(),
            name: "web".into(),
        },
        uid: ServiceUid::new("uid"),
        deleting: false,
        is_load_balancer: true,
        class: None,
        refused: Vec::new(),
        too_large: Vec::new(),
        annotations: [(ENABLE.name(), "true"), (PROVIDER.name(), provider)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        ports: vec![PortView {
            name: String::new(),
            protocol: "TCP".into(),
            port: 80,
            node_port: Some(30080),
            app_protocol: None,
        }],
        source_ranges: Vec::new(),
        client_affinity_seconds: None,
        ip_families: Default::default(),
        requires_dual_stack: false,
        health_check_node_port: None,
        requested_ip: None,
        defaults: Default::default(),
        offers: Default::default(),
        finalizer: true,
        record: Record::default(),
        published: Vec::new(),
        published_modes: Default::default(),
    }
}

pub fn nodes(addresses: &[&str]) -> Backends {
    let addresses = addresses
        .iter()
        .map(|address| address.parse().expect("address"))
        .collect();
    Backends {
        addresses,
        ..Backends::default()
    }
}

pub fn load_balancer(service: &ServiceView, nodes: &Backends) -> LoadBalancer {
    let Desired::Managed(wanted) = desired(service, &cluster(), &clouds()) else {
        panic!("fixture is managed");
    };
    LoadBalancer {
        id: LoadBalancerId::new("lb-1"),
        name: wanted.owner.load_balancer_name(),
        owner: Some(wanted.owner.clone()),
        spec: {
            let cloud = wanted.clouds.first().expect("a cloud");
            wanted.spec(cloud, &nodes.addresses)
        },
        is_understood: true,
        has_other_back_ends: false,
        opaque_listener: None,
        addresses: Addresses {
            ips: vec!["192.0.2.1".parse().expect("address")],
            ..Addresses::default()
        },
        state: State::Active,
    }
}

pub fn kinds(plan: &Plan) -> Vec<String> {
    let name = |action: &Action| {
        let text = format!("{action:?}");
        text.split([' ', '{', '('])
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    plan.actions.iter().map(name).collect()
}

/// A load balancer with these back ends and others that cannot be read.
pub fn unread(found: LoadBalancer, nodes: &Backends) -> CloudView {
    CloudView::Present(Box::new(LoadBalancer {
        spec: found.spec_with_nodes(&nodes.addresses),
        is_understood: false,
        has_other_back_ends: true,
        ..found
    }))
}
