//! The Nodes that are back ends, and their addresses.

use std::net::IpAddr;

use super::node_object::Node;
use crate::plan::node_addresses::IpFamily;
pub use crate::plan::node_choice::NodeAddressType;

/// Which addresses of a Node can be back ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AddressRule {
    pub kind: NodeAddressType,
    /// Whether loopback addresses are usable: only where clouds run on the same machine.
    pub allow_loopback: bool,
}

impl AddressRule {
    /// Whether a cloud can send traffic to this address. A cloud refuses the whole list
    /// of back ends if one of them is unusable, and a kubelet may write such an address.
    fn is_usable(self, address: IpAddr) -> bool {
        let is_unusable = match address {
            IpAddr::V4(v4) => {
                // 0.0.0.0/8 is "this network" (RFC 1122).
                v4.octets()[0] == 0 || v4.is_link_local() || v4.is_broadcast()
            }
            IpAddr::V6(v6) => v6.is_unspecified() || v6.is_unicast_link_local(),
        };
        let is_loopback = address.is_loopback() && !self.allow_loopback;
        !is_unusable && !address.is_multicast() && !is_loopback
    }

    fn of_kind(self, node: &Node) -> impl Iterator<Item = IpAddr> {
        let addresses = node.addresses.iter();
        addresses.filter_map(move |(kind, address)| (*kind == self.kind).then_some(*address))
    }
}

/// The label that removes a Node from every load balancer
/// (<https://kubernetes.io/docs/reference/labels-annotations-taints/#node-kubernetes-io-exclude-from-external-load-balancers>).
pub(super) const EXCLUDE_LABEL: &str = "node.kubernetes.io/exclude-from-external-load-balancers";
/// The taint of a Node that the cluster autoscaler is about to remove.
pub(super) const AUTOSCALER_TAINT: &str = "ToBeDeletedByClusterAutoscaler";

/// Whether a Node is a back end, by the predicates of the upstream service controller
/// (`stableNodeSetPredicates` of k8s.io/cloud-provider). They ignore readiness, which
/// the health checks of the cloud cover (KEP-3458).
pub fn is_eligible(node: &Node) -> bool {
    let label = node.exclude_label.as_deref();
    let is_excluded = label.is_some_and(|value| !parses_as_false(value));
    node.metadata.deletion_timestamp.is_none() && !is_excluded && !node.is_leaving
}

/// Whether `strconv.ParseBool` of Go returns false; any other value, also an invalid
/// one, excludes the Node.
fn parses_as_false(value: &str) -> bool {
    matches!(value, "0" | "f" | "F" | "false" | "FALSE" | "False")
}

/// The first usable address of the Node of this family.
pub fn address(node: &Node, rule: AddressRule, family: IpFamily) -> Option<IpAddr> {
    let mut addresses = rule.of_kind(node);
    addresses.find(|address| IpFamily::of(*address) == family && rule.is_usable(*address))
}

