//! What a Service asks for, read from the object alone.

use std::collections::BTreeSet;
use std::net::IpAddr;

use k8s_openapi::api::core::v1::{Service, ServicePort};
use kube::ResourceExt;

use crate::cloud::{
    AddressFamily, Algorithm, CloudSimulator, HealthCheck, HealthCheckProtocol, Listener, Protocol,
    ProxyProtocol, SessionAffinity, Settings,
};

/// Addresses of all eligible Nodes.
pub type Nodes = BTreeSet<IpAddr>;

/// The desired state of a Service; it asks for nothing if it names no cloud.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// One load balancer on each.
    pub clouds: BTreeSet<String>,
    settings: Settings,
}

impl Desired {
    /// Reads it from the Service, with annotations of this prefix.
    pub fn of(service: &Service, prefix: &str) -> Self {
        let spec = service.spec.clone().unwrap_or_default();
        let ours = |name: &str| service.annotations().get(&format!("{prefix}/{name}"));
        let is_ours = spec.type_.as_deref() == Some("LoadBalancer")
            && spec.load_balancer_class.is_none()
            && ours("enable").is_some_and(|value| is_yes(value))
            && service.metadata.deletion_timestamp.is_none();
        if !is_ours {
            return Self::default();
        }
        let default = Settings::default();
        let text = |name, default| ours(name).cloned().unwrap_or(default);
        let settings = Settings {
            listeners: {
                let ports = spec.ports.iter().flatten();
                let local = spec.health_check_node_port;
                ports.filter_map(|port| listener(port, local)).collect()
            },
            internal: ours("internal").is_some_and(|value| value == "true"),
            spec: text("lb-spec", default.spec),
            bandwidth: text("lb-bandwidth", default.bandwidth),
            algorithm: match ours("algorithm").map(String::as_str) {
                Some("least-connections") => Algorithm::LeastConnections,
                Some("source-hash") => Algorithm::SourceHash,
                _ => Algorithm::RoundRobin,
            },
            source_ranges: spec.load_balancer_source_ranges.unwrap_or_default(),
            session_affinity: match spec.session_affinity.as_deref() {
                // Kubernetes' default of the timeout.
                Some("ClientIP") => SessionAffinity::ClientIP {
                    timeout_seconds: 10_800,
                },
                _ => SessionAffinity::None,
            },
            ..Settings::default()
        };
        let clouds = text("provider", String::new());
        let clouds = clouds.split(',').map(|name| name.trim().to_owned());
        Self {
            clouds: clouds.filter(|name| !name.is_empty()).collect(),
            settings,
        }
    }

    /// As its load balancer on this cloud should be.
    pub(super) fn settings(&self, cloud: &CloudSimulator, nodes: &Nodes) -> Settings {
        let mut settings = Settings {
            nodes: nodes.iter().copied().collect(),
            ..self.settings.clone()
        };
        if !cloud.tells("healthChecks") {
            for listener in &mut settings.listeners {
                listener.health_check = None;
            }
        }
        comparable(&settings)
    }
}

/// The spellings of a yes in the README.
fn is_yes(value: &str) -> bool {
    let yes = ["true", "t", "1", "yes", "on"];
    yes.iter()
        .any(|word| value.trim().eq_ignore_ascii_case(word))
}

/// The order of Nodes and listeners means nothing.
pub(super) fn comparable(settings: &Settings) -> Settings {
    let mut settings = settings.clone();
    settings.nodes.sort();
    // A cloud that is not asked has this one.
    if settings.address_families == [AddressFamily::V4] {
        settings.address_families.clear();
    }
    settings
        .listeners
        .sort_by_key(|listener| (listener.port, listener.protocol));
    settings
}

fn listener(port: &ServicePort, health_check_node_port: Option<i32>) -> Option<Listener> {
    let protocol = match port.protocol.as_deref() {
        Some("UDP") => Protocol::Udp,
        Some("SCTP") => Protocol::Sctp,
        _ => Protocol::Tcp,
    };
    let node_port = port.node_port?.try_into().ok()?;
    Some(Listener {
        name: port.name.clone().unwrap_or_default(),
        protocol,
        port: port.port.try_into().ok()?,
        node_port,
        health_check: health_check(protocol, node_port, health_check_node_port),
        proxy_protocol: ProxyProtocol::None,
        app_protocol: String::new(),
    })
}

/// The health check of a Service without annotations about it.
fn health_check(
    protocol: Protocol,
    node_port: u16,
    health_check_node_port: Option<i32>,
) -> Option<HealthCheck> {
    let (kind, port, path) = match (health_check_node_port, protocol) {
        (Some(port), _) => {
            let path = Some("/healthz".to_owned());
            (HealthCheckProtocol::Http, port.try_into().ok()?, path)
        }
        (None, Protocol::Tcp) => (HealthCheckProtocol::Tcp, node_port, None),
        (None, Protocol::Udp | Protocol::Sctp) => return None,
    };
    Some(HealthCheck {
        protocol: kind,
        port: Some(port),
        path,
        // The defaults of the README.
        interval_seconds: Some(5),
        timeout_seconds: Some(3),
        healthy_threshold: Some(2),
        unhealthy_threshold: Some(3),
    })
}
