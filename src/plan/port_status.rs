//! What the status of a Service says about its ports: which of them a cloud cannot have.

use std::collections::BTreeMap;

use serde::Serialize;

use super::load_balancer::{Listener, LoadBalancer};
use super::problem::Problem;
use super::record::{self, Ingress};
use super::{LackingPort, Observed, Wanted};

/// What a cloud does not support of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum PortError {
    /// Its protocol.
    Protocol,
    /// What an annotation with the name of the port in front asks for.
    Annotation,
}

impl PortError {
    pub const ALL: [Self; 2] = [Self::Protocol, Self::Annotation];

    /// The name of the error below the prefix of annotations, as the API wants it for errors
    /// that are not its own (`example.com/Name`).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Protocol => "UnsupportedProtocol",
            Self::Annotation => "UnsupportedAnnotation",
        }
    }
}

/// One entry of `status.loadBalancer.ingress[].ports`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortStatus {
    pub port: u16,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
    /// With its domain.
    pub error: Option<String>,
}

/// The ports that do not work although others do; empty if all work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortErrors {
    /// All ports of each address at which one does not work.
    pub ports: BTreeMap<Ingress, Vec<PortStatus>>,
    pub problems: Vec<Problem>,
    /// The first of their kinds; `None` if there are none.
    pub error: Option<PortError>,
}

impl LackingPort {
    /// Whether the load balancer has the listener as it is declared.
    fn works(&self, declared: &Listener, found: &LoadBalancer) -> bool {
        let mut shown = found.spec.listeners.iter();
        let shown = shown.find(|shown| shown.is_same_port(declared));
        shown.is_some_and(|shown| match self.error {
            PortError::Protocol => true,
            PortError::Annotation => declared.is_set_as(shown),
        })
    }
}

impl PortErrors {
    /// Those of the load balancers that exist. A listener that one has as it is asked for
    /// works, whatever its cloud tells by now. `prefix` is that of annotations.
    pub fn of(wanted: &Wanted, observed: &Observed, prefix: &str) -> Self {
        let mut errors = Self::default();
        let present = observed.present();
        for (cloud, found) in present.filter(|(cloud, _)| wanted.clouds.contains(*cloud)) {
            let lacking = wanted.lacking_ports(cloud).iter();
            let works = |port: &LackingPort| {
                let mut declared = wanted.listeners().iter();
                declared.any(|listener| port.is_of(listener) && port.works(listener, found))
            };
            let missing: Vec<_> = lacking.filter(|port| !works(port)).collect();
            if missing.is_empty() {
                continue;
            }
            let status = wanted.listeners().iter().map(|listener| PortStatus {
                port: listener.port,
                protocol: listener.protocol.as_str().to_owned(),
                error: missing
                    .iter()
                    .find(|port| port.is_of(listener))
                    .map(|port| format!("{prefix}/{}", port.error.as_str())),
            });
            let status: Vec<PortStatus> = status.collect();
            for address in record::ingress_of(&found.addresses) {
                errors.ports.insert(address, status.clone());
            }
            let problems = missing.iter().map(|port| port.problem.clone());
            errors.problems.extend(problems);
            let kinds = missing.iter().map(|port| port.error);
            errors.error = errors.error.into_iter().chain(kinds).min();
        }
        errors
    }
}
