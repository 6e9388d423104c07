//! A Lease, read leniently: a value that Go admits and the typed Lease does not, such as a
//! time in the year 10000, would make it unreadable for every replica, and nobody would
//! lead any more.

mod shallow;

use std::borrow::Cow;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::Resource;
use kube::core::NamespaceResourceScope;
use serde::de::{DeserializeOwned, DeserializeSeed};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use super::observed_lease::TERM_OFFSET;
use shallow::Shallow;

/// Levels of the object, its metadata, the list of `managedFields`, an entry, and its time.
const LEVELS: usize = 5;

/// A Lease as the API server shows it. Reading one never fails: a field with an unexpected
/// value counts as missing. A holder is one whatever its value is.
#[derive(Clone, Debug, Default)]
pub(super) struct LeaseObject {
    /// Name, namespace, resourceVersion and the offset of terms. The other fields are empty.
    pub(super) metadata: ObjectMeta,
    pub(super) spec: LeaseSpec,
    /// The fields of `spec` that cannot be read.
    pub(super) odd: Vec<&'static str>,
    /// Whether a time in `managedFields` cannot be read.
    pub(super) has_odd_owner: bool,
}

impl LeaseObject {
    /// Whether a field of `spec` cannot be read. Then two states that look the same may
    /// differ in it.
    pub(super) fn is_odd(&self) -> bool {
        !self.odd.is_empty()
    }

    /// The Lease for a reader of typed objects.
    pub(super) fn typed(&self) -> Value {
        json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": self.metadata, "spec": self.spec,
        })
    }

    /// Adds to a merge patch what replaces the values that kube-apiserver cannot read
    /// either: it refuses every patch that leaves one of them in the object.
    pub(super) fn repair(&self, patch: &mut Map<String, Value>) {
        let mut set = |section: &str, field: &str, value: Value| {
            let section = patch.entry(section).or_insert_with(|| json!({}));
            if let Some(section) = section.as_object_mut() {
                section.entry(field).or_insert(value);
            }
        };
        for field in &self.odd {
            set("spec", field, Value::Null);
        }
        if self.has_odd_owner {
            // One empty entry is how the API is told to forget all of them.
            set("metadata", "managedFields", json!([{}]));
        }
    }

    fn read(json: &Value) -> Self {
        let (metadata, spec) = (&json["metadata"], &json["spec"]);
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let mut odd = Vec::new();
        let read = LeaseSpec {
            holder_identity: match &spec["holderIdentity"] {
                Value::Null => None,
                Value::String(holder) => Some(holder.clone()),
                other => Some(other.to_string()),
            },
            acquire_time: field(spec, "acquireTime", &mut odd),
            renew_time: field(spec, "renewTime", &mut odd),
            lease_duration_seconds: field(spec, "leaseDurationSeconds", &mut odd),
            lease_transitions: field(spec, "leaseTransitions", &mut odd),
            preferred_holder: field(spec, "preferredHolder", &mut odd),
            strategy: field(spec, "strategy", &mut odd),
        };
        let owners = metadata["managedFields"].as_array();
        let mut owners = owners.into_iter().flatten();
        Self {
            metadata: ObjectMeta {
                name: text(&metadata["name"]),
                namespace: text(&metadata["namespace"]),
                resource_version: text(&metadata["resourceVersion"]),
                annotations: text(&metadata["annotations"][TERM_OFFSET])
                    .map(|offset| [(TERM_OFFSET.to_owned(), offset)].into()),
                ..ObjectMeta::default()
            },
            spec: read,
            odd,
            has_odd_owner: owners.any(|owner| Option::<Time>::deserialize(&owner["time"]).is_err()),
        }
    }
}

/// Reads a field of `spec`; adds it to `odd` if it has an unexpected value.
fn field<T: DeserializeOwned>(
    spec: &Value,
    name: &'static str,
    odd: &mut Vec<&'static str>,
) -> Option<T> {
    let value = Option::<T>::deserialize(&spec[name]);
    value.unwrap_or_else(|_| {
        odd.push(name);
        None
    })
}

impl<'de> Deserialize<'de> for LeaseObject {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        Ok(Self::read(&Shallow(LEVELS).deserialize(json)?))
    }
}

