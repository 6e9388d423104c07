//! The bodies of the requests.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::Serialize;

use super::SessionAffinityBody;
use super::listener::ListenerBody;
use crate::cloud::{Profile, Which};
use crate::plan::CreateRequest;
use crate::plan::load_balancer::{Algorithm, IdleTimeout, Listener, LoadBalancerSpec, Protocol};
use crate::plan::naming::{ClusterId, LoadBalancerId, LoadBalancerName, Owner};
use crate::plan::node_addresses::{IpFamily, NodeAddresses};
use crate::plan::proxy_protocol::ProxyProtocol;
use crate::plan::tags::Tags;

/// The whole desired state, for a create or, with an id, for an update.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cloud) struct DesiredBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    lb_id: Option<&'a LoadBalancerId>,
    name: &'a LoadBalancerName,
    nodes: &'a NodeAddresses,
    port: u16,
    node_port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    spec: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bandwidth: Option<&'a str>,
    #[serde(flatten)]
    beyond_basic: Option<BeyondBasic<'a>>,
}

/// The fields that a cloud of the profile basic does not have. All of them that the cloud has
/// are always sent, because an update must be able to remove values; but for a load balancer
/// that others made, whose settings stay.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BeyondBasic<'a> {
    listeners: Vec<ListenerBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attach: Option<bool>,
    #[serde(flatten)]
    settings: Option<Settings<'a>>,
    owner: &'a Owner,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Settings<'a> {
    algorithm: Algorithm,
    session_affinity: SessionAffinityBody,
    source_ranges: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    internal: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_timeout_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a Tags>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    addresses: &'a [IpAddr],
    /// Only of a cloud that has the families that are asked for.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    address_families: &'a BTreeSet<IpFamily>,
}

impl<'a> DesiredBody<'a> {
    /// The body of a create (without an id) or an update.
    ///
    /// # Errors
    /// The feature that the API of the cloud does not support. The plan never makes such a
    /// request; sending a part of it would silently give the user less.
    pub(in crate::cloud) fn new(
        profile: Profile,
        lb_id: Option<&'a LoadBalancerId>,
        request: &'a CreateRequest,
    ) -> Result<Self, &'static str> {
        let CreateRequest { name, owner, spec } = request;
        let first = spec
            .listeners
            .first()
            .ok_or("a load balancer without a listener")?;
        let is_own = !owner.is_on_existing();
        let beyond_basic = match profile {
            Profile::Standard => Some(BeyondBasic::new(spec, owner)),
            Profile::Basic if !is_own => return Err("load balancers that others made"),
            Profile::Basic => {
                check_basic(spec)?;
                None
            }
        };
        Ok(Self {
            lb_id,
            name,
            nodes: &spec.nodes,
            port: first.port,
            node_port: first.node_port,
            spec: is_own.then_some(&spec.spec),
            bandwidth: is_own.then_some(&spec.bandwidth),
            beyond_basic,
        })
    }
}

impl<'a> BeyondBasic<'a> {
    fn new(spec: &'a LoadBalancerSpec, owner: &'a Owner) -> Self {
        let is_own = !owner.is_on_existing();
        Self {
            listeners: spec.listeners.iter().map(ListenerBody::from).collect(),
            attach: (!is_own).then_some(true),
            settings: is_own.then(|| Settings::new(spec)),
            owner,
        }
    }
}

impl<'a> Settings<'a> {
    fn new(spec: &'a LoadBalancerSpec) -> Self {
        Self {
            algorithm: spec.algorithm,
            session_affinity: SessionAffinityBody::from_client_seconds(
                spec.client_affinity_seconds,
            ),
            source_ranges: &spec.source_ranges,
            internal: spec.internal,
            // That of the cloud is asked for by leaving it out.
            idle_timeout_seconds: match spec.idle_timeout {
                Some(IdleTimeout::Seconds(seconds)) => Some(seconds),
                Some(IdleTimeout::Standard) | None => None,
            },
            tags: spec.tags.as_ref(),
            addresses: &spec.addresses,
            address_families: &spec.address_families,
        }
    }
}

fn check_basic(spec: &LoadBalancerSpec) -> Result<(), &'static str> {
    if spec.listeners.len() > 1 {
        return Err("more than one listener");
    }
    if spec
        .listeners
        .iter()
        .any(|listener| listener.protocol != Protocol::Tcp)
    {
        return Err("a protocol other than TCP");
    }
    if !spec.source_ranges.is_empty() {
        return Err("source ranges");
    }
    if spec.client_affinity_seconds.is_some() {
        return Err("session affinity");
    }
    if !spec.address_families.is_empty() {
        return Err("the choice of address families");
    }
    if spec.algorithm != Algorithm::default() {
        return Err("an algorithm");
    }
    let has_header =
        |listener: &Listener| listener.proxy_protocol.unwrap_or_default() != ProxyProtocol::None;
    if spec.listeners.iter().any(has_header) {
        return Err("the PROXY protocol");
    }
    if spec.internal == Some(true) {
        return Err("internal load balancers");
    }
    if spec.idle_timeout.unwrap_or_default() != IdleTimeout::Standard {
        return Err("an idle timeout");
    }
    if spec.tags.as_ref().is_some_and(|tags| !tags.is_empty()) {
        return Err("tags");
    }
    if !spec.addresses.is_empty() {
        return Err("the choice of an address");
    }
    Ok(())
}

/// The body of a delete.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cloud) struct DeleteBody<'a> {
    pub(in crate::cloud) lb_id: &'a LoadBalancerId,
}

/// The body of a release.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cloud) struct ReleaseBody<'a> {
    pub(in crate::cloud) lb_id: &'a LoadBalancerId,
    /// Who gives it up.
    pub(in crate::cloud) owner: &'a Owner,
}

/// The body of a query, with either an id or a name.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cloud) struct QueryBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    lb_id: Option<&'a LoadBalancerId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a LoadBalancerName>,
}

impl<'a> From<Which<'a>> for QueryBody<'a> {
    fn from(which: Which<'a>) -> Self {
        let (lb_id, name) = match which {
            Which::Id(id) => (Some(id), None),
            Which::Name(name) => (None, Some(name)),
        };
        Self { lb_id, name }
    }
}

/// The body of a list of one cluster's load balancers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cloud) struct ListRequestBody<'a> {
    owner: ClusterBody<'a>,
    page_size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    page_token: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct ClusterBody<'a> {
    cluster: &'a ClusterId,
}

impl<'a> ListRequestBody<'a> {
    pub(in crate::cloud) fn new(
        cluster: &'a ClusterId,
        page_size: usize,
        page_token: Option<&'a str>,
    ) -> Self {
        Self {
            owner: ClusterBody { cluster },
            page_size,
            page_token,
        }
    }
}
