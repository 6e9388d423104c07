//! The time at which a Service requested a load balancer, where the provisioning time
//! starts. It is read from the object, so a failover does not reset it.

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::MetadataKeys;
use crate::plan::annotation::ENABLE;

/// The time of the request; `None` for an object without a creation time.
///
/// This is the last write of the annotation `enable` or of the type, by `managedFields`,
/// which have the time and the fields of each manager. A later edit of other fields by
/// the same manager moves it.
pub fn requested_at(service: &Service, metadata_keys: &MetadataKeys) -> Option<Timestamp> {
    let switch = switch(metadata_keys);
    let written = entries(service)
        .iter()
        .filter(|entry| entry.fields_v1.is_none() || owns(entry, &switch))
        .filter_map(|entry| entry.time.as_ref())
        .map(|time| time.0)
        .max();
    let created = service.metadata.creation_timestamp.as_ref();
    written.or_else(|| created.map(|time| time.0))
}

/// Keeps only the `managedFields` that [`requested_at`] needs, because they are more
/// than half of the size of many objects.
pub(super) fn trim(service: &mut Service, metadata_keys: &MetadataKeys) {
    let switch = switch(metadata_keys);
    let needed = entries(service).iter().filter(|entry| owns(entry, &switch));
    let needed: Vec<_> = needed
        .map(|entry| ManagedFieldsEntry {
            time: entry.time.clone(),
            ..ManagedFieldsEntry::default()
        })
        .collect();
    service.metadata.managed_fields = (!needed.is_empty()).then_some(needed);
}

/// The annotation `enable` as a key of `fieldsV1`.
fn switch(metadata_keys: &MetadataKeys) -> String {
    format!("f:{}", metadata_keys.annotation(ENABLE))
}

fn entries(service: &Service) -> &[ManagedFieldsEntry] {
    service
        .metadata
        .managed_fields
        .as_deref()
        .unwrap_or_default()
}

fn owns(entry: &ManagedFieldsEntry, switch: &str) -> bool {
    let Some(fields) = &entry.fields_v1 else {
        return false;
    };
    let has = |field: &Value| !field.is_null();
    has(&fields.0["f:metadata"]["f:annotations"][switch]) || has(&fields.0["f:spec"]["f:type"])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn service(typed: &str) -> Service {
        let by = |time: &str, fields: Value| json!({"manager": "m", "operation": "Update", "time": time, "fieldsType": "FieldsV1", "fieldsV1": fields});
        let annotation = |name: &str| json!({"f:metadata": {"f:annotations": {name: {}}}});
        serde_json::from_value(json!({
            "metadata": {
                "name": "web", "namespace": "shop", "creationTimestamp": "2026-01-01T00:00:00Z",
                "managedFields": [
                    by("2026-01-01T00:00:00Z", annotation("f:team")),
                    by("2026-03-01T00:00:00Z", annotation("f:mycloud.com/enable")),
                    by(typed, json!({"f:spec": {"f:type": {}}})),
                    by("2026-05-01T00:00:00Z", json!({"f:spec": {"f:ports": {}}})),
                ],
            },
        }))
        .expect("a Service")
    }

    #[test]
    fn the_time_starts_when_the_request_was_written() {
        let metadata_keys = MetadataKeys::new("mycloud.com");
        let cases = [
            (
                "2026-01-01T00:00:00Z",
                "2026-03-01T00:00:00Z",
                "annotated long after its creation",
            ),
            (
                "2026-04-01T00:00:00Z",
                "2026-04-01T00:00:00Z",
                "a LoadBalancer only since then",
            ),
        ];
        for (typed, expected, why) in cases {
            let mut service = service(typed);
            let expected: Timestamp = expected.parse().expect("a time");
            assert_eq!(
                requested_at(&service, &metadata_keys),
                Some(expected),
                "{why}"
            );
            trim(&mut service, &metadata_keys);
            assert_eq!(
                requested_at(&service, &metadata_keys),
                Some(expected),
                "{why}: after trim"
            );
            assert_eq!(entries(&service).len(), 2, "{why}");
        }
    }

    #[test]
    fn without_managed_fields_it_starts_at_creation() {
        let mut service = service("2026-04-01T00:00:00Z");
        service.metadata.managed_fields = None;
        let created: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        assert_eq!(
            requested_at(&service, &MetadataKeys::new("mycloud.com")),
            Some(created)
        );
    }
}
