//! The JSON of a Service, as far as it is read.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{Service, ServiceSpec};
use crate::kubernetes::condition::Condition;
use crate::kubernetes::lenient::{self, Entries};
use crate::kubernetes::managed_fields::FieldOwner;
use crate::plan::node_addresses::IpFamily;
use crate::plan::record::Ingress;
use crate::plan::service::PortView;

/// The annotations of this domain are never ours, and `last-applied-configuration` is a
/// copy of the whole object.
const KUBECTL_DOMAIN: &str = "kubectl.kubernetes.io/";

impl<'de> Deserialize<'de> for Service {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        lenient::object::<D, ServiceJson>(json).map(Self::from)
    }
}

/// The JSON of a Service.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ServiceJson {
    #[serde(deserialize_with = "lenient::object")]
    metadata: MetadataJson,
    #[serde(deserialize_with = "lenient::object")]
    spec: SpecJson,
    #[serde(deserialize_with = "lenient::object")]
    status: StatusJson,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct MetadataJson {
    #[serde(deserialize_with = "lenient::text")]
    name: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    namespace: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    uid: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    resource_version: Option<String>,
    #[serde(deserialize_with = "lenient::time")]
    creation_timestamp: Option<Timestamp>,
    #[serde(deserialize_with = "lenient::deletion")]
    deletion_timestamp: Option<Timestamp>,
    #[serde(deserialize_with = "lenient::texts")]
    finalizers: Vec<String>,
    #[serde(deserialize_with = "lenient::entries")]
    annotations: Annotations,
    #[serde(deserialize_with = "lenient::objects")]
    managed_fields: Vec<FieldOwner>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SpecJson {
    #[serde(rename = "type", deserialize_with = "lenient::text")]
    kind: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    load_balancer_class: Option<String>,
    #[serde(deserialize_with = "lenient::objects")]
    ports: Vec<PortJson>,
    #[serde(deserialize_with = "lenient::texts")]
    load_balancer_source_ranges: Vec<String>,
    #[serde(deserialize_with = "lenient::text")]
    session_affinity: Option<String>,
    #[serde(deserialize_with = "lenient::object")]
    session_affinity_config: AffinityJson,
    #[serde(deserialize_with = "lenient::texts")]
    ip_families: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PortJson {
    #[serde(deserialize_with = "lenient::text")]
    name: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    protocol: Option<String>,
    #[serde(deserialize_with = "lenient::integer")]
    port: Option<i64>,
    #[serde(deserialize_with = "lenient::integer")]
    node_port: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AffinityJson {
    #[serde(rename = "clientIP", deserialize_with = "lenient::object")]
    client_ip: ClientIpJson,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ClientIpJson {
    #[serde(deserialize_with = "lenient::integer")]
    timeout_seconds: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct StatusJson {
    #[serde(deserialize_with = "lenient::objects")]
    conditions: Vec<Condition>,
    #[serde(deserialize_with = "lenient::object")]
    load_balancer: LoadBalancerJson,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct LoadBalancerJson {
    #[serde(deserialize_with = "lenient::objects")]
    ingress: Vec<IngressJson>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct IngressJson {
    #[serde(deserialize_with = "lenient::text")]
    ip: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    hostname: Option<String>,
}

#[derive(Default)]
struct Annotations(Vec<(Box<str>, Box<str>)>);

impl Entries for Annotations {
    fn needs(name: &str) -> bool {
        !name.starts_with(KUBECTL_DOMAIN)
    }

    fn insert(&mut self, name: String, value: Value) {
        if let Value::String(value) = value {
            self.0.push((name.into(), value.into()));
        }
    }
}

impl From<ServiceJson> for Service {
    fn from(json: ServiceJson) -> Self {
        let ServiceJson {
            metadata,
            spec,
            status,
        } = json;
        Self {
            metadata: ObjectMeta {
                name: metadata.name,
                namespace: metadata.namespace,
                uid: metadata.uid,
                resource_version: metadata.resource_version,
                creation_timestamp: metadata.creation_timestamp.map(Time),
                deletion_timestamp: metadata.deletion_timestamp.map(Time),
                finalizers: (!metadata.finalizers.is_empty()).then_some(metadata.finalizers),
                ..ObjectMeta::default()
            },
            conditions: status.conditions,
            ingress: status
                .load_balancer
                .ingress
                .into_iter()
                .filter_map(ingress)
                .collect(),
            spec: spec.into(),
            annotations: metadata.annotations.0,
            field_owners: metadata.managed_fields,
            requested_at: None,
        }
    }
}

impl From<SpecJson> for ServiceSpec {
    fn from(json: SpecJson) -> Self {
        Self {
            is_load_balancer: json.kind.as_deref() == Some("LoadBalancer"),
            client_affinity_seconds: client_affinity(&json),
            ip_family: match json.ip_families.first().map(String::as_str) {
                Some("IPv6") => IpFamily::V6,
                _ => IpFamily::V4,
            },
            class: json.load_balancer_class,
            ports: json.ports.into_iter().filter_map(port).collect(),
            source_ranges: json.load_balancer_source_ranges,
        }
    }
}

/// Reads a port. The API server allows only 1 to 65535; zero means a node port that is
/// not allocated (`allocateLoadBalancerNodePorts: false`).
fn port(json: PortJson) -> Option<PortView> {
    let number = |value: i64| u16::try_from(value).ok().filter(|number| *number > 0);
    Some(PortView {
        name: json.name.unwrap_or_default(),
        protocol: json.protocol.unwrap_or_else(|| "TCP".into()),
        port: number(json.port?)?,
        node_port: json.node_port.and_then(number),
    })
}

/// The timeout of the session affinity; the default of Kubernetes is three hours.
fn client_affinity(spec: &SpecJson) -> Option<u32> {
    const DEFAULT_SECONDS: i64 = 10_800;
    if spec.session_affinity.as_deref() != Some("ClientIP") {
        return None;
    }
    let configured = spec.session_affinity_config.client_ip.timeout_seconds;
    u32::try_from(configured.unwrap_or(DEFAULT_SECONDS)).ok()
}

fn ingress(json: IngressJson) -> Option<Ingress> {
    let ip = json.ip.and_then(|ip| ip.parse().ok()).map(Ingress::Ip);
    ip.or_else(|| json.hostname.map(Ingress::Hostname))
}
