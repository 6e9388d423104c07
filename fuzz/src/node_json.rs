//! A Node as the API server may show it.
//!
//! Whatever the JSON is: reading it does not fail; a Node of which all can be read is a back
//! end by the rules of the upstream service controller, with the first usable one of the addresses
//! that are read; and no address that a cloud cannot reach is ever a back end.

use std::net::IpAddr;

use my_cloud_controller_manager::kubernetes::node::{
    AddressRule, NodeAddressType, address, is_eligible, unusable_addresses,
};
use my_cloud_controller_manager::kubernetes::node_object::{ADDRESSES, Node};
use my_cloud_controller_manager::plan::node_addresses::IpFamily;
use serde_json::Value;

use super::service_json::{is_beyond_go, is_plausible};

const EXCLUDE: &str = "node.kubernetes.io/exclude-from-external-load-balancers";
const AUTOSCALER: &str = "ToBeDeletedByClusterAutoscaler";

/// The JSON of a Node.
pub fn check(input: &[u8]) {
    if is_plausible(input)
        && let Err(error) = serde_json::from_slice::<Node>(input)
    {
        assert!(is_beyond_go(&error), "{error}");
    }
    let Ok(json) = serde_json::from_slice::<Value>(input) else {
        return;
    };
    let node = serde_json::from_slice(json.to_string().as_bytes());
    let node: Node = node.expect("lenient");
    let is_readable = node.unreadable().is_empty();
    assert!(
        !is_readable || is_eligible(&node) == is_back_end(&json),
        "{json}"
    );
    for kind in [NodeAddressType::Internal, NodeAddressType::External] {
        let shown = addresses(&json, kind);
        let rule = AddressRule {
            kind,
            allow_loopback: false,
        };
        for family in [IpFamily::V4, IpFamily::V6] {
            let chosen = address(&node, rule, family);
            let mut usable = shown.iter().copied().filter(|ip| is_usable(*ip));
            let expected = usable.find(|ip| IpFamily::of(*ip) == family);
            assert!(chosen.is_none_or(is_usable), "{chosen:?}");
            assert!(
                !is_readable || chosen == expected,
                "{chosen:?} {expected:?}"
            );
        }
        let named: Vec<IpAddr> = unusable_addresses(&node, rule).collect();
        assert!(named.iter().all(|ip| !is_usable(*ip) && shown.contains(ip)));
    }
}

/// Whether a Node is a back end, written without the code under test.
fn is_back_end(json: &Value) -> bool {
    let has = |path: &str| json.pointer(path).is_some_and(|value| !value.is_null());
    let label = &json["metadata"]["labels"];
    let label = label
        .get(EXCLUDE)
        .map(|value| value.as_str().unwrap_or_default());
    let is_no = |text: &str| ["0", "f", "F", "false", "FALSE", "False"].contains(&text);
    let taints = json["spec"]["taints"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let is_leaving = taints.iter().any(|taint| taint["key"] == AUTOSCALER);
    !has("/metadata/deletionTimestamp") && label.is_none_or(is_no) && !is_leaving
}

fn addresses(json: &Value, kind: NodeAddressType) -> Vec<IpAddr> {
    let kind = match kind {
        NodeAddressType::Internal => "InternalIP",
        NodeAddressType::External => "ExternalIP",
    };
    let all = json["status"]["addresses"].as_array().cloned();
    let all = all.unwrap_or_default().into_iter().take(ADDRESSES);
    let of_kind = all.filter(|address| address["type"] == kind);
    let parsed = of_kind.filter_map(|address| address["address"].as_str()?.parse().ok());
    parsed.map(|ip: IpAddr| ip.to_canonical()).collect()
}

fn is_usable(ip: IpAddr) -> bool {
    let is_special = match ip {
        IpAddr::V4(ip) => ip.octets()[0] == 0 || ip.is_link_local() || ip.is_broadcast(),
        IpAddr::V6(ip) => (ip.segments()[0] & 0xffc0) == 0xfe80,
    };
    !(is_special || ip.is_loopback() || ip.is_multicast() || ip.is_unspecified())
}
