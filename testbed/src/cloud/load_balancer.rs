//! A load balancer as the simulated cloud keeps it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Transport protocol of a listener.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    #[default]
    Tcp,
    Udp,
    /// Taken, and without a data plane: few kernels have it.
    Sctp,
}

impl Protocol {
    pub const ALL: [Self; 3] = [Self::Tcp, Self::Udp, Self::Sctp];
}

/// One port of a load balancer, forwarded to a port of every back end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// Free text; may be empty.
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub protocol: Protocol,
    /// Port of the load balancer, 1 to 65535.
    pub port: u16,
    /// Port of each back end, 1 to 65535.
    pub node_port: u16,
    /// Its own health check, instead of that of the load balancer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
    /// The header of each connection to a back end.
    #[serde(default, skip_serializing_if = "ProxyProtocol::is_none")]
    pub proxy_protocol: ProxyProtocol,
    /// The protocol that clients speak. Kept; it makes no difference.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub app_protocol: String,
}

/// What a connection to a back end begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProxyProtocol {
    #[default]
    None,
    V1,
    V2,
}

impl ProxyProtocol {
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum AddressFamily {
    #[serde(rename = "IPv4")]
    V4,
    #[serde(rename = "IPv6")]
    V6,
}

impl AddressFamily {
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }
}

/// How a back end is picked for a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// One after the other.
    #[default]
    RoundRobin,
    /// The one with the fewest open connections.
    LeastConnections,
    /// By the client's address.
    SourceHash,
}

impl Algorithm {
    pub const ALL: [Self; 3] = [Self::RoundRobin, Self::LeastConnections, Self::SourceHash];
}

/// Whether a client address keeps its back end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum SessionAffinity {
    /// It does not.
    #[default]
    None,
    /// It does, until it has been away for so long.
    #[serde(rename_all = "camelCase")]
    ClientIP {
        /// Seconds, 1 to 86400.
        timeout_seconds: u32,
    },
}

/// How a back end is found to serve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum HealthCheckProtocol {
    /// It accepts a TCP connection.
    #[default]
    Tcp,
    /// It answers an HTTP GET with 2xx.
    Http,
    /// It is not asked.
    None,
}

/// A health check other than the default, which connects to the node port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheck {
    #[serde(default)]
    pub protocol: HealthCheckProtocol,
    /// Port on each back end; none for the listener's node port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Path for HTTP; none for `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Seconds, 1 to 300. Kept; the simulator asks more often, so that tests are fast.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_seconds: Option<u32>,
    /// Seconds, 1 to 300. Kept, not enforced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u32>,
    /// Answers in a row, 1 to 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthy_threshold: Option<u32>,
    /// Failures in a row, 1 to 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unhealthy_threshold: Option<u32>,
}

/// Who a load balancer belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    pub cluster: String,
    /// Namespace of the Service, for people.
    #[serde(default)]
    pub namespace: String,
    /// Name of the Service, for people.
    #[serde(default)]
    pub name: String,
    /// UID of the Service.
    pub uid: String,
}

impl Owner {
    /// Whether both are the same Service; the readable names do not count.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.cluster == other.cluster && self.uid == other.uid
    }
}