/// The addresses of the Node that would be back ends if a cloud could reach them.
pub fn unusable_addresses(node: &Node, rule: AddressRule) -> impl Iterator<Item = IpAddr> {
    let addresses = rule.of_kind(node);
    addresses.filter(move |address| !rule.is_usable(*address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn eligibility() {
        let cases = [
            (json!({}), true, "an ordinary Node"),
            (
                json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}),
                false,
                "being deleted",
            ),
            (
                json!({"metadata": {"labels": {EXCLUDE_LABEL: "true"}}}),
                false,
                "excluded",
            ),
            (
                json!({"metadata": {"labels": {EXCLUDE_LABEL: ""}}}),
                false,
                "an empty value excludes, as upstream",
            ),
            (
                json!({"metadata": {"labels": {EXCLUDE_LABEL: "False"}}}),
                true,
                "explicitly not excluded",
            ),
            (
                json!({"spec": {"taints": [{"key": AUTOSCALER_TAINT, "effect": "NoSchedule"}]}}),
                false,
                "leaving",
            ),
            (
                json!({"spec": {"unschedulable": true}}),
                true,
                "a cordoned Node still serves its pods",
            ),
            (
                json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}}),
                true,
                "readiness is the health check's matter",
            ),
        ];
        for (node, expected, reason) in cases {
            let node: Node = serde_json::from_value(node).expect("a Node");
            assert_eq!(is_eligible(&node), expected, "{reason}");
        }
    }

    #[test]
    fn only_addresses_of_the_wanted_type_and_family() {
        let node = json!({"status": {"addresses": [
            {"type": "Hostname", "address": "node-1"}, {"type": "InternalIP", "address": "10.0.0.1"},
            {"type": "ExternalIP", "address": "192.0.2.1"}, {"type": "InternalIP", "address": "fd00::1"},
        ]}});
        let node: Node = serde_json::from_value(node).expect("a Node");
        let found = |kind, family| {
            let rule = AddressRule {
                kind,
                ..AddressRule::default()
            };
            address(&node, rule, family).map(|ip| ip.to_string())
        };
        let (internal, external) = (NodeAddressType::Internal, NodeAddressType::External);
        assert_eq!(found(internal, IpFamily::V4).as_deref(), Some("10.0.0.1"));
        assert_eq!(found(internal, IpFamily::V6).as_deref(), Some("fd00::1"));
        assert_eq!(found(external, IpFamily::V4).as_deref(), Some("192.0.2.1"));
        assert_eq!(found(external, IpFamily::V6), None, "it has none");
        let without = Node::default();
        assert_eq!(
            address(&without, AddressRule::default(), IpFamily::V4),
            None
        );
    }

    #[test]
    fn what_no_cloud_can_reach_is_left_out_and_the_next_address_is_taken() {
        let cases = [
            ("0.0.0.0", false, "unspecified"),
            ("0.1.2.3", false, "this network"),
            ("127.0.0.1", false, "loopback"),
            ("127.10.0.7", false, "all of 127.0.0.0/8 is loopback"),
            ("169.254.1.1", false, "link-local"),
            ("224.0.0.1", false, "multicast"),
            ("255.255.255.255", false, "broadcast"),
            ("::", false, "unspecified"),
            ("::1", false, "loopback"),
            ("fe80::1", false, "link-local"),
            ("ff02::1", false, "multicast"),
            ("::ffff:127.0.0.1", false, "loopback, mapped into IPv6"),
            ("::ffff:10.0.0.5", true, "IPv4 is made plain"),
            ("10.0.0.5", true, "private"),
            ("100.64.0.5", true, "shared"),
            ("192.0.2.5", true, "public"),
            ("fd00::5", true, "unique local"),
            ("2001:db8::5", true, "public"),
        ];
        let rule = AddressRule::default();
        for (text, usable, reason) in cases {
            let node = json!({"status": {"addresses": [
                {"type": "InternalIP", "address": text},
                {"type": "InternalIP", "address": "10.0.0.9"}, {"type": "InternalIP", "address": "fd00::9"},
            ]}});
            let node: Node = serde_json::from_value(node).expect("a Node");
            let parsed: IpAddr = text.parse().expect("an address");
            let plain = parsed.to_canonical();
            let next = if plain.is_ipv4() {
                "10.0.0.9"
            } else {
                "fd00::9"
            };
            let expected = if usable {
                plain
            } else {
                next.parse().expect("an address")
            };
            let family = IpFamily::of(plain);
            assert_eq!(
                address(&node, rule, family),
                Some(expected),
                "{text}: {reason}"
            );
            let named: Vec<IpAddr> = unusable_addresses(&node, rule).collect();
            let all: &[IpAddr] = if usable { &[] } else { &[plain] };
            assert_eq!(named, all, "{text}: {reason}");
        }
    }

    #[test]
    fn loopback_is_usable_where_the_configuration_says_so() {
        let node =
            json!({"status": {"addresses": [{"type": "InternalIP", "address": "127.10.0.1"}]}});
        let node: Node = serde_json::from_value(node).expect("a Node");
        let rule = AddressRule {
            allow_loopback: true,
            ..AddressRule::default()
        };
        assert!(address(&node, rule, IpFamily::V4).is_some());
        assert_eq!(unusable_addresses(&node, rule).count(), 0);
    }
}
