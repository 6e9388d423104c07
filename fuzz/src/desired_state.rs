//! The properties of the desired state of any Service.

use my_cloud_controller_manager::kubernetes::condition::{ConditionReason, Readiness};
use my_cloud_controller_manager::plan::Capabilities;
use my_cloud_controller_manager::plan::annotation::{
    ENABLE, LB_BANDWIDTH, LB_CLOUD, LB_ID, PAUSED, describe_unknown,
};
use my_cloud_controller_manager::plan::excerpt::MESSAGE_LIMIT;
use my_cloud_controller_manager::plan::load_balancer::{Listener, LoadBalancerSpec, Protocol};
use my_cloud_controller_manager::plan::naming::CloudName;
use my_cloud_controller_manager::plan::node_addresses::NodeAddresses;
use my_cloud_controller_manager::plan::problem::describe_problems;
use my_cloud_controller_manager::plan::record::Record;
use my_cloud_controller_manager::plan::service::ServiceView;
use my_cloud_controller_manager::plan::{
    Desired, Invalid, Release, Wanted, clouds_to_query, desired,
};

use super::text::assert_one_short_line;
use super::world;

/// Derives the desired state; panics if a property does not hold.
pub fn check(view: &ServiceView) -> Desired {
    let (cluster, clouds) = (world::cluster(), world::clouds());
    let desired = desired(view, &cluster, &clouds);
    let queried = clouds_to_query(view, &desired, &clouds);
    let switch = view.annotations.get(ENABLE.name()).map(String::as_str);
    let is_on = switch == Some("true") && view.is_load_balancer && view.class.is_none();
    match &desired {
        Desired::Unmanaged(_) => {
            assert!(!view.finalizer && queried.is_empty());
            assert!(!is_on || view.deleting);
        }
        Desired::Released(release, _) => {
            assert!(view.finalizer && (!is_on || view.deleting));
            let has_class = view.class.is_some() || !view.is_load_balancer;
            // A typing error in the switch deletes nothing.
            let is_meant = has_class || is_plain_no(switch);
            assert!(*release == Release::Deleted || is_meant, "{switch:?}");
        }
        Desired::Invalid(invalid) => {
            assert!(!view.deleting && view.is_load_balancer && view.class.is_none());
            check_problems(invalid);
        }
        Desired::Paused => {
            let value = view.annotations.get(PAUSED.name()).map(String::as_str);
            assert!(value == Some("true") && !view.deleting && queried.is_empty());
        }
        Desired::Managed(wanted) => {
            assert!(is_on && !view.deleting);
            check_wanted(wanted, view);
        }
    }
    let ports = view.ports.iter().map(|port| &*port.name);
    if let Some(text) = describe_unknown(view.annotations.keys(), ports, "mycloud.com") {
        assert_one_short_line(&text);
    }
    check_record(view);
    desired
}

fn is_plain_no(switch: Option<&str>) -> bool {
    let word = switch.unwrap_or("no").trim().to_ascii_lowercase();
    ["false", "f", "0", "no", "off"].contains(&word.as_str())
}

fn check_problems(invalid: &Invalid) {
    assert!(!invalid.problems.is_empty());
    let message = describe_problems(&invalid.problems, "mycloud.com");
    assert_one_short_line(&message);
    let readiness = Readiness::new(ConditionReason::InvalidConfiguration, message);
    assert!(readiness.message.len() <= MESSAGE_LIMIT);
}

fn check_wanted(wanted: &Wanted, view: &ServiceView) {
    let clouds = world::clouds();
    let cloud = wanted.clouds.first().expect("a cloud");
    let spec = wanted.spec(cloud, &NodeAddresses::default());
    assert!(wanted.clouds.iter().all(|cloud| clouds.contains_key(cloud)));
    assert_eq!(wanted.owner, view.owner(&world::cluster()));
    for cloud in &wanted.clouds {
        let listeners = wanted.spec(cloud, &NodeAddresses::default()).listeners;
        // A port may lack several things.
        let is_lacking = |listener: &&Listener| {
            let mut lacking = wanted.lacking_ports(cloud).iter();
            lacking.any(|port| port.is_of(listener))
        };
        let lacking = wanted.listeners().iter().filter(is_lacking).count();
        assert_eq!(listeners.len() + lacking, view.ports.len());
        assert!(!listeners.is_empty() || view.ports.is_empty());
    }
    let asked = view
        .annotations
        .get(LB_BANDWIDTH.name())
        .map_or("5M", |text| text.trim());
    assert_eq!(kilobits(&spec.bandwidth), kilobits(asked), "{asked}");
    let mut is_known = spec.spec.chars().map(|letter| letter.is_ascii_graphic());
    assert!((1..=63).contains(&spec.spec.len()) && is_known.all(|known| known));
    // The field was checked by the API server, the annotation by nobody.
    if view.source_ranges.is_empty() {
        let is_range = |range: &String| range.parse::<ipnet::IpNet>().is_ok();
        assert!(spec.source_ranges.iter().all(is_range), "{spec:?}");
    }
    let is_basic = |cloud: &&CloudName| clouds.get(*cloud) == Some(&Capabilities::basic());
    for cloud in wanted.clouds.iter().filter(is_basic) {
        let spec = wanted.spec(cloud, &NodeAddresses::default());
        assert!(is_for_basic(&spec), "{spec:?}");
    }
}

fn kilobits(bandwidth: &str) -> Option<u64> {
    let (number, unit) = bandwidth.split_at_checked(bandwidth.len().checked_sub(1)?)?;
    let factor = match unit {
        "K" => 1,
        "M" => 1_000,
        "G" => 1_000_000,
        _ => return None,
    };
    Some(number.parse::<u64>().ok()? * factor)
}

fn is_for_basic(spec: &LoadBalancerSpec) -> bool {
    let is_tcp = |listener: &_| matches!(listener, Protocol::Tcp);
    spec.listeners.len() <= 1
        && spec
            .listeners
            .iter()
            .all(|listener| is_tcp(&listener.protocol))
        && spec.source_ranges.is_empty()
        && spec.client_affinity_seconds.is_none()
}

/// The record is read from what is written of it.
fn check_record(view: &ServiceView) {
    let (ids, clouds) = (view.record.id_annotation(), view.record.cloud_annotation());
    assert_eq!(
        Record::parse(ids.as_deref(), clouds.as_deref()),
        view.record
    );
    let annotation = |name: &str| view.annotations.get(name).map(String::as_str);
    let read = Record::parse(annotation(LB_ID.name), annotation(LB_CLOUD.name));
    assert!(read.ids().all(|id| world::is_id(id.as_str())));
}
