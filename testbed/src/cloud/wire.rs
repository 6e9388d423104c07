//! Requests and answers as JSON. Unknown fields of a request are ignored.

mod field;

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Profile;
use super::capabilities::Capabilities;
use super::load_balancer::{IngressEntry, LoadBalancer, Owner, Settings, State};

/// `create` and `update`: the whole desired state; `update` also has `lbId`.
/// Numbers and addresses are read wide, so that a refusal can name the field.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ChangeRequest {
    #[serde(deserialize_with = "field::given")]
    pub(super) lb_id: Option<String>,
    #[serde(deserialize_with = "field::given")]
    pub(super) name: Option<String>,
    #[serde(deserialize_with = "field::given")]
    pub(super) nodes: Option<Vec<String>>,
    #[serde(deserialize_with = "field::whole")]
    pub(super) port: Option<i64>,
    #[serde(deserialize_with = "field::whole")]
    pub(super) node_port: Option<i64>,
    #[serde(deserialize_with = "field::given")]
    pub(super) spec: Option<String>,
    #[serde(deserialize_with = "field::given")]
    pub(super) bandwidth: Option<String>,
    #[serde(deserialize_with = "field::objects")]
    pub(super) listeners: Option<Vec<ListenerRequest>>,
    #[serde(deserialize_with = "field::given")]
    pub(super) algorithm: Option<String>,
    #[serde(deserialize_with = "field::object")]
    pub(super) session_affinity: Option<SessionAffinityRequest>,
    #[serde(deserialize_with = "field::given")]
    pub(super) source_ranges: Option<Vec<String>>,
    #[serde(deserialize_with = "field::object")]
    pub(super) health_check: Option<HealthCheckRequest>,
    #[serde(deserialize_with = "field::given")]
    pub(super) internal: Option<bool>,
    #[serde(deserialize_with = "field::whole")]
    pub(super) idle_timeout_seconds: Option<i64>,
    #[serde(deserialize_with = "field::object")]
    pub(super) tags: Option<BTreeMap<String, String>>,
    #[serde(deserialize_with = "field::given")]
    pub(super) address: Option<String>,
    #[serde(deserialize_with = "field::given")]
    pub(super) addresses: Option<Vec<String>>,
    #[serde(deserialize_with = "field::given")]
    pub(super) address_families: Option<Vec<String>>,
    #[serde(deserialize_with = "field::object")]
    pub(super) owner: Option<Owner>,
    /// Only of `update`.
    #[serde(deserialize_with = "field::given")]
    pub(super) attach: Option<bool>,
}

