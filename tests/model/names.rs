//! The world's numbers as values of the shipped types, and back.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use my_cloud_controller_manager::plan::Capabilities;
use my_cloud_controller_manager::plan::annotation::{
    DELETION_POLICY, ENABLE, LB_BANDWIDTH, PROVIDER,
};
use my_cloud_controller_manager::plan::capabilities::Feature;
use my_cloud_controller_manager::plan::execution::Lane;
use my_cloud_controller_manager::plan::health_check::HealthCheck;
use my_cloud_controller_manager::plan::load_balancer::{
    Addresses, Algorithm, Listener, LoadBalancer, LoadBalancerSpec, Protocol, State,
};
use my_cloud_controller_manager::plan::naming::{
    CloudName, ClusterId, LoadBalancerId, Owner, ServiceKey, ServiceUid,
};
use my_cloud_controller_manager::plan::node_addresses::NodeAddresses;
use my_cloud_controller_manager::plan::service::{PortView, ServiceView};
use my_cloud_controller_manager::plan::{Backends, Clouds};

use crate::state::{Balancer, CLOUDS, Facts, Id, Kind, Phase};

const BANDWIDTHS: [&str; 2] = ["5M", "9M"];

pub fn cluster() -> ClusterId {
    ClusterId::new("ours")
}

pub fn clouds() -> Clouds {
    let mut can = Capabilities::standard();
    can.features.insert(Feature::Release);
    (0..CLOUDS)
        .map(|cloud| (cloud_name(cloud), can.clone()))
        .collect()
}

pub fn cloud_name(cloud: u8) -> CloudName {
    CloudName::new(format!("cloud{}", cloud + 1))
}

/// The lane of a number: 0 is the Service, and 1 is the first cloud.
pub fn lane(number: u8) -> Lane {
    match number.checked_sub(1) {
        None => Lane::Service,
        Some(cloud) => Lane::Cloud(cloud_name(cloud)),
    }
}

pub fn lane_number(lane: &Lane) -> u8 {
    match lane {
        Lane::Service => 0,
        Lane::Cloud(cloud) => cloud_number(cloud) + 1,
    }
}

/// The number at the end of a name. Any other text is a bug of the model itself.
fn number(text: &str) -> u8 {
    let digits = text.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    digits
        .parse()
        .unwrap_or_else(|error| panic!("{text:?} has no number of this world: {error}"))
}

pub fn cloud_number(cloud: &CloudName) -> u8 {
    number(cloud.as_str()) - 1
}

pub fn uid_number(uid: &ServiceUid) -> u8 {
    number(uid.as_str())
}

pub fn bandwidth_number(bandwidth: &str) -> u8 {
    u8::from(bandwidth == BANDWIDTHS[1])
}

pub fn load_balancer_id(id: Id) -> LoadBalancerId {
    LoadBalancerId::new(format!("lb-{}-{}-{}", id.cloud, id.uid, id.nth))
}

pub fn id_number(id: &LoadBalancerId) -> Id {
    let mut numbers = id.as_str().split('-').skip(1).map(number);
    let mut next = || numbers.next().unwrap_or(u8::MAX);
    Id {
        cloud: next(),
        uid: next(),
        nth: next(),
    }
}

pub fn owner(uid: u8) -> Owner {
    Owner {
        cluster: cluster(),
        namespace: "default".into(),
        name: "web".into(),
        uid: ServiceUid::new(format!("uid-{uid}")),
    }
}

pub fn address(id: Id) -> IpAddr {
    Ipv4Addr::new(192, id.cloud, id.uid, id.nth).into()
}

/// The Nodes never change in this world: the laws of `plan` cover them.
pub fn backends() -> Backends {
    Backends {
        addresses: NodeAddresses::from([Ipv4Addr::new(10, 0, 0, 1).into()]),
        ..Backends::default()
    }
}

pub fn load_balancer(found: Balancer) -> LoadBalancer {
    let name = owner(found.id.uid);
    let owner = if found.is_ours {
        name.clone()
    } else if found.is_retained {
        name.clone().former()
    } else {
        Owner {
            cluster: ClusterId::new("theirs"),
            ..name.clone()
        }
    };
    let is_served = found.phase == Phase::Active;
    LoadBalancer {
        id: load_balancer_id(found.id),
        name: name.load_balancer_name(),
        owner: Some(owner),
        spec: LoadBalancerSpec {
            nodes: backends().addresses,
            listeners: vec![Listener {
                name: String::new(),
                protocol: Protocol::Tcp,
                port: 80,
                node_port: 30080,
                health_check: HealthCheck::Unspecified,
                proxy_protocol: None,
                app_protocol: None,
            }],
            spec: "standard".into(),
            bandwidth: BANDWIDTHS[usize::from(found.bandwidth)].into(),
            algorithm: Algorithm::RoundRobin,
            source_ranges: Vec::new(),
            client_affinity_seconds: None,
            ..LoadBalancerSpec::default()
        },
        is_understood: true,
        has_other_back_ends: false,
        opaque_listener: None,
        addresses: Addresses {
            ips: is_served.then(|| address(found.id)).into_iter().collect(),
            ..Addresses::default()
        },
        state: match found.phase {
            Phase::Provisioning => State::Provisioning,
            Phase::Active => State::Active,
            Phase::Deleting => State::Deleting,
        },
    }
}

pub fn service(facts: Facts) -> ServiceView {
    let named: Vec<String> = (0..CLOUDS)
        .filter(|cloud| facts.spec.clouds & (1 << cloud) != 0)
        .map(|cloud| cloud_name(cloud).to_string())
        .collect();
    let enable = facts.spec.kind != Kind::NotEnabled;
    ServiceView {
        key: ServiceKey {
            namespace: "default".into(),
            name: "web".into(),
        },
        uid: owner(facts.uid).uid,
        deleting: facts.deleting,
        is_load_balancer: facts.spec.kind != Kind::ClusterIp,
        class: None,
        refused: Vec::new(),
        too_large: Vec::new(),
        annotations: BTreeMap::from([
            (ENABLE.name().into(), enable.to_string()),
            (PROVIDER.name().into(), named.join(",")),
            (
                DELETION_POLICY.name().into(),
                if facts.spec.retains {
                    "retain"
                } else {
                    "delete"
                }
                .into(),
            ),
            (
                LB_BANDWIDTH.name().into(),
                BANDWIDTHS[usize::from(facts.spec.bandwidth)].into(),
            ),
        ]),
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
        finalizer: facts.finalizer,
        record: facts.published.get().record.clone(),
        published: facts.published.get().ingress.clone(),
        published_modes: facts.published.get().modes.clone(),
    }
}
