//! The parts of a Service that the plan reads. `kubernetes/service.rs` extracts
//! them once per reconcile; the plan never reads the Kubernetes object itself.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::class::Refused;
use super::existing::Offer;
use super::health_check::ClusterCheck;
use super::ip_mode::IpModes;
#[cfg(test)]
use super::load_balancer::Protocol;
use super::naming::{ClusterId, Owner, ServiceKey, ServiceUid};
use super::node_addresses::IpFamilies;
use super::record::{Ingress, Record};
use super::service_size::TooLarge;
use super::tags::Tags;

/// The parts of a Service that the plan reads.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct ServiceView {
    pub key: ServiceKey,
    /// `metadata.uid`.
    pub uid: ServiceUid,
    /// Whether `metadata.deletionTimestamp` is set.
    pub deleting: bool,
    /// Whether `spec.type` is `LoadBalancer`.
    pub is_load_balancer: bool,
    /// `spec.loadBalancerClass`, unless it is a class of the configuration, whose values are
    /// among `annotations`.
    pub class: Option<String>,
    /// The values that its class does not leave to the Service.
    pub refused: Vec<Refused>,
    /// What it has too much of; the rest of that is missing here.
    pub too_large: Vec<TooLarge>,
    /// The annotations with our prefix, named without it (`provider`, `lb-spec`, …), and
    /// [`SOURCE_RANGES`](super::annotation::SOURCE_RANGES) by its full name.
    pub annotations: BTreeMap<String, String>,
    /// `spec.ports`, in order.
    pub ports: Vec<PortView>,
    /// `spec.loadBalancerSourceRanges`, in order.
    pub source_ranges: Vec<String>,
    /// Timeout of session affinity `ClientIP` in seconds; `None` without affinity.
    pub client_affinity_seconds: Option<u32>,
    /// `spec.ipFamilies`.
    pub ip_families: IpFamilies,
    /// Whether `spec.ipFamilyPolicy` is `RequireDualStack`.
    pub requires_dual_stack: bool,
    /// `spec.healthCheckNodePort`, which the API server allocates for
    /// `externalTrafficPolicy: Local`.
    pub health_check_node_port: Option<u16>,
    /// `spec.loadBalancerIP`, which the API server does not check.
    pub requested_ip: Option<String>,
    /// What the configuration adds.
    pub defaults: Defaults,
    /// The load balancers that the configuration offers to its namespace.
    pub offers: BTreeSet<Offer>,
    /// Whether the Service has our finalizer.
    pub finalizer: bool,
    /// The record in our annotations.
    pub record: Record,
    /// `status.loadBalancer.ingress`.
    pub published: Vec<Ingress>,
    /// The `ipMode` of those of its entries that show one.
    pub published_modes: IpModes,
}

/// What the configuration gives every Service that does not say otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Defaults {
    pub tags: Tags,
    pub cluster_check: ClusterCheck,
}

/// One entry of `spec.ports`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct PortView {
    /// Empty for the only port of a Service.
    pub name: String,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
    pub port: u16,
    /// `None` while no node port is allocated.
    pub node_port: Option<u16>,
    /// The protocol that clients speak, as its author names it.
    pub app_protocol: Option<String>,
}

#[cfg(test)]
impl PortView {
    /// The port 80 `web` of this protocol, with the node port 30080.
    pub(super) fn for_test(protocol: Protocol) -> Self {
        Self {
            name: "web".into(),
            protocol: protocol.as_str().into(),
            port: 80,
            node_port: Some(30080),
            app_protocol: None,
        }
    }
}

impl ServiceView {
    /// The owner that a load balancer of this Service carries.
    pub fn owner(&self, cluster: &ClusterId) -> Owner {
        Owner {
            cluster: cluster.clone(),
            namespace: self.key.namespace.clone(),
            name: self.key.name.clone(),
            uid: self.uid.clone(),
        }
    }

    /// The Service without our own writes. A change of it is an edit by a user, which
    /// ends every backoff.
    pub fn user_input(&self) -> Self {
        let mut annotations = self.annotations.clone();
        for ours in [
            super::annotation::LB_ID.name,
            super::annotation::LB_CLOUD.name,
        ] {
            annotations.remove(ours);
        }
        Self {
            annotations,
            finalizer: false,
            record: Record::default(),
            published: Vec::new(),
            published_modes: IpModes::default(),
            ..self.clone()
        }
    }
}
