//! A Node object, with only what decides whether it is a back end. A typed `Node` also has
//! the names of all its images, its conditions and its capacity.

use std::borrow::Cow;
use std::net::IpAddr;

use k8s_openapi::api::core::v1 as typed;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use kube::Resource;
use kube::core::ClusterResourceScope;
use serde::{Deserialize, Deserializer};

use super::lenient::{self, Entries, Field, Shaped};
use super::node::{AUTOSCALER_TAINT, EXCLUDE_LABEL, NodeAddressType};

/// Maximum number of addresses of a Node that are read, of all types. A kubelet writes any
/// number, and changes them as often as it likes; the first usable one becomes a back end.
pub const ADDRESSES: usize = 64;
/// Maximum size of the labels of a Node in bytes, beyond which none is kept. A kubelet writes any
/// number of most labels; those of Nodes with hundreds of discovered features take 20 KiB.
pub const LABELS: usize = 64 << 10;

/// A Node as the API server shows it.
///
/// Reading one never fails: a field with an unexpected value counts as missing, and is in
/// [`Node::unreadable`] if that would be a decision.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// Name, UID, resourceVersion and the time of deletion. The other fields are empty.
    pub metadata: ObjectMeta,
    /// The value of the label that excludes it from load balancers.
    pub(super) exclude_label: Option<Box<str>>,
    /// Whether the cluster autoscaler is about to remove it.
    pub(super) is_leaving: bool,
    /// `None` once they are dropped.
    labels: Option<Labels>,
    /// The addresses of both types among the first [`ADDRESSES`], in order.
    pub(super) addresses: Vec<(NodeAddressType, IpAddr)>,
    has_more_addresses: bool,
    unreadable: Box<[&'static str]>,
}

impl Node {
    /// The fields without which nothing may be decided about this Node, and whose values
    /// cannot be read; usually none. An address that is no IP address is readable.
    pub fn unreadable(&self) -> &[&'static str] {
        &self.unreadable
    }

    /// The fields of which the Node has more than is read; usually none. That makes it not
    /// unreadable: whoever controls one Node could else keep the back ends of all from leaving.
    pub fn too_large(&self) -> Vec<&'static str> {
        let labels = self.labels.as_ref();
        let fields = [
            (self.has_more_addresses, "status.addresses"),
            (labels.is_some_and(Labels::are_too_large), "metadata.labels"),
        ];
        let too_large = fields.into_iter().filter(|(is_so, _)| *is_so);
        too_large.map(|(_, name)| name).collect()
    }

    /// The labels; `None` if they were dropped.
    pub fn labels(&self) -> Option<&Labels> {
        self.labels.as_ref()
    }

    /// Drops the labels: most clusters have no Service that chooses Nodes by them, and those
    /// of a Node take more memory than all the rest of it.
    pub fn drop_labels(&mut self) {
        self.labels = None;
    }
}

/// The labels of a Node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Labels {
    /// In ascending order of the keys; empty if they are too large.
    entries: Box<[(Box<str>, Box<str>)]>,
    are_too_large: bool,
}

impl Labels {
    /// The value of a label.
    pub fn get(&self, key: &str) -> Option<&str> {
        let found = self
            .entries
            .binary_search_by(|(known, _)| (**known).cmp(key));
        let (_, value) = self.entries.get(found.ok()?)?;
        Some(value)
    }

    /// Whether they have more than [`LABELS`] bytes. Nothing may select the Node then: a label
    /// that keeps it away may be among those that are not kept.
    pub fn are_too_large(&self) -> bool {
        self.are_too_large
    }
}

impl Resource for Node {
    type DynamicType = ();
    type Scope = ClusterResourceScope;

    fn kind(_: &()) -> Cow<'_, str> {
        typed::Node::kind(&())
    }

    fn group(_: &()) -> Cow<'_, str> {
        typed::Node::group(&())
    }

    fn version(_: &()) -> Cow<'_, str> {
        typed::Node::version(&())
    }

    fn plural(_: &()) -> Cow<'_, str> {
        typed::Node::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        lenient::object::<D, NodeJson>(json).map(Self::from)
    }
}

