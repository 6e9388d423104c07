//! The JSON of a Service, as far as it is read.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use super::{Service, ServiceSpec};
use crate::kubernetes::condition::Condition;
use crate::kubernetes::lenient::{self, Entries, Field, Shaped};
use crate::kubernetes::managed_fields::FieldOwner;
use crate::plan::ip_mode::{IpMode, IpModes};
use crate::plan::node_addresses::{IpFamilies, IpFamily};
use crate::plan::port_status::PortStatus;
use crate::plan::record::Ingress;
use crate::plan::service::PortView;
use crate::plan::service_size::{PORTS, REQUESTED_IP, SOURCE_RANGE, SOURCE_RANGES, TooLarge};

/// The annotations of this domain are never ours, and `last-applied-configuration` is a
/// copy of the whole object.
const KUBECTL_DOMAIN: &str = "kubectl.kubernetes.io/";

/// Maximum number of finalizers, conditions and addresses each of a Service that this program
/// reads. A patch would have to repeat all of them, and more than 16 finalizers are unheard of;
/// 16 clouds with 16 addresses each have as many.
const LISTED: usize = 256;

impl<'de> Deserialize<'de> for Service {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        lenient::object::<D, ServiceJson>(json).map(Self::from)
    }
}

/// The JSON of a Service. A [`Field`] is one whose absence would be a decision, or would
/// make a patch that destroys what others wrote.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ServiceJson {
    #[serde(deserialize_with = "lenient::object_field")]
    metadata: Field<MetadataJson>,
    #[serde(deserialize_with = "lenient::object_field")]
    spec: Field<SpecJson>,
    #[serde(deserialize_with = "lenient::object_field")]
    status: Field<StatusJson>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct MetadataJson {
    #[serde(deserialize_with = "lenient::text")]
    name: Option<String>,
    #[serde(deserialize_with = "lenient::text_field")]
    namespace: Field<Option<String>>,
    #[serde(deserialize_with = "lenient::text_field")]
    uid: Field<Option<String>>,
    #[serde(deserialize_with = "lenient::text_field")]
    resource_version: Field<Option<String>>,
    #[serde(deserialize_with = "lenient::time")]
    creation_timestamp: Option<Timestamp>,
    #[serde(deserialize_with = "lenient::deletion_field")]
    deletion_timestamp: Field<Option<Timestamp>>,
    #[serde(deserialize_with = "lenient::texts_up_to::<_, LISTED>")]
    finalizers: Field<Vec<String>>,
    #[serde(deserialize_with = "lenient::entries_field")]
    annotations: Field<Annotations>,
    #[serde(deserialize_with = "lenient::objects")]
    managed_fields: Vec<FieldOwner>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SpecJson {
    #[serde(rename = "type", deserialize_with = "lenient::text_field")]
    kind: Field<Option<String>>,
    #[serde(deserialize_with = "lenient::text_field")]
    load_balancer_class: Field<Option<String>>,
    #[serde(deserialize_with = "lenient::objects_up_to::<_, _, PORTS>")]
    ports: Field<Vec<PortJson>>,
    #[serde(deserialize_with = "lenient::texts_up_to::<_, SOURCE_RANGES>")]
    load_balancer_source_ranges: Field<Vec<String>>,
    #[serde(deserialize_with = "lenient::text_field")]
    session_affinity: Field<Option<String>>,
    #[serde(deserialize_with = "lenient::object_field")]
    session_affinity_config: Field<AffinityJson>,
    #[serde(deserialize_with = "lenient::texts_field")]
    ip_families: Field<Vec<String>>,
    #[serde(deserialize_with = "lenient::text_field")]
    ip_family_policy: Field<Option<String>>,
    #[serde(deserialize_with = "lenient::integer_field")]
    health_check_node_port: Field<Option<i64>>,
    #[serde(rename = "loadBalancerIP", deserialize_with = "lenient::text_field")]
    load_balancer_ip: Field<Option<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PortJson {
    #[serde(deserialize_with = "lenient::text_field")]
    name: Field<Option<String>>,
    #[serde(deserialize_with = "lenient::text_field")]
    protocol: Field<Option<String>>,
    #[serde(deserialize_with = "lenient::integer_field")]
    port: Field<Option<i64>>,
    #[serde(deserialize_with = "lenient::integer_field")]
    node_port: Field<Option<i64>>,
    #[serde(deserialize_with = "lenient::text_field")]
    app_protocol: Field<Option<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AffinityJson {
    #[serde(rename = "clientIP", deserialize_with = "lenient::object_field")]
    client_ip: Field<ClientIpJson>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ClientIpJson {
    #[serde(deserialize_with = "lenient::integer_field")]
    timeout_seconds: Field<Option<i64>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct StatusJson {
    #[serde(deserialize_with = "lenient::objects_up_to::<_, _, LISTED>")]
    conditions: Field<Vec<Condition>>,
    #[serde(deserialize_with = "lenient::object_field")]
    load_balancer: Field<LoadBalancerJson>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct LoadBalancerJson {
    #[serde(deserialize_with = "lenient::objects_up_to::<_, _, LISTED>")]
    ingress: Field<Vec<IngressJson>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct IngressJson {
    #[serde(deserialize_with = "lenient::text")]
    ip: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    hostname: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    ip_mode: Option<String>,
    /// They decide nothing, and only ours are repeated.
    #[serde(deserialize_with = "lenient::objects")]
    ports: Vec<PortStatusJson>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PortStatusJson {
    #[serde(deserialize_with = "lenient::integer_field")]
    port: Field<Option<i64>>,
    #[serde(deserialize_with = "lenient::text")]
    protocol: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    error: Option<String>,
}

#[derive(Default)]
struct Annotations(Vec<(Box<str>, Box<str>)>);

impl Entries for Annotations {
    fn needs(name: &str) -> bool {
        !name.starts_with(KUBECTL_DOMAIN)
    }

    fn insert(&mut self, name: String, value: Shaped<String>) -> bool {
        match value {
            Shaped::Is(value) => self.0.push((name.into(), value.into())),
            // As Go reads null.
            Shaped::Missing => self.0.push((name.into(), "".into())),
            Shaped::Odd => return false,
        }
        true
    }
}

impl From<ServiceJson> for Service {
    fn from(json: ServiceJson) -> Self {
        let mut odd = Vec::new();
        let metadata = json.metadata.read("metadata", &mut odd);
        let spec = json.spec.read("spec", &mut odd);
        let status = json.status.read("status", &mut odd);
        let finalizers = listed("metadata.finalizers", metadata.finalizers, &mut odd);
        let deletion = metadata.deletion_timestamp;
        let deletion = deletion.read("metadata.deletionTimestamp", &mut odd);
        let namespace = metadata.namespace.read("metadata.namespace", &mut odd);
        let uid = metadata.uid.read("metadata.uid", &mut odd);
        let resource_version = metadata.resource_version;
        let resource_version = resource_version.read("metadata.resourceVersion", &mut odd);
        let load_balancer = status.load_balancer.read("status.loadBalancer", &mut odd);
        let ingress = load_balancer.ingress;
        let ingress = listed("status.loadBalancer.ingress", ingress, &mut odd);
        let Addresses {
            ingress,
            ip_modes,
            port_statuses,
        } = addresses(ingress);
        let annotations = metadata.annotations.read("metadata.annotations", &mut odd);
        let conditions = listed("status.conditions", status.conditions, &mut odd);
        let spec = spec.read(&mut odd);
        odd.dedup();
        Self {
            metadata: ObjectMeta {
                name: metadata.name,
                namespace,
                uid,
                resource_version,
                creation_timestamp: metadata.creation_timestamp.map(Time),
                deletion_timestamp: deletion.map(Time),
                finalizers: (!finalizers.is_empty()).then_some(finalizers),
                ..ObjectMeta::default()
            },
            conditions,
            ingress,
            ip_modes,
            port_statuses,
            spec,
            annotations: annotations.0,
            has_odd_owner: metadata.managed_fields.iter().any(FieldOwner::is_odd),
            field_owners: metadata.managed_fields,
            has_large_annotations: false,
            requested_at: None,
            unreadable: odd.into(),
        }
    }
}

impl SpecJson {
    /// The part that the plan reads; adds the names of odd fields to `odd`.
    fn read(self, odd: &mut Vec<&'static str>) -> ServiceSpec {
        let kind = self.kind.read("spec.type", odd);
        let affinity = self.session_affinity.read("spec.sessionAffinity", odd);
        let ports = self.ports.read("spec.ports", odd);
        let listed = ports.len();
        let ports: Vec<PortView> = ports.into_iter().filter_map(port).collect();
        // Without it, the load balancer would lose a listener.
        if ports.len() < listed {
            odd.push("spec.ports");
        }
        let ranges = self.load_balancer_source_ranges;
        let ranges = ranges.read("spec.loadBalancerSourceRanges", odd);
        let is_load_balancer = kind.as_deref() == Some("LoadBalancer");
        let ip = self.load_balancer_ip.read("spec.loadBalancerIP", odd);
        let Bounded {
            ports,
            ranges,
            ip,
            too_large,
        } = if is_load_balancer {
            bounded(ports, ranges, ip)
        } else {
            Bounded::default()
        };
        let families = self.ip_families.read("spec.ipFamilies", odd);
        let policy = self.ip_family_policy.read("spec.ipFamilyPolicy", odd);
        let requires_dual_stack = policy.as_deref() == Some("RequireDualStack");
        ServiceSpec {
            is_load_balancer,
            client_affinity_seconds: match affinity.as_deref() {
                Some("ClientIP") => client_affinity(self.session_affinity_config, odd),
                _ => None,
            },
            ip_families: IpFamilies {
                first: match families.first().map(String::as_str) {
                    Some("IPv6") => IpFamily::V6,
                    _ => IpFamily::V4,
                },
                // A manifest that was not applied yet may have the policy alone.
                is_dual: families.len() > 1 || requires_dual_stack,
            },
            requires_dual_stack,
            health_check_node_port: health_check_node_port(self.health_check_node_port, odd),
            requested_ip: ip.filter(|ip| !ip.is_empty()),
            class: self.load_balancer_class.read("spec.loadBalancerClass", odd),
            ports,
            source_ranges: ranges,
            too_large: too_large.into(),
        }
    }
}

/// Reads a list of which a patch must repeat all; it is odd if it is longer than [`LISTED`].
fn listed<T>(name: &'static str, list: Field<Vec<T>>, odd: &mut Vec<&'static str>) -> Vec<T> {
    let mut list = list.read(name, odd);
    if list.len() > LISTED {
        list.truncate(LISTED);
        odd.push(name);
    }
    list
}

/// What a Service asks of a load balancer, within its bounds.
#[derive(Default)]
struct Bounded {
    ports: Vec<PortView>,
    ranges: Vec<String>,
    ip: Option<String>,
    too_large: Vec<TooLarge>,
}

/// The ports, source ranges and requested address; nothing of those that are too large.
fn bounded(mut ports: Vec<PortView>, mut ranges: Vec<String>, mut ip: Option<String>) -> Bounded {
    let mut too_large = Vec::new();
    if ports.len() > PORTS {
        ports = Vec::new();
        too_large.push(TooLarge::Ports);
    }
    if ranges.len() > SOURCE_RANGES || ranges.iter().any(|range| range.len() > SOURCE_RANGE) {
        ranges = Vec::new();
        too_large.push(TooLarge::SourceRanges);
    }
    if ip.take_if(|ip| ip.len() > REQUESTED_IP).is_some() {
        too_large.push(TooLarge::RequestedIp);
    }
    Bounded {
        ports,
        ranges,
        ip,
        too_large,
    }
}

/// Reads a port; `None` if it is odd. The API server allows only 1 to 65535; zero means a
/// node port that is not allocated (`allocateLoadBalancerNodePorts: false`).
fn port(json: PortJson) -> Option<PortView> {
    let mut odd = Vec::new();
    let view = PortView {
        name: json.name.read("name", &mut odd).unwrap_or_default(),
        protocol: json
            .protocol
            .read("protocol", &mut odd)
            .unwrap_or_else(|| "TCP".into()),
        port: match u16::try_from(json.port.read("port", &mut odd)?).ok()? {
            0 => return None,
            number => number,
        },
        node_port: match json.node_port.read("nodePort", &mut odd) {
            None | Some(0) => None,
            Some(number) => Some(u16::try_from(number).ok()?),
        },
        app_protocol: json.app_protocol.read("appProtocol", &mut odd),
    };
    odd.is_empty().then_some(view)
}

/// The node port of the health check; zero means none.
fn health_check_node_port(field: Field<Option<i64>>, odd: &mut Vec<&'static str>) -> Option<u16> {
    const NAME: &str = "spec.healthCheckNodePort";
    let number = u16::try_from(field.read(NAME, odd)?);
    if number.is_err() {
        odd.push(NAME);
    }
    number.ok().filter(|port| *port != 0)
}

/// The timeout of the session affinity; the default of Kubernetes is three hours.
fn client_affinity(config: Field<AffinityJson>, odd: &mut Vec<&'static str>) -> Option<u32> {
    const DEFAULT_SECONDS: i64 = 10_800;
    const NAME: &str = "spec.sessionAffinityConfig";
    let client_ip = config.read(NAME, odd).client_ip.read(NAME, odd);
    let seconds = client_ip.timeout_seconds.read(NAME, odd);
    let seconds = u32::try_from(seconds.unwrap_or(DEFAULT_SECONDS)).ok();
    if seconds.is_none() {
        odd.push(NAME);
    }
    seconds
}

/// The readable addresses, and the modes and ports of those that have any.
#[derive(Default)]
struct Addresses {
    ingress: Vec<Ingress>,
    ip_modes: IpModes,
    port_statuses: BTreeMap<Ingress, Vec<PortStatus>>,
}

fn addresses(entries: Vec<IngressJson>) -> Addresses {
    let mut addresses = Addresses::default();
    for json in entries {
        let ip = json.ip.and_then(|ip| ip.parse().ok()).map(Ingress::Ip);
        let Some(address) = ip.or_else(|| json.hostname.map(Ingress::Hostname)) else {
            continue;
        };
        if !json.ports.is_empty() {
            let ports = json
                .ports
                .into_iter()
                .take(PORTS)
                .map(port_status)
                .collect();
            addresses.port_statuses.insert(address.clone(), ports);
        }
        let mode = json.ip_mode.as_deref().and_then(IpMode::parse);
        if let (Ingress::Ip(ip), Some(mode)) = (&address, mode) {
            addresses.ip_modes.tell(*ip, mode);
        }
        addresses.ingress.push(address);
    }
    addresses
}

fn port_status(json: PortStatusJson) -> PortStatus {
    let PortStatusJson {
        port,
        protocol,
        error,
    } = json;
    let port = port.read("port", &mut Vec::new());
    PortStatus {
        port: port
            .and_then(|port| u16::try_from(port).ok())
            .unwrap_or_default(),
        protocol: protocol.unwrap_or_default(),
        error,
    }
}
