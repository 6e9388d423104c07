//! The errors of ports in the status of a Service: `status.loadBalancer.ingress[].ports` and the
//! condition `LoadBalancerPortsError`, both of the Kubernetes API.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::condition::{self, Condition, Readiness};
use super::service_object::Service;
use crate::plan::port_status::{PortErrors, PortStatus};
use crate::plan::problem::describe_problems;
use crate::plan::record::Ingress;

/// The type of the condition (`LoadBalancerPortsError` of k8s.io/api/core/v1).
pub const CONDITION: &str = "LoadBalancerPortsError";
/// Its reason here. With another reason it is another writer's.
const REASON: &str = "UnsupportedProtocol";

/// The condition, if it is ours.
pub fn find(service: &Service) -> Option<&Condition> {
    condition::find(service, CONDITION).filter(|found| found.reason == REASON)
}

/// Whether the condition says this already, or there is nothing to say.
pub fn are_told(service: &Service, errors: &PortErrors, prefix: &str) -> bool {
    match find(service) {
        None => errors.problems.is_empty(),
        Some(found) => {
            !errors.problems.is_empty()
                && found.status == "True"
                && found.message == message(errors, prefix)
        }
    }
}

/// Whether the status of the Service shows these errors.
pub fn are_shown(service: &Service, errors: &PortErrors, prefix: &str) -> bool {
    let ports = ports(service, &service.ingress, Some(errors), prefix);
    service.port_statuses == ports && are_told(service, errors, prefix)
}

/// The condition with these errors; `None` if there are none.
pub fn condition(service: &Service, errors: &PortErrors, prefix: &str) -> Option<Condition> {
    let message = message(errors, prefix);
    (!errors.problems.is_empty())
        .then(|| Condition::with_status(CONDITION, "True", REASON, message, find(service)))
}

fn message(errors: &PortErrors, prefix: &str) -> String {
    Readiness::message_of(&describe_problems(&errors.problems, prefix))
}

/// The ports to show at each of these addresses: these errors instead of ours, and those of others.
pub fn ports(
    service: &Service,
    addresses: &[Ingress],
    errors: Option<&PortErrors>,
    prefix: &str,
) -> BTreeMap<Ingress, Vec<PortStatus>> {
    let mut ports = service.port_statuses.clone();
    if let Some(errors) = errors {
        let ours = format!("{prefix}/");
        let is_ours = |port: &PortStatus| {
            let error = port.error.as_ref();
            error.is_some_and(|error| error.starts_with(&ours))
        };
        ports.retain(|_, ports| !ports.iter().any(is_ours));
        ports.extend(errors.ports.clone());
    }
    ports.retain(|address, _| addresses.contains(address));
    ports
}

/// One entry as the API has it.
pub fn json(status: &PortStatus) -> Value {
    let PortStatus {
        port,
        protocol,
        error,
    } = status;
    let mut json = json!({ "port": port, "protocol": protocol });
    if let Some(error) = error {
        json["error"] = json!(error);
    }
    json
}
