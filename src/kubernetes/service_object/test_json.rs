//! The JSON that a Service was read from, for the API servers of tests.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::Service;
use crate::plan::ip_mode::IpMode;
use crate::plan::record::Ingress;
use crate::plan::service::PortView;

impl Serialize for Service {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut metadata = json!(self.metadata);
        let annotations = self
            .annotations()
            .map(|(name, value)| (name.to_owned(), json!(value)));
        metadata["annotations"] = Value::Object(Map::from_iter(annotations));
        let port = |port: &PortView| {
            json!({
                "name": port.name, "protocol": port.protocol, "port": port.port,
                "nodePort": port.node_port,
            })
        };
        let ingress = |ingress: &Ingress| match ingress {
            Ingress::Ip(ip) => {
                json!({"ip": ip, "ipMode": self.ip_modes.get(*ip).map(IpMode::as_str)})
            }
            Ingress::Hostname(hostname) => json!({"hostname": hostname}),
        };
        let spec = &self.spec;
        let kind = if spec.is_load_balancer {
            "LoadBalancer"
        } else {
            "ClusterIP"
        };
        let affinity = spec.client_affinity_seconds.map(|_| "ClientIP");
        let service = json!({
            "metadata": metadata,
            "spec": {
                "type": kind,
                "loadBalancerClass": spec.class,
                "ports": Vec::from_iter(spec.ports.iter().map(port)),
                "loadBalancerSourceRanges": spec.source_ranges,
                "loadBalancerIP": spec.requested_ip,
                "healthCheckNodePort": spec.health_check_node_port,
                "sessionAffinity": affinity,
                "sessionAffinityConfig": {
                    "clientIP": {"timeoutSeconds": spec.client_affinity_seconds},
                },
            },
            "status": {
                "conditions": self.conditions,
                "loadBalancer": {"ingress": Vec::from_iter(self.ingress.iter().map(ingress))},
            },
        });
        service.serialize(serializer)
    }
}
