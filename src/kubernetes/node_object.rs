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
use serde_json::Value;

use super::lenient::{self, Entries};
use super::node::{AUTOSCALER_TAINT, EXCLUDE_LABEL, NodeAddressType};

/// A Node as the API server shows it.
///
/// Reading one never fails: a field with an unexpected value counts as missing.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// Name, resourceVersion and the time of deletion. The other fields are empty.
    pub metadata: ObjectMeta,
    /// The value of the label that excludes it from load balancers.
    pub(super) exclude_label: Option<Box<str>>,
    /// Whether the cluster autoscaler is about to remove it.
    pub(super) is_leaving: bool,
    /// The addresses of both types, in order.
    pub(super) addresses: Vec<(NodeAddressType, IpAddr)>,
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

/// The JSON of a Node.
#[derive(Default, Deserialize)]
#[serde(default)]
struct NodeJson {
    #[serde(deserialize_with = "lenient::object")]
    metadata: MetadataJson,
    #[serde(deserialize_with = "lenient::object")]
    spec: SpecJson,
    #[serde(deserialize_with = "lenient::object")]
    status: StatusJson,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct MetadataJson {
    #[serde(deserialize_with = "lenient::text")]
    name: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    resource_version: Option<String>,
    #[serde(deserialize_with = "lenient::deletion")]
    deletion_timestamp: Option<Timestamp>,
    #[serde(deserialize_with = "lenient::entries")]
    labels: Labels,
}

#[derive(Default)]
struct Labels {
    exclude: Option<Box<str>>,
}

impl Entries for Labels {
    fn needs(name: &str) -> bool {
        name == EXCLUDE_LABEL
    }

    fn insert(&mut self, _: String, value: Value) {
        // Any value but an explicit "false" excludes the Node.
        self.exclude = Some(value.as_str().unwrap_or_default().into());
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SpecJson {
    #[serde(deserialize_with = "lenient::objects")]
    taints: Vec<TaintJson>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TaintJson {
    #[serde(deserialize_with = "lenient::text")]
    key: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StatusJson {
    #[serde(deserialize_with = "lenient::objects")]
    addresses: Vec<AddressJson>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AddressJson {
    #[serde(rename = "type", deserialize_with = "lenient::text")]
    kind: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    address: Option<String>,
}

impl From<NodeJson> for Node {
    fn from(json: NodeJson) -> Self {
        let NodeJson {
            metadata,
            spec,
            status,
        } = json;
        let mut taints = spec.taints.iter();
        let addresses = status.addresses.into_iter();
        Self {
            metadata: ObjectMeta {
                name: metadata.name,
                resource_version: metadata.resource_version,
                deletion_timestamp: metadata.deletion_timestamp.map(Time),
                ..ObjectMeta::default()
            },
            exclude_label: metadata.labels.exclude,
            is_leaving: taints.any(|taint| taint.key.as_deref() == Some(AUTOSCALER_TAINT)),
            addresses: addresses.filter_map(address).collect(),
        }
    }
}

fn address(json: AddressJson) -> Option<(NodeAddressType, IpAddr)> {
    let kind = match json.kind?.as_str() {
        "InternalIP" => NodeAddressType::Internal,
        "ExternalIP" => NodeAddressType::External,
        _ => return None,
    };
    let address: IpAddr = json.address?.parse().ok()?;
    // An IPv4 address that is mapped into IPv6 is made plain.
    Some((kind, address.to_canonical()))
}

#[cfg(test)]
mod tests;
