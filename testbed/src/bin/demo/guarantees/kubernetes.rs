//! Guarantees that the API objects and the audit log show.

use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;

use super::{Evidence, Verdict};
use crate::services::condition;

const ENABLE: &str = "mycloud.com/enable";
/// The annotations that we write.
const OURS: [&str; 2] = ["mycloud.com/lb-id", "mycloud.com/lb-cloud"];

/// Whether a Service asks for a load balancer.
pub fn asks(service: &Service) -> bool {
    let enabled = service
        .annotations()
        .get(ENABLE)
        .is_some_and(|value| value == "true");
    let kind = service.spec.as_ref().and_then(|spec| spec.type_.as_deref());
    enabled && kind == Some("LoadBalancer")
}

/// Services that do not ask are as they were applied, and no cloud heard of them.
pub fn only_ours(evidence: &Evidence<'_>) -> Verdict {
    let others: Vec<&Service> = evidence
        .services
        .iter()
        .filter(|service| !asks(service))
        .collect();
    let is = |name: &str| others.iter().any(|service| service.name_any() == name);
    let writes = evidence.kubernetes_writes.iter();
    let writes = writes
        .filter(|write| write.resource == "services" && is(&write.name))
        .count();
    let uids: Vec<String> = others.iter().filter_map(|service| service.uid()).collect();
    let calls = evidence.calls.iter().filter(|call| {
        let request = call.request.to_string();
        uids.iter().any(|uid| request.contains(uid))
    });
    let calls = calls.count();
    let unchanged = others
        .iter()
        .all(|service| match as_applied(evidence, service) {
            Some(applied) => applied.resource_version() == service.resource_version(),
            // Not the user's: the Service `kubernetes`.
            None => true,
        });
    let names: Vec<String> = others.iter().map(|service| service.name_any()).collect();
    Verdict {
        guarantee: "only-ours",
        held: unchanged && writes == 0 && calls == 0,
        because: format!("{}: {writes} writes, {calls} cloud calls", names.join(", ")),
    }
}

/// What the user wrote is still there, word for word.
pub fn no_lost_write(evidence: &Evidence<'_>) -> Verdict {
    let intact = |service: &&Service| {
        as_applied(evidence, service).is_none_or(|applied| {
            let mut annotations = service.annotations().clone();
            annotations.retain(|name, _| !OURS.contains(&name.as_str()));
            service.spec == applied.spec
                && service.labels() == applied.labels()
                && &annotations == applied.annotations()
        })
    };
    let changed: Vec<String> = evidence
        .services
        .iter()
        .filter(|service| !intact(service))
        .map(ResourceExt::name_any)
        .collect();
    let because = if changed.is_empty() {
        "spec, labels and annotations of every Service as the user applied them".to_owned()
    } else {
        format!("the user's fields changed in {}", changed.join(", "))
    };
    Verdict {
        guarantee: "no-lost-write",
        held: changed.is_empty(),
        because,
    }
}

/// Every Service says how it is, and Events say what was done.
pub fn explained(evidence: &Evidence<'_>) -> Verdict {
    let said = |service: &str, reason: &str| {
        let mut events = evidence.events.iter();
        events.any(|(about, why)| about == service && why == reason)
    };
    let mut silent = Vec::new();
    for applied in evidence
        .facts
        .applied
        .iter()
        .filter(|service| asks(service))
    {
        let name = applied.name_any();
        let live = evidence
            .services
            .iter()
            .find(|service| service.uid() == applied.uid());
        let (reason, ready) = match live {
            Some(live) => (
                "EnsuredLoadBalancer",
                condition(live).is_some_and(|(status, _)| status == "True"),
            ),
            None => ("DeletedLoadBalancer", true),
        };
        if !ready {
            silent.push(format!("condition of {name}"));
        }
        if !said(&name, reason) {
            silent.push(format!("Event {reason} of {name}"));
        }
    }
    let because = if silent.is_empty() {
        format!(
            "conditions are True; {} Events say what was done",
            evidence.events.len()
        )
    } else {
        format!("missing: {}", silent.join(", "))
    };
    Verdict {
        guarantee: "explained",
        held: silent.is_empty(),
        because,
    }
}

fn as_applied<'a>(evidence: &'a Evidence<'_>, service: &Service) -> Option<&'a Service> {
    let applied = &evidence.facts.applied;
    applied
        .iter()
        .find(|applied| applied.uid() == service.uid())
}