/// What the caller chooses about a load balancer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    /// Addresses of the back ends.
    pub nodes: Vec<IpAddr>,
    /// At least one.
    pub listeners: Vec<Listener>,
    /// Size or class.
    pub spec: String,
    /// Bits per second: a number and `K`, `M` or `G`. Kept, not enforced.
    pub bandwidth: String,
    /// How back ends are picked.
    pub algorithm: Algorithm,
    /// Whether clients keep their back end.
    pub session_affinity: SessionAffinity,
    /// Client addresses that are let in (CIDR); empty lets all in.
    pub source_ranges: Vec<String>,
    /// A health check other than the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
    /// For private networks only. Kept; on loopback it makes no difference.
    pub internal: bool,
    /// Seconds, 1 to 6000; none for the cloud's own. Kept, not enforced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout_seconds: Option<u32>,
    /// The tags of the caller.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// The address that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Ipv4Addr>,
    /// The IPv6 address that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address6: Option<Ipv6Addr>,
    /// The address families that were asked for; none for `IPv4`.
    pub address_families: Vec<AddressFamily>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            nodes: Vec::new(),
            listeners: vec![Listener {
                name: String::new(),
                protocol: Protocol::Tcp,
                port: 80,
                node_port: 30_080,
                health_check: None,
                proxy_protocol: ProxyProtocol::None,
                app_protocol: String::new(),
            }],
            spec: "standard".into(),
            bandwidth: "5M".into(),
            algorithm: Algorithm::default(),
            session_affinity: SessionAffinity::default(),
            source_ranges: Vec::new(),
            health_check: None,
            internal: false,
            idle_timeout_seconds: None,
            tags: BTreeMap::new(),
            address: None,
            address6: None,
            address_families: Vec::new(),
        }
    }
}

/// A load balancer, as the cloud shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Not serving yet and without an address.
    Provisioning,
    #[default]
    Active,
    /// Not serving; `message` has the reason.
    Error,
    /// On its way out.
    Deleting,
}

/// An address at which clients reach a load balancer, as the cloud tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IngressEntry {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// `VIP`, `Proxy`, or what no cloud should say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_mode: Option<String>,
}

/// A load balancer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancer {
    /// The cloud's id.
    #[serde(rename = "lbId")]
    pub id: String,
    /// The name that the caller gave it.
    pub name: String,
    /// Whose it is.
    pub owner: Option<Owner>,
    /// Whose it was, if its owner was taken off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former_owner: Option<Owner>,
    /// What it does.
    #[serde(flatten)]
    pub settings: Settings,
    /// Its address; none while it is being provisioned.
    pub ip: Option<Ipv4Addr>,
    /// Its other address, if it was asked for the family.
    #[serde(default)]
    pub ip6: Option<Ipv6Addr>,
    /// A DNS name; only an edit gives it one.
    pub hostname: Option<String>,
    /// Further addresses, and what it says about them; only an edit gives it any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ingress: Vec<IngressEntry>,
    pub state: State,
    /// An explanation of the state.
    pub message: String,
    /// Tags that others gave it. The only call that changes them is an update that names one: it
    /// is the caller's from then on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub other_tags: BTreeMap<String, String>,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A load balancer to put into the cloud without a call of its API: what some
/// other program left there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Plant {
    /// Its id; none for the next free one.
    #[serde(rename = "lbId")]
    pub id: Option<String>,
    /// Its name; need not be unique.
    pub name: String,
    /// Whose it is.
    pub owner: Option<Owner>,
    /// What it does.
    #[serde(flatten)]
    pub settings: Settings,
    pub state: State,
    /// When it was created; none for now.
    pub created_at: Option<Timestamp>,
}

impl Settings {
    /// Whether an address of this family was asked for.
    pub fn wants(&self, family: AddressFamily) -> bool {
        match self.address_families.is_empty() {
            true => family == AddressFamily::V4,
            false => self.address_families.contains(&family),
        }
    }
}

impl LoadBalancer {
    /// Gives it the settings of an update.
    pub(super) fn set(&mut self, settings: Settings) {
        let named = &settings.tags;
        self.other_tags.retain(|key, _| !named.contains_key(key));
        self.settings = settings;
    }

    /// Its addresses, in the order in which the families were asked for.
    pub fn ips(&self) -> Vec<IpAddr> {
        let (four, six) = (self.ip.map(IpAddr::V4), self.ip6.map(IpAddr::V6));
        let is_six_first = self.settings.address_families.first() == Some(&AddressFamily::V6);
        let order = if is_six_first {
            [six, four]
        } else {
            [four, six]
        };
        order.into_iter().flatten().collect()
    }
}
