//! What the status of a Service says about its ports: which of them a cloud cannot have.

use std::collections::BTreeMap;

use super::problem::Problem;
use super::record::{self, Ingress};
use super::{Observed, Wanted};

/// The error of a port whose protocol the cloud does not support: its name below the prefix
/// of annotations, as the API wants it for errors that are not its own (`example.com/Name`).
pub const UNSUPPORTED_PROTOCOL: &str = "UnsupportedProtocol";

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
}

impl PortErrors {
    /// Those of the load balancers that exist. A listener that one has works, whatever its
    /// cloud tells by now. `prefix` is that of annotations.
    pub fn of(wanted: &Wanted, observed: &Observed, prefix: &str) -> Self {
        let mut errors = Self::default();
        let present = observed.present();
        for (cloud, found) in present.filter(|(cloud, _)| wanted.clouds.contains(*cloud)) {
            let lacking = wanted.lacking_ports(cloud).iter();
            let has = |port: &super::LackingPort| {
                let mut declared = wanted.listeners().iter();
                declared.any(|listener| port.is_of(listener) && found.has(listener))
            };
            let missing: Vec<_> = lacking.filter(|port| !has(port)).collect();
            if missing.is_empty() {
                continue;
            }
            let status = wanted.listeners().iter().map(|listener| PortStatus {
                port: listener.port,
                protocol: listener.protocol.as_str().to_owned(),
                error: missing
                    .iter()
                    .any(|port| port.is_of(listener))
                    .then(|| format!("{prefix}/{UNSUPPORTED_PROTOCOL}")),
            });
            let status: Vec<PortStatus> = status.collect();
            for address in record::ingress_of(&found.addresses) {
                errors.ports.insert(address, status.clone());
            }
            let problems = missing.iter().map(|port| port.problem.clone());
            errors.problems.extend(problems);
        }
        errors
    }
}
