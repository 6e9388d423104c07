//! The time at which a Service requested a load balancer, where the provisioning time
//! starts. It is read from the object, so a failover does not reset it.

use k8s_openapi::jiff::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use super::MetadataKeys;
use super::lenient::{self, Entries, Field, Shaped};
use super::service_object::Service;
use crate::plan::annotation::ENABLE;

/// The time of the request; `None` for an object without a creation time.
///
/// This is the last write of the annotation `enable` or of the type, by `managedFields`,
/// which have the time and the fields of each manager. A later edit of other fields by
/// the same manager moves it.
pub fn requested_at(service: &Service, metadata_keys: &MetadataKeys) -> Option<Timestamp> {
    let enable = metadata_keys.annotation(ENABLE.name());
    let owners = service.field_owners.iter();
    let written = owners
        .filter(|owner| owner.has_requested(&enable))
        .filter_map(|owner| owner.time.value)
        .max();
    let created = service.metadata.creation_timestamp.as_ref();
    // The recorded time is that of a trimmed Service, which has no field owners.
    written
        .or(service.requested_at)
        .or_else(|| created.map(|time| time.0))
}

/// An entry of `managedFields`, without the fields that are not about the request. The
/// whole of them are more than half of the size of many objects.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct FieldOwner {
    #[serde(deserialize_with = "lenient::time_field")]
    time: Field<Option<Timestamp>>,
    #[serde(deserialize_with = "lenient::object")]
    fields_v1: OwnedFields,
}

impl FieldOwner {
    /// Whether the time is one that no server can read: kube-apiserver refuses every patch
    /// of an object with such an entry.
    pub(super) fn is_odd(&self) -> bool {
        self.time.is_odd
    }

    fn has_requested(&self, enable: &str) -> bool {
        let OwnedFields { metadata, spec } = &self.fields_v1;
        let mut switches = metadata.switches.0.iter();
        spec.has_type || switches.any(|switch| **switch == *enable)
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct OwnedFields {
    #[serde(rename = "f:metadata", deserialize_with = "lenient::object")]
    metadata: OwnedMetadata,
    #[serde(rename = "f:spec", deserialize_with = "lenient::object")]
    spec: OwnedSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct OwnedMetadata {
    #[serde(rename = "f:annotations", deserialize_with = "lenient::entries")]
    switches: Switches,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct OwnedSpec {
    #[serde(rename = "f:type", deserialize_with = "is_present")]
    has_type: bool,
}

/// The annotations that may be `enable`, by their full names: the prefix is not known yet
/// when an object is read.
#[derive(Clone, Debug, Default)]
struct Switches(Vec<Box<str>>);

impl Entries for Switches {
    fn needs(field: &str) -> bool {
        let name = field.strip_prefix("f:");
        name.is_some_and(|name| name.rsplit('/').next() == Some(ENABLE.name()))
    }

    fn insert(&mut self, field: String, value: Shaped<String>) -> bool {
        if !matches!(value, Shaped::Missing) {
            self.0.extend(field.strip_prefix("f:").map(Box::from));
        }
        true
    }
}

fn is_present<'de, D: Deserializer<'de>>(json: D) -> Result<bool, D::Error> {
    Ok(Option::<IgnoredAny>::deserialize(json)?.is_some())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn service(typed: &str) -> Service {
        let by = |time: &str, fields: Value| json!({"manager": "m", "operation": "Update", "time": time, "fieldsType": "FieldsV1", "fieldsV1": fields});
        let annotation = |name: &str| json!({"f:metadata": {"f:annotations": {name: {}}}});
        serde_json::from_value(json!({
            "metadata": {
                "name": "web", "namespace": "shop", "creationTimestamp": "2026-01-01T00:00:00Z",
                "managedFields": [
                    by("2026-01-01T00:00:00Z", annotation("f:team")),
                    by("2026-06-01T00:00:00Z", annotation("f:other.example/enable")),
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
            (
                "10000-01-01T23:58:59Z",
                "2026-03-01T00:00:00Z",
                "the year 10000 is no time to start from",
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
            service.trim(&metadata_keys);
            assert_eq!(
                requested_at(&service, &metadata_keys),
                Some(expected),
                "{why}: after trim"
            );
            assert!(service.field_owners.is_empty(), "{why}");
        }
    }

    #[test]
    fn without_managed_fields_it_starts_at_creation() {
        let mut service = service("2026-04-01T00:00:00Z");
        service.field_owners.clear();
        let created: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        assert_eq!(
            requested_at(&service, &MetadataKeys::new("mycloud.com")),
            Some(created)
        );
    }
}
