//! A Service as far as we read it. `kubernetes/service.rs` fills it in, once
//! per reconcile; nothing behind it looks at the Kubernetes object again.

use std::collections::BTreeMap;

use serde::Serialize;

use super::naming::{ClusterId, Owner, ServiceKey, ServiceUid};
use super::record::{Ingress, Record};

/// What we read of a Service.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct ServiceView {
    /// Namespace and name.
    pub key: ServiceKey,
    /// `metadata.uid`.
    pub uid: ServiceUid,
    /// Whether `metadata.deletionTimestamp` is set.
    pub deleting: bool,
    /// Whether `spec.type` is `LoadBalancer`.
    pub is_load_balancer: bool,
    /// `spec.loadBalancerClass`.
    pub class: Option<String>,
    /// Annotations with our prefix, which is cut off (`provider`, `lb-spec`, …).
    pub annotations: BTreeMap<String, String>,
    /// `spec.ports`, in order.
    pub ports: Vec<PortView>,
    /// `spec.loadBalancerSourceRanges`, in order.
    pub source_ranges: Vec<String>,
    /// Timeout of session affinity `ClientIP` in seconds; `None` without affinity.
    pub client_affinity_seconds: Option<u32>,
    /// Whether our finalizer is there.
    pub finalizer: bool,
    /// What our annotations say we have.
    pub record: Record,
    /// `status.loadBalancer.ingress`.
    pub published: Vec<Ingress>,
}

/// One entry of `spec.ports`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct PortView {
    /// Name; empty for the only port of a Service.
    pub name: String,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
    /// Port of the Service.
    pub port: u16,
    /// Node port; `None` while none is allocated.
    pub node_port: Option<u16>,
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

    /// What a person decides about this Service: everything but our own
    /// writes. It changes exactly when a failed attempt is worth repeating
    /// before its time.
    pub fn user_input(&self) -> Self {
        let mut annotations = self.annotations.clone();
        for ours in [super::annotation::LB_ID, super::annotation::LB_CLOUD] {
            annotations.remove(ours);
        }
        Self {
            annotations,
            finalizer: false,
            record: Record::default(),
            published: Vec::new(),
            ..self.clone()
        }
    }
}
