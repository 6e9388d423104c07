//! A Service object, with only what this program reads or has to repeat in its patches.
//!
//! A typed `Service` of k8s-openapi takes about four times the memory, and one field with
//! a value that it does not accept makes the list of all Services unreadable.

mod json;

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as typed;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use kube::Resource;
use kube::core::NamespaceResourceScope;

use super::MetadataKeys;
use super::condition::Condition;
use super::managed_fields::{self, FieldOwner};
use crate::plan::ip_mode::IpModes;
use crate::plan::node_addresses::IpFamilies;
use crate::plan::port_status::PortStatus;
use crate::plan::record::Ingress;
use crate::plan::service::PortView;
use crate::plan::service_size::{self, TooLarge};

/// A Service as the API server shows it.
///
/// Reading one never fails: a field with an unexpected value counts as missing, and is in
/// [`Service::unreadable`] if that would be a decision.
#[derive(Clone, Debug, Default)]
pub struct Service {
    /// Name, namespace, UID, resourceVersion, the times of creation and deletion, and all
    /// finalizers. The other fields are empty.
    pub metadata: ObjectMeta,
    /// All of them, because a patch replaces the whole list.
    pub conditions: Vec<Condition>,
    /// The readable addresses of `status.loadBalancer.ingress`.
    pub(super) ingress: Vec<Ingress>,
    /// The `ipMode` of those of these addresses that have one.
    pub(super) ip_modes: IpModes,
    /// The ports of those of these addresses that have any.
    pub(super) port_statuses: BTreeMap<Ingress, Vec<PortStatus>>,
    pub(super) spec: ServiceSpec,
    /// In no order. Only those that the plan reads after [`Service::trim`].
    annotations: Vec<(Box<str>, Box<str>)>,
    /// Empty after [`Service::trim`].
    pub(super) field_owners: Vec<FieldOwner>,
    /// Whether [`Service::trim`] found more of them than is kept.
    has_large_annotations: bool,
    /// Set by [`Service::trim`].
    pub(super) requested_at: Option<Timestamp>,
    unreadable: Box<[&'static str]>,
    /// Whether a time in `managedFields` is one that no server can read.
    pub(super) has_odd_owner: bool,
}

/// The part of `spec` that the plan reads.
#[derive(Clone, Debug, Default)]
pub(super) struct ServiceSpec {
    pub(super) is_load_balancer: bool,
    pub(super) class: Option<String>,
    pub(super) ports: Vec<PortView>,
    pub(super) source_ranges: Vec<String>,
    pub(super) client_affinity_seconds: Option<u32>,
    pub(super) ip_families: IpFamilies,
    pub(super) requires_dual_stack: bool,
    pub(super) health_check_node_port: Option<u16>,
    pub(super) requested_ip: Option<String>,
    /// What it has too much of, and lacks here.
    pub(super) too_large: Box<[TooLarge]>,
}

impl Service {
    /// Drops what no controller with these keys reads: the annotations of others, and
    /// `managedFields` but for the time of the request.
    pub fn trim(&mut self, metadata_keys: &MetadataKeys) {
        self.requested_at = managed_fields::requested_at(self, metadata_keys);
        self.field_owners = Vec::new();
        self.has_large_annotations = self.has_large_annotations(metadata_keys);
        let is_large = self.has_large_annotations;
        self.annotations.retain_mut(|(full, value)| {
            let Some(name) = metadata_keys.read(full) else {
                return false;
            };
            if is_large {
                match service_size::kept_value(name, value) {
                    Some(kept) if kept.len() < value.len() => *value = kept.into(),
                    Some(_) => {}
                    None => return false,
                }
            }
            true
        });
        self.annotations.shrink_to_fit();
    }

    /// Whether the annotations that the plan reads exceed their bound, also before
    /// [`Service::trim`].
    pub(super) fn has_large_annotations(&self, metadata_keys: &MetadataKeys) -> bool {
        let read = self.annotations();
        let read = read.filter(|(name, _)| metadata_keys.read(name).is_some());
        let bytes: usize = read.map(|(name, value)| name.len() + value.len()).sum();
        self.has_large_annotations || bytes > service_size::ANNOTATIONS
    }

    /// The fields without which nothing may be decided about this Service, and whose values
    /// cannot be read; usually none.
    pub fn unreadable(&self) -> &[&'static str] {
        &self.unreadable
    }

    /// Whether a patch can name the version that it is for, and repeat what others wrote.
    pub fn can_be_patched(&self) -> bool {
        self.unreadable
            .iter()
            .all(|field| field.starts_with("spec"))
    }

    /// The annotations, by their full names.
    pub fn annotations(&self) -> impl Iterator<Item = (&str, &str)> {
        self.annotations
            .iter()
            .map(|(name, value)| (&**name, &**value))
    }

    /// The value of an annotation, by its full name.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations()
            .find_map(|(found, value)| (found == name).then_some(value))
    }
}

impl Resource for Service {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind(_: &()) -> Cow<'_, str> {
        typed::Service::kind(&())
    }

    fn group(_: &()) -> Cow<'_, str> {
        typed::Service::group(&())
    }

    fn version(_: &()) -> Cow<'_, str> {
        typed::Service::version(&())
    }

    fn plural(_: &()) -> Cow<'_, str> {
        typed::Service::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod size_tests;
#[cfg(test)]
mod test_json;
#[cfg(test)]
mod tests;
