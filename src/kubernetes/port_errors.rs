//! The errors of ports in the status of a Service: `status.loadBalancer.ingress[].ports` and the
//! condition `LoadBalancerPortsError`, both of the Kubernetes API.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::condition::{self, Condition, Readiness};
use super::service_object::Service;
use crate::plan::port_status::{PortError, PortErrors, PortStatus};
use crate::plan::problem::describe_problems;
use crate::plan::record::Ingress;

/// The type of the condition (`LoadBalancerPortsError` of k8s.io/api/core/v1).
pub const CONDITION: &str = "LoadBalancerPortsError";
/// The condition, if it is ours. With another reason than ours it is another writer's.
pub fn find(service: &Service) -> Option<&Condition> {
    let is_ours = |found: &&Condition| {
        let mut ours = PortError::ALL.into_iter();
        ours.any(|error| found.reason == error.as_str())
    };
    condition::find(service, CONDITION).filter(is_ours)
}

/// Whether the condition says this already, or there is nothing to say.
pub fn are_told(service: &Service, errors: &PortErrors, prefix: &str) -> bool {
    match (find(service), errors.error) {
        (None, error) => error.is_none(),
        (Some(_), None) => false,
        (Some(found), Some(error)) => {
            found.status == "True"
                && found.reason == error.as_str()
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
    let reason = errors.error?.as_str();
    let message = message(errors, prefix);
    let before = find(service);
    Some(Condition::with_status(
        CONDITION, "True", reason, message, before,
    ))
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
