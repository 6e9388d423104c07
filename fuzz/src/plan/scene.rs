//! What is observed, chosen byte by byte.

use std::collections::BTreeMap;
use std::net::IpAddr;

use my_cloud_controller_manager::cloud::Profile;
use my_cloud_controller_manager::plan::load_balancer::{Addresses, LoadBalancer, State};
use my_cloud_controller_manager::plan::naming::{LoadBalancerId, LoadBalancerName};
use my_cloud_controller_manager::plan::node_addresses::NodeAddresses;
use my_cloud_controller_manager::plan::record::{Ingress, Record};
use my_cloud_controller_manager::plan::service::{PortView, ServiceView};
use my_cloud_controller_manager::plan::{Backends, CloudView};

use super::super::choices::Choices;
use super::super::world;

pub(super) fn service(choices: &mut Choices<'_>) -> ServiceView {
    let mut annotations = BTreeMap::new();
    let mut annotate = |name: &str, value: Option<&str>| {
        annotations.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    };
    let switches = [Some("true"), Some("false"), None, Some("True"), Some("")];
    annotate("enable", choices.pick(&switches));
    let providers = [
        "cloud1",
        "cloud2",
        "cloud1,cloud2",
        "gone",
        "cloud2 , cloud1",
        "",
    ];
    annotate("provider", Some(choices.pick(&providers)));
    annotate(
        "lb-bandwidth",
        choices.pick(&[None, Some("10M"), Some("fast")]),
    );
    let ids = choices.pick(&["", "lb-1", "lb-1,lb-2", ",lb-2", "lb-1,lb-1,lb-1", "x"]);
    let recorded = choices.pick(&["", "cloud1", "cloud1,cloud2", "cloud2,gone", "gone"]);
    let owner = world::owner();
    ServiceView {
        key: owner.service_key(),
        uid: owner.uid,
        deleting: choices.flag(),
        is_load_balancer: !choices.flag(),
        class: choices.pick(&[None, Some("other".to_owned())]),
        refused: Vec::new(),
        too_large: Vec::new(),
        annotations,
        ports: vec![PortView {
            name: String::new(),
            protocol: choices.pick(&["TCP", "UDP"]).to_owned(),
            port: 80,
            node_port: choices.pick(&[Some(30080), None]),
            app_protocol: None,
        }],
        source_ranges: Vec::new(),
        client_affinity_seconds: choices.pick(&[None, Some(600)]),
        ip_families: Default::default(),
        requires_dual_stack: false,
        health_check_node_port: None,
        requested_ip: None,
        defaults: Default::default(),
        offers: Default::default(),
        finalizer: choices.flag(),
        record: Record::parse(Some(ids), Some(recorded)),
        published: ips(choices).into_iter().map(Ingress::Ip).collect(),
        published_modes: Default::default(),
    }
}

pub(super) fn backends(choices: &mut Choices<'_>) -> Backends {
    Backends {
        addresses: nodes(choices),
        none_confirmed: choices.flag(),
        ..Backends::default()
    }
}

fn nodes(choices: &mut Choices<'_>) -> NodeAddresses {
    let few: [&[u8]; 4] = [&[1, 2], &[1], &[], &[2, 3]];
    let last = choices.pick(&few).iter();
    last.map(|last| IpAddr::from([10, 0, 0, *last])).collect()
}

fn ips(choices: &mut Choices<'_>) -> Vec<IpAddr> {
    let few: [&[u8]; 4] = [&[1], &[], &[2], &[1, 2]];
    let last = choices.pick(&few).iter();
    last.map(|last| IpAddr::from([192, 0, 2, *last])).collect()
}

pub(super) fn cloud_view(choices: &mut Choices<'_>) -> Option<CloudView> {
    match choices.pick(&[0, 1, 2, 3, 4, 5, 6]) {
        0 => Some(CloudView::Present(Box::new(load_balancer(choices)))),
        1 => Some(CloudView::Absent),
        2 => Some(CloudView::NameTaken),
        3 => Some(CloudView::NotConfigured),
        4 => Some(CloudView::Unreachable),
        5 => Some(CloudView::Unanswered),
        _ => None,
    }
}

/// One of ours, in whatever state.
fn load_balancer(choices: &mut Choices<'_>) -> LoadBalancer {
    let ours = world::load_balancer(Profile::Standard);
    let renamed = LoadBalancerName::new("renamed");
    let mut found = LoadBalancer {
        id: LoadBalancerId::new(choices.pick(&["lb-1", "lb-2", "x"])),
        name: choices.pick(&[ours.name.clone(), renamed]),
        is_understood: !choices.flag(),
        has_other_back_ends: false,
        opaque_listener: None,
        addresses: Addresses {
            ips: ips(choices),
            refused: choices.pick(&[None, Some("it is refused".to_owned())]),
            ..Addresses::default()
        },
        state: choices.pick(&[
            State::Active,
            State::Provisioning,
            State::Error("broken".to_owned()),
            State::Deleting,
        ]),
        ..ours
    };
    found.spec.nodes = nodes(choices);
    found.spec.bandwidth = choices.pick(&["5M", "10M", "1T"]).to_owned();
    found
}