impl Resource for LeaseObject {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind(_: &()) -> Cow<'_, str> {
        Lease::kind(&())
    }

    fn group(_: &()) -> Cow<'_, str> {
        Lease::group(&())
    }

    fn version(_: &()) -> Cow<'_, str> {
        Lease::version(&())
    }

    fn plural(_: &()) -> Cow<'_, str> {
        Lease::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How kube-apiserver shows `9999-12-31T23:59:59-23:59`.
    const YEAR_10000: &str = "10000-01-01T23:58:59.000000Z";

    fn whole() -> Value {
        json!({
            "metadata": {
                "name": "lease", "namespace": "kube-system", "resourceVersion": "10",
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "managedFields": [{"manager": "m", "time": "2026-01-01T00:00:00Z"}],
            },
            "spec": {
                "holderIdentity": "other", "leaseDurationSeconds": 15, "leaseTransitions": 3,
                "acquireTime": "2026-01-01T00:00:00.000000Z",
                "renewTime": "2026-01-01T00:00:00.000000Z",
                "preferredHolder": "other", "strategy": "OldestEmulationVersion",
            },
        })
    }

    fn read(json: Value) -> LeaseObject {
        serde_json::from_value(json).expect("anything is read")
    }

    /// With the typed Lease of k8s-openapi, each of these hid the Lease.
    #[test]
    fn a_value_that_go_admits_and_the_typed_lease_does_not_costs_its_field_at_most() {
        let times = [
            "/metadata/creationTimestamp",
            "/metadata/managedFields/0/time",
            "/spec/acquireTime",
            "/spec/renewTime",
        ];
        for path in times {
            let mut json = whole();
            *json.pointer_mut(path).expect("a field") = YEAR_10000.into();
            let typed = serde_json::from_value::<Lease>(json.clone());
            assert!(typed.is_err(), "{path}: {typed:?}");
            let lease = read(json);
            assert_eq!(lease.spec.holder_identity.as_deref(), Some("other"));
            assert_eq!(lease.spec.lease_duration_seconds, Some(15), "{path}");
            assert_eq!(lease.is_odd(), path.starts_with("/spec"), "{path}");
            let typed = serde_json::from_value::<Lease>(lease.typed());
            assert!(typed.is_ok(), "{path}: {typed:?}");
        }
        assert!(!read(whole()).is_odd());
    }

    /// Beyond 127 levels, serde_json builds no value.
    #[test]
    fn what_is_nested_deeply_hides_no_lease() {
        let nested = format!("{}1{}", "[".repeat(200), "]".repeat(200));
        let fields = [
            "/metadata/managedFields/0/manager",
            "/metadata/managedFields/0/time",
            "/spec/renewTime",
            "/spec/holderIdentity",
        ];
        for path in fields {
            let mut json = whole();
            *json.pointer_mut(path).expect("a field") = "nested".into();
            let json = json.to_string().replace("\"nested\"", &nested);
            let lease = serde_json::from_str::<LeaseObject>(&json).expect("anything is read");
            assert!(lease.spec.holder_identity.is_some(), "{path}");
            assert_eq!(lease.is_odd(), path == "/spec/renewTime", "{path}");
            assert_eq!(lease.has_odd_owner, path.ends_with("time"), "{path}");
        }
    }

    #[test]
    fn no_value_of_any_field_hides_the_holder() {
        let fields = [
            "acquireTime",
            "renewTime",
            "leaseDurationSeconds",
            "leaseTransitions",
            "preferredHolder",
            "strategy",
        ];
        let odd = [json!(true), json!(-1.5), json!([7]), json!({"a": 1})];
        for field in fields {
            for odd in &odd {
                let mut json = whole();
                json["spec"][field] = odd.clone();
                let lease = read(json);
                assert!(lease.is_odd(), "{field} is {odd}");
                assert_eq!(lease.spec.holder_identity.as_deref(), Some("other"));
            }
        }
        for odd in odd {
            let mut json = whole();
            json["spec"]["holderIdentity"] = odd.clone();
            assert!(read(json).spec.holder_identity.is_some(), "{odd}");
        }
    }

    #[test]
    fn a_patch_replaces_what_the_api_server_cannot_read_and_nothing_else() {
        let mut json = whole();
        json["spec"]["acquireTime"] = YEAR_10000.into();
        json["spec"]["renewTime"] = YEAR_10000.into();
        json["metadata"]["managedFields"][0]["time"] = YEAR_10000.into();
        let renewal = json!({"spec": {"renewTime": "now"}, "metadata": {"name": "lease"}});
        let patched = |lease: &LeaseObject| {
            let mut patch = renewal.as_object().expect("a map").clone();
            lease.repair(&mut patch);
            Value::Object(patch)
        };
        assert_eq!(
            patched(&read(json)),
            json!({
                "spec": {"renewTime": "now", "acquireTime": null},
                "metadata": {"name": "lease", "managedFields": [{}]},
            })
        );
        assert_eq!(patched(&read(whole())), renewal);
    }
}
