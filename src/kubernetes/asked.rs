//! Since when a Service asks for a load balancer: the start of the service
//! level's clock. It is read from the object, so a failover does not reset it.

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use k8s_openapi::jiff::Timestamp;

use super::{Marks, condition};
use crate::plan::annotation::ENABLE;

/// When it began to ask; `None` for an object without a creation time.
///
/// That is when our switch was last written (`managedFields` tell who wrote
/// what and when), or, where a later edit by the same hand hides that, when our
/// condition began to say that it is not ready. Other machines' clocks wrote both.
pub fn asked_at(service: &Service, marks: &Marks) -> Option<Timestamp> {
    let switch = switch(marks);
    let written = entries(service)
        .iter()
        .filter(|entry| entry.fields_v1.is_none() || owns(entry, &switch))
        .filter_map(|entry| entry.time.as_ref())
        .map(|time| time.0)
        .max();
    let created = service.metadata.creation_timestamp.as_ref();
    let asked = written.or_else(|| created.map(|time| time.0))?;
    let waits = condition::find(service, marks.condition())
        .filter(|condition| condition.status != "True")
        .map(|condition| condition.last_transition_time.0);
    Some(waits.map_or(asked, |waits| waits.min(asked)))
}

/// Keeps of `managedFields` what [`asked_at`] needs: they are more than half of
/// the size of many objects.
pub(super) fn keep_asked(service: &mut Service, marks: &Marks) {
    let switch = switch(marks);
    let kept = entries(service).iter().filter(|entry| owns(entry, &switch));
    let kept: Vec<_> = kept
        .map(|entry| ManagedFieldsEntry {
            time: entry.time.clone(),
            ..ManagedFieldsEntry::default()
        })
        .collect();
    service.metadata.managed_fields = (!kept.is_empty()).then_some(kept);
}

/// Our switch as `fieldsV1` names it.
fn switch(marks: &Marks) -> String {
    format!("f:{}", marks.annotation(ENABLE))
}

fn entries(service: &Service) -> &[ManagedFieldsEntry] {
    service
        .metadata
        .managed_fields
        .as_deref()
        .unwrap_or_default()
}

fn owns(entry: &ManagedFieldsEntry, switch: &str) -> bool {
    let fields = entry.fields_v1.as_ref();
    fields.is_some_and(|fields| !fields.0["f:metadata"]["f:annotations"][switch].is_null())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn service(condition: serde_json::Value) -> Service {
        let by = |manager: &str, time: &str, annotation: &str| {
            let field = format!("f:{annotation}");
            json!({
                "manager": manager, "operation": "Update", "time": time, "fieldsType": "FieldsV1",
                "fieldsV1": {"f:metadata": {"f:annotations": {field: {}}}},
            })
        };
        serde_json::from_value(json!({
            "metadata": {
                "name": "web", "namespace": "shop", "creationTimestamp": "2026-01-01T00:00:00Z",
                "managedFields": [
                    by("kubectl-create", "2026-01-01T00:00:00Z", "team"),
                    by("kubectl-annotate", "2026-03-01T00:00:00Z", "mycloud.com/enable"),
                    by("somebody", "2026-05-01T00:00:00Z", "note"),
                ],
            },
            "status": {"conditions": condition},
        }))
        .expect("a Service")
    }

    fn not_ready_since(time: &str) -> serde_json::Value {
        json!([{
            "type": "mycloud.com/LoadBalancerReady", "status": "False", "reason": "Provisioning",
            "message": "", "lastTransitionTime": time,
        }])
    }

    #[test]
    fn the_clock_starts_when_the_switch_was_written() {
        let marks = Marks::new("mycloud.com");
        let cases = [
            (
                json!([]),
                "2026-03-01T00:00:00Z",
                "annotated long after its creation",
            ),
            (
                not_ready_since("2026-02-01T00:00:00Z"),
                "2026-02-01T00:00:00Z",
                "edited again by the same hand while it waits",
            ),
            (
                not_ready_since("2026-03-01T00:00:09Z"),
                "2026-03-01T00:00:00Z",
                "nobody led when it was annotated",
            ),
        ];
        for (condition, expected, why) in cases {
            let mut service = service(condition);
            let expected: Timestamp = expected.parse().expect("a time");
            assert_eq!(asked_at(&service, &marks), Some(expected), "{why}");
            keep_asked(&mut service, &marks);
            assert_eq!(asked_at(&service, &marks), Some(expected), "{why}: as kept");
            assert_eq!(entries(&service).len(), 1, "{why}");
        }
    }

    #[test]
    fn without_managed_fields_it_starts_at_creation() {
        let mut service = service(json!([]));
        service.metadata.managed_fields = None;
        let created: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        assert_eq!(
            asked_at(&service, &Marks::new("mycloud.com")),
            Some(created)
        );
    }
}
