//! The Nodes that are back ends, and their addresses.

use std::net::IpAddr;

use super::node_object::Node;

/// The type of the Node address to which load balancers send traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NodeAddressType {
    /// `InternalIP`.
    #[default]
    Internal,
    /// `ExternalIP`.
    External,
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

/// The first address of the Node of a type, which is of the primary IP family of the
/// cluster.
pub fn address(node: &Node, kind: NodeAddressType) -> Option<IpAddr> {
    let mut addresses = node.addresses.iter();
    addresses.find_map(|(found, address)| (*found == kind).then_some(*address))
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
    fn only_addresses_of_the_wanted_type() {
        let node = json!({"status": {"addresses": [
            {"type": "Hostname", "address": "node-1"}, {"type": "InternalIP", "address": "10.0.0.1"},
            {"type": "ExternalIP", "address": "192.0.2.1"}, {"type": "InternalIP", "address": "fd00::1"},
        ]}});
        let node: Node = serde_json::from_value(node).expect("a Node");
        let text = |kind| address(&node, kind).map(|ip| ip.to_string());
        assert_eq!(
            text(NodeAddressType::Internal).as_deref(),
            Some("10.0.0.1"),
            "the primary family"
        );
        assert_eq!(
            text(NodeAddressType::External).as_deref(),
            Some("192.0.2.1")
        );
        assert_eq!(address(&Node::default(), NodeAddressType::Internal), None);
    }
}
