//! Reads what a Service declares, with all of its problems at once.

use std::collections::BTreeSet;

use super::annotation::{self};
use super::canonical;
use super::capabilities::Clouds;
use super::health_check::HealthCheck;
use super::load_balancer::{Listener, LoadBalancerSpec, Protocol};
use super::naming::CloudName;
use super::node_addresses::NodeAddresses;
use super::problem::{Problem, ProblemKind, Subject};
use super::proxy_protocol::ProxyProtocol;
use super::requested_address;
use super::service::{PortView, ServiceView};

/// The problems that were found so far.
#[derive(Default)]
pub(super) struct Problems(pub(super) Vec<Problem>);

impl Problems {
    /// The value; in place of an invalid one any other, because all problems are told at once.
    pub(super) fn keep<T: Default>(&mut self, value: Result<T, Problem>) -> T {
        value.unwrap_or_else(|problem| {
            self.0.push(problem);
            T::default()
        })
    }
}

/// The spec that a Service declares, without back ends.
pub(super) fn template(service: &ServiceView, problems: &mut Problems) -> LoadBalancerSpec {
    let annotations = &service.annotations;
    let ports = service.ports.iter().enumerate();
    LoadBalancerSpec {
        nodes: NodeAddresses::default(),
        spec: problems.keep(annotation::LB_SPEC.value(annotations)),
        bandwidth: problems.keep(annotation::LB_BANDWIDTH.value(annotations)),
        algorithm: problems.keep(annotation::ALGORITHM.value(annotations)),
        source_ranges: problems.keep(source_ranges(service)),
        listeners: ports
            .filter_map(|(index, port)| listener(service, index, port, problems))
            .collect(),
        client_affinity_seconds: service.client_affinity_seconds,
        internal: problems.keep(internal(service)),
        idle_timeout: Some(problems.keep(annotation::IDLE_TIMEOUT.value(annotations))),
        tags: Some(
            problems
                .keep(annotation::TAGS.value(annotations))
                .or(&service.defaults.tags),
        ),
        addresses: problems.keep(requested_address::declared(service)),
        address_families: service.ip_families.iter().collect(),
    }
}

/// Whether the load balancer is to be for private networks only; `None` if neither the Service nor
/// its class mentions it: a new one is public then, and one that exists stays as it is.
fn internal(service: &ServiceView) -> Result<Option<bool>, Problem> {
    let annotations = &service.annotations;
    let is_mentioned = annotations.contains_key(annotation::INTERNAL.name());
    let value = annotation::INTERNAL.optional(annotations)?;
    Ok(value.filter(|_| is_mentioned))
}

/// The source ranges in the field, or in the annotation where the field is empty.
fn source_ranges(service: &ServiceView) -> Result<Vec<String>, Problem> {
    if !service.source_ranges.is_empty() {
        return Ok(canonical::ranges(&service.source_ranges));
    }
    annotation::SOURCE_RANGES.value(&service.annotations)
}

/// The clouds that a Service names.
pub(super) fn chosen_clouds(
    service: &ServiceView,
    clouds: &Clouds,
) -> Result<BTreeSet<CloudName>, Problem> {
    let allowed: Vec<&str> = clouds.keys().map(CloudName::as_str).collect();
    let of_configuration = |problem: Problem| Problem {
        rule: annotation::rule_of_clouds(&allowed),
        example: format!("{:?}", allowed.first().copied().unwrap_or("cloud1")),
        ..problem
    };
    let provider = annotation::PROVIDER;
    let chosen = provider.value(&service.annotations);
    let chosen = chosen.map_err(&of_configuration)?;
    if chosen.iter().all(|cloud| clouds.contains_key(cloud)) {
        return Ok(chosen);
    }
    let value = service.annotations.get(provider.name());
    Err(of_configuration(
        provider.about.problem(value.map(String::as_str)),
    ))
}

/// The listener of a port; `None` if it cannot have one.
fn listener(
    service: &ServiceView,
    index: usize,
    port: &PortView,
    problems: &mut Problems,
) -> Option<Listener> {
    let (protocol, node_port) = problems.keep(reached(index, port).map(Some))?;
    let has_tcp = service.ports.iter().any(|port| port.protocol == "TCP");
    let proxy_protocol = ProxyProtocol::declared(&service.annotations, port, protocol, has_tcp);
    let health_check = HealthCheck::declared(
        &service.annotations,
        service.health_check_node_port,
        service.defaults.cluster_check,
        port,
        protocol,
        node_port,
    );
    Some(Listener {
        name: port.name.clone(),
        protocol,
        port: port.port,
        node_port,
        proxy_protocol: Some(problems.keep(proxy_protocol)),
        health_check: problems.keep(health_check),
        app_protocol: Some(port.app_protocol.clone().unwrap_or_default()),
    })
}

/// The protocol and the node port at which a port is reached.
fn reached(index: usize, port: &PortView) -> Result<(Protocol, u16), Problem> {
    let problem = |field: &str, value: Option<String>, rule: &str, example: &str| Problem {
        kind: ProblemKind::Invalid,
        subject: Subject::Field(format!("spec.ports[{index}].{field}")),
        value,
        rule: rule.into(),
        example: example.into(),
    };
    let protocol = match port.protocol.as_str() {
        "TCP" => Protocol::Tcp,
        "UDP" => Protocol::Udp,
        "SCTP" => Protocol::Sctp,
        other => {
            let rule = "load balancers support TCP, UDP and SCTP only";
            return Err(problem("protocol", Some(other.to_owned()), rule, "\"TCP\""));
        }
    };
    let Some(node_port) = port.node_port else {
        let rule = "load balancers reach Nodes through node ports, so the Service must not have \
                    allocateLoadBalancerNodePorts: false";
        return Err(problem("nodePort", None, rule, "30080"));
    };
    Ok((protocol, node_port))
}