/// The JSON of a Node. A [`Field`] is one whose absence would be a decision.
#[derive(Default, Deserialize)]
#[serde(default)]
struct NodeJson {
    #[serde(deserialize_with = "lenient::object_field")]
    metadata: Field<MetadataJson>,
    #[serde(deserialize_with = "lenient::object_field")]
    spec: Field<SpecJson>,
    #[serde(deserialize_with = "lenient::object_field")]
    status: Field<StatusJson>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct MetadataJson {
    #[serde(deserialize_with = "lenient::text")]
    name: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    uid: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    resource_version: Option<String>,
    #[serde(deserialize_with = "lenient::deletion_field")]
    deletion_timestamp: Field<Option<Timestamp>>,
    #[serde(deserialize_with = "lenient::entries_field")]
    labels: Field<LabelsJson>,
}

#[derive(Default)]
struct LabelsJson {
    exclude: Option<Box<str>>,
    /// Empty if they are too large.
    all: Vec<(Box<str>, Box<str>)>,
    bytes: usize,
}

impl LabelsJson {
    fn are_too_large(&self) -> bool {
        self.bytes > LABELS
    }

    fn kept(mut self) -> Labels {
        self.all.sort_unstable();
        Labels {
            are_too_large: self.are_too_large(),
            entries: self.all.into(),
        }
    }
}

impl Entries for LabelsJson {
    fn needs(_: &str) -> bool {
        true
    }

    fn insert(&mut self, name: String, value: Shaped<String>) -> bool {
        let value: Box<str> = match value {
            Shaped::Is(text) => text.into(),
            // As Go reads null.
            Shaped::Missing | Shaped::Odd => "".into(),
        };
        if name == EXCLUDE_LABEL {
            // Any value but an explicit "false" excludes the Node.
            self.exclude = Some(value.clone());
        }
        self.bytes += name.len() + value.len();
        if self.are_too_large() {
            self.all = Vec::new();
        } else {
            self.all.push((name.into(), value));
        }
        true
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SpecJson {
    #[serde(deserialize_with = "lenient::objects_field")]
    taints: Field<Vec<TaintJson>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TaintJson {
    #[serde(deserialize_with = "lenient::text_field")]
    key: Field<Option<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StatusJson {
    #[serde(deserialize_with = "lenient::objects_up_to::<_, _, ADDRESSES>")]
    addresses: Field<Vec<AddressJson>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AddressJson {
    #[serde(rename = "type", deserialize_with = "lenient::text_field")]
    kind: Field<Option<String>>,
    #[serde(deserialize_with = "lenient::text_field")]
    address: Field<Option<String>>,
}

impl From<NodeJson> for Node {
    fn from(json: NodeJson) -> Self {
        let mut odd = Vec::new();
        let metadata = json.metadata.read("metadata", &mut odd);
        let deletion = metadata.deletion_timestamp;
        let deletion = deletion.read("metadata.deletionTimestamp", &mut odd);
        let mut labels = metadata.labels.read("metadata.labels", &mut odd);
        let taints = json.spec.read("spec", &mut odd).taints;
        let taints = taints.read("spec.taints", &mut odd).into_iter();
        let mut keys = Vec::from_iter(taints.map(|taint| taint.key.read("spec.taints", &mut odd)));
        keys.retain(|key| key.as_deref() == Some(AUTOSCALER_TAINT));
        let addresses = json.status.read("status", &mut odd).addresses;
        let mut addresses = addresses.read("status.addresses", &mut odd);
        let has_more_addresses = addresses.len() > ADDRESSES;
        addresses.truncate(ADDRESSES);
        let addresses = addresses.into_iter();
        let addresses = Vec::from_iter(addresses.filter_map(|json| address(json, &mut odd)));
        odd.dedup();
        Self {
            metadata: ObjectMeta {
                name: metadata.name,
                uid: metadata.uid,
                resource_version: metadata.resource_version,
                deletion_timestamp: deletion.map(Time),
                ..ObjectMeta::default()
            },
            exclude_label: labels.exclude.take(),
            labels: Some(labels.kept()),
            is_leaving: !keys.is_empty(),
            addresses,
            has_more_addresses,
            unreadable: odd.into(),
        }
    }
}

fn address(json: AddressJson, odd: &mut Vec<&'static str>) -> Option<(NodeAddressType, IpAddr)> {
    let kind = json.kind.read("status.addresses", odd);
    let address = json.address.read("status.addresses", odd);
    let kind = match kind?.as_str() {
        "InternalIP" => NodeAddressType::Internal,
        "ExternalIP" => NodeAddressType::External,
        _ => return None,
    };
    let address: IpAddr = address?.parse().ok()?;
    // An IPv4 address that is mapped into IPv6 is made plain.
    Some((kind, address.to_canonical()))
}

#[cfg(test)]
mod tests;
