//! What the program must leave alone on the Services themselves.

use anyhow::Result;
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;

use super::{Guarantee, Violation};
use crate::Environment;

/// Checks that replicas never wrote to these Services, and called no cloud
/// about them: for Services that have never asked for a load balancer.
///
/// # Errors
/// The audit log cannot be read.
pub fn untouched(test: &Environment, services: &[&Service]) -> Result<Vec<Violation>> {
    let writes = test.writes()?;
    let calls = test.clouds().map(|cloud| cloud.events()).concat();
    let mut violations = Vec::new();
    for service in services {
        let (name, uid) = (service.name_any(), service.uid().unwrap_or_default());
        let written = |write: &&crate::control_plane::AuditEvent| {
            write.resource == "services" && write.name == name
        };
        let writes = writes.iter().filter(written).count();
        let about_it = |call: &&crate::cloud::Event| {
            // A list is of the whole inventory.
            call.verb.is_about_one() && call.request.to_string().contains(&uid)
        };
        let calls = calls.iter().filter(about_it).count();
        if writes + calls > 0 {
            let observation = format!("Service {name}: {writes} writes, {calls} cloud calls");
            violations.push(Violation::new(Guarantee::OnlyOurs, observation));
        }
    }
    Ok(violations)
}

/// Checks that a Service still has the spec, the labels and the annotations
/// with which its user applied it.
pub fn preserved(test: &Environment, applied: &Service, live: &Service) -> Option<Violation> {
    let ours = ["lb-id", "lb-cloud"].map(|name| format!("{}/{name}", test.prefix));
    let mut annotations = live.annotations().clone();
    annotations.retain(|name, _| !ours.contains(name));
    let is_preserved = live.spec == applied.spec
        && live.labels() == applied.labels()
        && &annotations == applied.annotations();
    let name = live.name_any();
    let observation = format!("Service {name}: the spec, labels or annotations have changed");
    (!is_preserved).then(|| Violation::new(Guarantee::NoLostWrite, observation))
}