impl ChangeRequest {
    /// What a cloud with this profile reads of it.
    pub(super) fn limited_to(self, profile: Profile) -> Self {
        match profile {
            Profile::Standard => self,
            Profile::Basic => Self {
                lb_id: self.lb_id,
                name: self.name,
                nodes: self.nodes,
                port: self.port,
                node_port: self.node_port,
                spec: self.spec,
                bandwidth: self.bandwidth,
                ..Self::default()
            },
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ListenerRequest {
    #[serde(deserialize_with = "field::given")]
    pub(super) name: Option<String>,
    #[serde(deserialize_with = "field::given")]
    pub(super) protocol: Option<String>,
    #[serde(deserialize_with = "field::whole")]
    pub(super) port: Option<i64>,
    #[serde(deserialize_with = "field::whole")]
    pub(super) node_port: Option<i64>,
    #[serde(deserialize_with = "field::object")]
    pub(super) health_check: Option<HealthCheckRequest>,
    #[serde(deserialize_with = "field::given")]
    pub(super) proxy_protocol: Option<String>,
    #[serde(deserialize_with = "field::given")]
    pub(super) app_protocol: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct SessionAffinityRequest {
    #[serde(rename = "type", deserialize_with = "field::given")]
    pub(super) kind: Option<String>,
    #[serde(deserialize_with = "field::whole")]
    pub(super) timeout_seconds: Option<i64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct HealthCheckRequest {
    #[serde(deserialize_with = "field::given")]
    pub(super) protocol: Option<String>,
    #[serde(deserialize_with = "field::whole")]
    pub(super) port: Option<i64>,
    #[serde(deserialize_with = "field::given")]
    pub(super) path: Option<String>,
    #[serde(deserialize_with = "field::whole")]
    pub(super) interval_seconds: Option<i64>,
    #[serde(deserialize_with = "field::whole")]
    pub(super) timeout_seconds: Option<i64>,
    #[serde(deserialize_with = "field::whole")]
    pub(super) healthy_threshold: Option<i64>,
    #[serde(deserialize_with = "field::whole")]
    pub(super) unhealthy_threshold: Option<i64>,
}

/// `delete` (by `lbId` only) and `query`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WhichRequest {
    #[serde(deserialize_with = "field::given")]
    pub(super) lb_id: Option<String>,
    #[serde(deserialize_with = "field::given")]
    pub(super) name: Option<String>,
}

/// `release`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ReleaseRequest {
    #[serde(deserialize_with = "field::given")]
    pub(super) lb_id: Option<String>,
    #[serde(deserialize_with = "field::object")]
    pub(super) owner: Option<Owner>,
}

/// `list`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ListRequest {
    #[serde(deserialize_with = "field::object")]
    pub(super) owner: Option<OwnerFilter>,
    #[serde(deserialize_with = "field::whole")]
    pub(super) page_size: Option<i64>,
    #[serde(deserialize_with = "field::given")]
    pub(super) page_token: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct OwnerFilter {
    #[serde(deserialize_with = "field::given")]
    pub(super) cluster: Option<String>,
}

/// The answer to `create` and `update`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChangeAnswer<'a> {
    lb_id: &'a str,
    ip: String,
    err: &'static str,
    #[serde(flatten)]
    standard: Option<StandardChange<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StandardChange<'a> {
    ips: Vec<IpAddr>,
    hostname: &'a str,
    #[serde(skip_serializing_if = "<[IngressEntry]>::is_empty")]
    ingress: &'a [IngressEntry],
    state: State,
    message: &'a str,
}

impl<'a> ChangeAnswer<'a> {
    /// What a cloud with this profile answers.
    pub(super) fn new(found: &'a LoadBalancer, profile: Profile) -> Self {
        Self {
            lb_id: &found.id,
            ip: shown(found.ips().first().copied()),
            err: "",
            standard: (profile == Profile::Standard).then(|| StandardChange {
                ips: found.ips(),
                hostname: found.hostname.as_deref().unwrap_or_default(),
                ingress: &found.ingress,
                state: found.state,
                message: &found.message,
            }),
        }
    }
}

/// A whole load balancer: the answer to `query`, or an item of `list`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FullAnswer<'a> {
    #[serde(flatten)]
    change: ChangeAnswer<'a>,
    name: &'a str,
    port: Option<u16>,
    node_port: Option<u16>,
    #[serde(flatten)]
    settings: ShownSettings<'a>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum ShownSettings<'a> {
    Basic {
        nodes: &'a [std::net::IpAddr],
        spec: &'a str,
        bandwidth: &'a str,
    },
    #[serde(rename_all = "camelCase")]
    Standard {
        #[serde(flatten)]
        settings: &'a Settings,
        #[serde(skip_serializing_if = "Option::is_none")]
        owner: Option<&'a Owner>,
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        other_tags: &'a BTreeMap<String, String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        former_owner: Option<&'a Owner>,
        created_at: Timestamp,
    },
}

impl<'a> FullAnswer<'a> {
    /// What a cloud with this profile shows.
    pub(super) fn new(found: &'a LoadBalancer, profile: Profile) -> Self {
        let first = found.settings.listeners.first();
        Self {
            change: ChangeAnswer::new(found, profile),
            name: &found.name,
            port: first.map(|listener| listener.port),
            node_port: first.map(|listener| listener.node_port),
            settings: match profile {
                Profile::Basic => ShownSettings::Basic {
                    nodes: &found.settings.nodes,
                    spec: &found.settings.spec,
                    bandwidth: &found.settings.bandwidth,
                },
                Profile::Standard => ShownSettings::Standard {
                    settings: &found.settings,
                    owner: found.owner.as_ref(),
                    other_tags: &found.other_tags,
                    former_owner: found.former_owner.as_ref(),
                    created_at: found.created_at,
                },
            },
        }
    }
}

/// `capabilities`, which has no fields.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct NoRequest {}

/// The answer to `capabilities`.
#[derive(Debug, Serialize)]
pub(super) struct CapabilitiesAnswer {
    #[serde(flatten)]
    pub(super) capabilities: Capabilities,
    pub(super) err: &'static str,
}

/// The answer to `list`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListAnswer<'a> {
    pub(super) items: Vec<FullAnswer<'a>>,
    pub(super) next_page_token: String,
    pub(super) err: &'static str,
}

fn shown(ip: Option<IpAddr>) -> String {
    ip.map(|ip| ip.to_string()).unwrap_or_default()
}
