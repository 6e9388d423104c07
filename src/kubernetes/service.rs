//! Reads a Service object into the view of the plan.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{LoadBalancerIngress, Service, ServicePort, ServiceSpec};
use kube::ResourceExt;

use super::MetadataKeys;
use crate::plan::annotation::{LB_CLOUD, LB_ID};
use crate::plan::naming::{ServiceKey, ServiceUid};
use crate::plan::record::{Ingress, Record};
use crate::plan::service::{PortView, ServiceView};

/// Reads a Service for the plan; `None` without a namespace, name or UID, which every
/// object of an API server has.
pub fn view(service: &Service, metadata_keys: &MetadataKeys) -> Option<ServiceView> {
    let metadata = &service.metadata;
    let key = ServiceKey {
        namespace: metadata.namespace.clone()?,
        name: metadata.name.clone()?,
    };
    let annotations = annotations(service, metadata_keys);
    let record = Record::parse(
        annotations.get(LB_ID).map(String::as_str),
        annotations.get(LB_CLOUD).map(String::as_str),
    );
    let nothing = ServiceSpec::default();
    let spec = service.spec.as_ref().unwrap_or(&nothing);
    Some(ServiceView {
        key,
        uid: ServiceUid::new(metadata.uid.clone()?),
        deleting: metadata.deletion_timestamp.is_some(),
        is_load_balancer: spec.type_.as_deref() == Some("LoadBalancer"),
        class: spec.load_balancer_class.clone(),
        annotations,
        ports: spec.ports.iter().flatten().filter_map(port).collect(),
        source_ranges: spec.load_balancer_source_ranges.clone().unwrap_or_default(),
        client_affinity_seconds: client_affinity(spec),
        finalizer: service
            .finalizers()
            .iter()
            .any(|name| name == metadata_keys.finalizer()),
        record,
        published: published(service),
    })
}

fn annotations(service: &Service, metadata_keys: &MetadataKeys) -> BTreeMap<String, String> {
    let ours = |(name, value): (&String, &String)| {
        Some((metadata_keys.strip(name)?.to_owned(), value.clone()))
    };
    service.annotations().iter().filter_map(ours).collect()
}

/// Reads a port. The API server allows only 1 to 65535; zero means a node port that is
/// not allocated (`allocateLoadBalancerNodePorts: false`).
fn port(port: &ServicePort) -> Option<PortView> {
    let number = |value: i32| u16::try_from(value).ok().filter(|number| *number > 0);
    Some(PortView {
        name: port.name.clone().unwrap_or_default(),
        protocol: port.protocol.clone().unwrap_or_else(|| "TCP".into()),
        port: number(port.port)?,
        node_port: port.node_port.and_then(number),
    })
}

/// The timeout of the session affinity; the default of Kubernetes is three hours.
fn client_affinity(spec: &ServiceSpec) -> Option<u32> {
    const DEFAULT_SECONDS: i32 = 10_800;
    if spec.session_affinity.as_deref() != Some("ClientIP") {
        return None;
    }
    let configured = spec.session_affinity_config.as_ref();
    let seconds = configured
        .and_then(|config| config.client_ip.as_ref())
        .and_then(|client| client.timeout_seconds)
        .unwrap_or(DEFAULT_SECONDS);
    u32::try_from(seconds).ok()
}

/// The addresses in the status of a Service.
pub fn published(service: &Service) -> Vec<Ingress> {
    let status = service.status.as_ref();
    let entries = status
        .and_then(|status| status.load_balancer.as_ref())
        .and_then(|load_balancer| load_balancer.ingress.as_ref());
    entries.into_iter().flatten().filter_map(ingress).collect()
}

fn ingress(entry: &LoadBalancerIngress) -> Option<Ingress> {
    let ip = entry
        .ip
        .as_ref()
        .and_then(|ip| ip.parse().ok())
        .map(Ingress::Ip);
    ip.or_else(|| entry.hostname.clone().map(Ingress::Hostname))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(service: serde_json::Value) -> ServiceView {
        let service: Service = serde_json::from_value(service).expect("a Service");
        view(&service, &MetadataKeys::new("mycloud.com")).expect("complete")
    }

    #[test]
    fn reads_what_the_plan_needs_and_nothing_of_other_controllers() {
        let service = read(json!({
            "metadata": {"namespace": "default", "name": "web", "uid": "u", "finalizers": ["other/x", "mycloud.com/load-balancer"],
                "annotations": {"mycloud.com/provider": "cloud1", "mycloud.company/provider": "x", "mycloud.com/lb-id": "lb-1", "mycloud.com/lb-cloud": "cloud1"}},
            "spec": {"type": "LoadBalancer", "sessionAffinity": "ClientIP",
                "ports": [{"port": 80, "nodePort": 30080}, {"name": "dns", "protocol": "UDP", "port": 53, "nodePort": 0}]},
            "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}, {"hostname": "lb.example"}]}},
        }));
        assert!(service.finalizer && service.is_load_balancer && !service.deleting);
        assert_eq!(service.annotations.len(), 3, "another prefix is not ours");
        assert_eq!(service.client_affinity_seconds, Some(10_800));
        assert_eq!(service.ports[0].protocol, "TCP", "the API's default");
        assert_eq!(service.ports[1].node_port, None, "zero is not allocated");
        assert_eq!(service.published.len(), 2);
        assert!(!service.record.is_empty());
    }
}
