//! A load balancer: the spec that we request and the state that a cloud shows.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::canonical;
use super::health_check::HealthCheck;
use super::ip_mode::IpModes;
use super::naming::{LoadBalancerId, LoadBalancerName, Owner};
use super::node_addresses::{IpFamily, NodeAddresses};
use super::proxy_protocol::ProxyProtocol;
use super::tags::Tags;

/// Transport protocol of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

impl Protocol {
    pub const ALL: [Self; 3] = [Self::Tcp, Self::Udp, Self::Sctp];

    /// The value of `spec.ports[].protocol`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        }
    }
}

/// One port of a load balancer, forwarded to a node port of every back end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Listener {
    /// Name of the Service port; empty for a Service with one unnamed port.
    pub name: String,
    pub protocol: Protocol,
    /// Port of the load balancer, 1 to 65535.
    pub port: u16,
    /// Port on each Node, 1 to 65535.
    pub node_port: u16,
    #[serde(default, skip_serializing_if = "HealthCheck::is_unspecified")]
    pub health_check: HealthCheck,
    /// `None` if the cloud decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_protocol: Option<ProxyProtocol>,
    /// The protocol that clients speak (`spec.ports[].appProtocol`), empty if the Service does
    /// not say; `None` if the cloud does not ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_protocol: Option<String>,
}

impl Listener {
    /// Takes from `shown`, the same listener as a cloud shows it, the differences that mean
    /// nothing.
    fn align(&self, shown: &mut Self) {
        if self.health_check.is_unspecified() {
            shown.health_check = HealthCheck::Unspecified;
        }
        align(&self.proxy_protocol, &mut shown.proxy_protocol);
        align(&self.app_protocol, &mut shown.app_protocol);
        align_case(&self.name, &mut shown.name);
        if let (Some(own), Some(shown)) = (&self.app_protocol, &mut shown.app_protocol) {
            align_case(own, shown);
        }
    }

    /// Whether `shown`, the same listener as a cloud shows it, has the settings of this one.
    pub fn is_set_as(&self, shown: &Self) -> bool {
        let mut shown = shown.clone();
        self.align(&mut shown);
        let settings = |listener: &Self| (listener.health_check.clone(), listener.proxy_protocol);
        settings(self) == settings(&shown)
    }

    /// Whether both are for one port of one protocol.
    pub fn is_same_port(&self, other: &Self) -> bool {
        (self.protocol, self.port) == (other.protocol, other.port)
    }
}

/// The algorithm by which a load balancer picks back ends.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    #[default]
    RoundRobin,
    LeastConnections,
    /// A hash of the client's address picks the back end.
    SourceHash,
}

impl Algorithm {
    pub const ALL: [Self; 3] = [Self::RoundRobin, Self::LeastConnections, Self::SourceHash];

    /// The value of the annotation `algorithm`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RoundRobin => "round-robin",
            Self::LeastConnections => "least-connections",
            Self::SourceHash => "source-hash",
        }
    }
}

/// The configuration of a load balancer. Creates and updates both contain all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LoadBalancerSpec {
    /// Addresses of the Nodes that serve as back ends.
    pub nodes: NodeAddresses,
    /// At least one; in the order of the Service's ports.
    pub listeners: Vec<Listener>,
    /// The cloud's size or class of load balancer (`standard`).
    pub spec: String,
    /// Bits per second: a number and `K`, `M` or `G`. In canonical form where it is requested, and
    /// in the words of the cloud where it is shown.
    pub bandwidth: String,
    pub algorithm: Algorithm,
    /// The allowed client addresses (CIDR in canonical form, sorted); empty allows all.
    pub source_ranges: Vec<String>,
    /// Seconds for which a client address keeps its back end (the Service's
    /// session affinity `ClientIP`); `None` without affinity.
    pub client_affinity_seconds: Option<u32>,
    /// Whether it is for private networks only. As all settings that not every cloud has:
    /// `None` if the cloud decides, so that it is neither sent nor compared; here also if nobody
    /// asks for either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internal: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<IdleTimeout>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Tags>,
    /// The addresses to have, at most one of each family; empty if the cloud decides. Not
    /// compared: what a cloud gave is in [`LoadBalancer::addresses`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
    /// The IP families of its addresses; empty if the cloud decides, or does not tell.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub address_families: BTreeSet<IpFamily>,
}

/// The time without traffic after which a connection is closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum IdleTimeout {
    /// That of the cloud.
    #[default]
    Standard,
    /// 1 to 6000.
    Seconds(u32),
}

impl LoadBalancerSpec {
    /// Whether `found`, a spec that a cloud shows, has all of this. The order of
    /// listeners is irrelevant, and so is a health check that the cloud chose itself, and
    /// address families where either side leaves them open. So is the wording: the case of a
    /// name, and the unit of a bandwidth ([`canonical::is_same_bandwidth`]). Names of
    /// listeners are compared only if the cloud shows any: a cloud of the basic profile does
    /// not store them.
    pub fn is_met_by(&self, found: &Self) -> bool {
        // Spares the comparison with the thousands of listeners of a strange cloud.
        if self.listeners.len() != found.listeners.len() {
            return false;
        }
        let (wanted, found) = self.compared_with(found);
        wanted == found
    }

    /// This spec and `found` as they are compared: without the differences that mean
    /// nothing.
    pub fn compared_with(&self, found: &Self) -> (Self, Self) {
        let shows_names = found
            .listeners
            .iter()
            .any(|listener| !listener.name.is_empty());
        let (mut wanted, mut found) = (self.clone(), found.clone());
        for listener in wanted.listeners.iter_mut().filter(|_| !shows_names) {
            listener.name.clear();
        }
        for shown in &mut found.listeners {
            let mut own = self.listeners.iter();
            if let Some(own) = own.find(|own| own.is_same_port(shown)) {
                own.align(shown);
            }
        }
        align(&wanted.internal, &mut found.internal);
        align(&wanted.idle_timeout, &mut found.idle_timeout);
        align(&wanted.tags, &mut found.tags);
        align_case(&wanted.spec, &mut found.spec);
        if canonical::is_same_bandwidth(&wanted.bandwidth, &found.bandwidth) {
            found.bandwidth.clone_from(&wanted.bandwidth);
        }
        wanted.addresses.clear();
        found.addresses.clear();
        if wanted.address_families.is_empty() || found.address_families.is_empty() {
            found.address_families.clone_from(&wanted.address_families);
        }
        wanted.listeners.sort();
        found.listeners.sort();
        (wanted, found)
    }

    /// Takes from `shown`, the spec of a load balancer that exists, the settings that the cloud
    /// decides. The cloud may have had them before, and a request takes away what it lacks.
    pub fn keep_settings(&mut self, shown: &Self) {
        for listener in &mut self.listeners {
            let mut shown = shown.listeners.iter();
            if let Some(shown) = shown.find(|shown| shown.is_same_port(listener)) {
                keep(&mut listener.proxy_protocol, &shown.proxy_protocol);
                keep(&mut listener.app_protocol, &shown.app_protocol);
            }
        }
        keep(&mut self.internal, &shown.internal);
        keep(&mut self.idle_timeout, &shown.idle_timeout);
        keep(&mut self.tags, &shown.tags);
        if self.address_families.is_empty() {
            self.address_families.clone_from(&shown.address_families);
        }
    }
}

/// Takes a setting that the cloud decides as it shows it; the default need not be asked for.
fn keep<T: Clone + Default + PartialEq>(wanted: &mut Option<T>, shown: &Option<T>) {
    if wanted.is_none() {
        let shown = shown.as_ref().filter(|shown| **shown != T::default());
        *wanted = shown.cloned();
    }
}

/// Makes a shown setting comparable: what the cloud decides does not count, and what it does not
/// show is the default.
fn align<T: Default>(wanted: &Option<T>, found: &mut Option<T>) {
    match wanted {
        None => *found = None,
        Some(_) => {
            found.get_or_insert_default();
        }
    }
}

/// Takes a shown name as it was given, if only its case is another one.
fn align_case(wanted: &str, found: &mut String) {
    if found.eq_ignore_ascii_case(wanted) {
        wanted.clone_into(found);
    }
}

/// A load balancer in the state that its cloud shows.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LoadBalancer {
    pub id: LoadBalancerId,
    pub name: LoadBalancerName,
    /// `None` if the cloud does not store owners.
    pub owner: Option<Owner>,
    pub spec: LoadBalancerSpec,
    /// Whether every field of `spec` is known to this program. A load balancer with a
    /// listener of an unknown protocol, for example, is not as it was requested.
    pub is_understood: bool,
    /// Whether it has back ends that `spec` lacks because they cannot be read, such as the
    /// name of a machine.
    pub has_other_back_ends: bool,
    /// A listener of others that has a field which this program does not know. Looked for only on
    /// a load balancer that others made: no other one has listeners that we did not ask for.
    pub opaque_listener: Option<(Protocol, u16)>,
    /// Empty while it is being provisioned.
    pub addresses: Addresses,
    pub state: State,
}

impl LoadBalancer {
    /// The same while its cloud has not shown yet what it is like: nothing of it is published.
    #[must_use]
    pub fn until_shown(self) -> Self {
        Self {
            addresses: Addresses::default(),
            state: State::Provisioning,
            ..self
        }
    }

    /// Whether it provably belongs to this owner: by the owner that the cloud shows,
    /// or by the derived name if the cloud does not store owners.
    pub fn belongs_to(&self, owner: &Owner) -> bool {
        match &self.owner {
            Some(shown) => shown.is_same_service(owner),
            None => self.name == owner.load_balancer_name(),
        }
    }

    /// Our owner on it, if others made it and a Service is attached to it
    /// ([`super::existing`]).
    pub fn existing_owner(&self) -> Option<&Owner> {
        self.owner.as_ref().filter(|owner| owner.is_on_existing())
    }

    /// Whether others made it: a Service may be attached to it, or is.
    pub fn is_of_others(&self) -> bool {
        self.is_nobodys() || self.existing_owner().is_some()
    }

    /// Whether an update takes nothing from others that is not known here.
    pub fn is_whole(&self) -> bool {
        self.is_understood && self.opaque_listener.is_none()
    }

    /// Whether it belongs to nobody, or to nobody any more, on a cloud that stores owners.
    pub fn is_nobodys(&self) -> bool {
        self.owner.as_ref().is_none_or(Owner::is_former)
    }

    /// Whether it has a listener for the same port.
    pub fn has(&self, listener: &Listener) -> bool {
        let mut shown = self.spec.listeners.iter();
        shown.any(|shown| shown.is_same_port(listener))
    }

    /// Whether it has a health check for the back ends of such a listener, or none on request.
    pub fn checks(&self, listener: &Listener) -> bool {
        let mut shown = self.spec.listeners.iter();
        shown.any(|shown| shown.is_same_port(listener) && !shown.health_check.is_unspecified())
    }

    /// Whether it is as requested.
    pub fn meets(&self, requested: &LoadBalancerSpec) -> bool {
        self.is_understood && requested.is_met_by(&self.spec)
    }

    /// Whether another cloud that shows `other` shows this very load balancer, which means
    /// that both clouds lead to one account. Ids alone prove nothing, because clouds
    /// number their load balancers independently.
    pub fn looks_like(&self, other: &Self) -> bool {
        self.id == other.id
            && self.name == other.name
            && self.state == other.state
            && self.addresses.overlap(&other.addresses)
    }

    /// Whether it has an address or a back end of this IP family.
    pub fn has_family(&self, family: IpFamily) -> bool {
        let mut nodes = self.spec.nodes.iter();
        let is_asked = self.spec.address_families.contains(&family);
        is_asked || nodes.any(|node| IpFamily::of(*node) == family)
    }

    /// Its spec with other back ends.
    pub fn spec_with_nodes(&self, nodes: &NodeAddresses) -> LoadBalancerSpec {
        LoadBalancerSpec {
            nodes: nodes.clone(),
            ..self.spec.clone()
        }
    }
}

/// The addresses at which clients reach a load balancer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Addresses {
    /// IP addresses, each once: the cloud's first one, then the others in ascending order.
    pub ips: Vec<IpAddr>,
    /// The modes of those of which the cloud tells one.
    pub modes: IpModes,
    /// DNS names in lower case, each once, in ascending order.
    pub hostnames: Vec<String>,
    /// Why addresses that the cloud shows are left out: one short sentence part, such as
    /// `its address 127.0.0.1 is a loopback address`.
    pub refused: Option<String>,
}

impl Addresses {
    /// Whether there is no address to publish.
    pub fn is_empty(&self) -> bool {
        self.ips.is_empty() && self.hostnames.is_empty()
    }

    /// Whether both have an address in common, or both have none.
    fn overlap(&self, other: &Self) -> bool {
        let shares_ip = self.ips.iter().any(|ip| other.ips.contains(ip));
        let mut hostnames = self.hostnames.iter();
        let shares_hostname = hostnames.any(|name| other.hostnames.contains(name));
        shares_ip || shares_hostname || (self.is_empty() && other.is_empty())
    }
}

/// The state of a load balancer at its cloud.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum State {
    /// Not serving yet.
    Provisioning,
    /// Serving.
    Active,
    /// Failed, with the cloud's message.
    Error(String),
    Deleting,
}

#[cfg(test)]
impl LoadBalancer {
    /// An active load balancer with default settings.
    pub fn plain(id: &str, name: LoadBalancerName, owner: Option<Owner>) -> Self {
        Self {
            id: LoadBalancerId::new(id),
            name,
            owner,
            spec: LoadBalancerSpec {
                nodes: NodeAddresses::default(),
                listeners: Vec::new(),
                spec: "standard".into(),
                bandwidth: "5M".into(),
                algorithm: Algorithm::RoundRobin,
                source_ranges: Vec::new(),
                ..LoadBalancerSpec::default()
            },
            is_understood: true,
            has_other_back_ends: false,
            opaque_listener: None,
            addresses: Addresses::default(),
            state: State::Active,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::naming::{ClusterId, ServiceUid};

    #[test]
    fn ownership_is_proven_by_the_owner_or_else_by_the_name() {
        let owner = |cluster: &str, name: &str, uid: &str| Owner {
            cluster: ClusterId::new(cluster),
            namespace: "default".into(),
            name: name.into(),
            uid: ServiceUid::new(uid),
        };
        let ours = owner("ours", "web", "1");
        let (name, by_hand) = (ours.load_balancer_name(), LoadBalancerName::new("by-hand"));
        let in_capitals = LoadBalancerName::new(name.as_str().to_ascii_uppercase());
        let cases = [
            (Some(ours.clone()), &name, true, "owner and name"),
            (Some(ours.clone()), &by_hand, true, "renamed, still ours"),
            (
                Some(owner("ours", "old-name", "1")),
                &name,
                true,
                "names are for people",
            ),
            (
                Some(owner("theirs", "web", "1")),
                &name,
                false,
                "another cluster's",
            ),
            (
                Some(owner("ours", "web", "2")),
                &name,
                false,
                "an older Service's",
            ),
            (None, &name, true, "a cloud that keeps no owners"),
            (None, &by_hand, false, "and a name that is not ours"),
            (None, &in_capitals, true, "which it shows in capitals"),
        ];
        for (shown, name, expected, reason) in cases {
            let found = LoadBalancer::plain("lb-1", name.clone(), shown);
            assert_eq!(found.belongs_to(&ours), expected, "{reason}");
        }
    }

    #[test]
    fn the_same_in_other_words_is_as_requested() {
        let plain = LoadBalancer::plain("lb-1", LoadBalancerName::new("web"), None).spec;
        let listener = Listener {
            name: "http".into(),
            protocol: Protocol::Tcp,
            port: 80,
            node_port: 30080,
            health_check: HealthCheck::Unspecified,
            proxy_protocol: None,
            app_protocol: Some("kubernetes.io/h2c".into()),
        };
        let wanted = LoadBalancerSpec {
            bandwidth: "10M".into(),
            listeners: vec![listener],
            ..plain
        };
        type Edit = fn(&mut LoadBalancerSpec);
        let cases: [(Edit, bool, &str); 8] = [
            (|found| found.bandwidth = "10240K".into(), true, "by 1024"),
            (|found| found.bandwidth = "10000K".into(), true, "by 1000"),
            (
                |found| found.bandwidth = "10250K".into(),
                false,
                "by neither",
            ),
            (
                |found| found.spec = "STANDARD".into(),
                true,
                "a spec in capitals",
            ),
            (|found| found.spec = "large".into(), false, "another spec"),
            (
                |found| found.listeners[0].name = "HTTP".into(),
                true,
                "a listener in capitals",
            ),
            (
                |found| found.listeners[0].name = "https".into(),
                false,
                "another name",
            ),
            (
                |found| found.listeners[0].app_protocol = Some("Kubernetes.io/H2C".into()),
                true,
                "a protocol in capitals",
            ),
        ];
        for (edit, is_met, why) in cases {
            let mut found = wanted.clone();
            edit(&mut found);
            assert_eq!(wanted.is_met_by(&found), is_met, "{why}");
        }
    }

    #[test]
    fn two_clouds_show_one_load_balancer_if_nothing_tells_the_answers_apart() {
        let name = LoadBalancerName::new("web");
        let at = |id: &str, ips: &[&str], hostname: Option<&str>| {
            let mut found = LoadBalancer::plain(id, name.clone(), None);
            found.addresses = Addresses {
                ips: ips
                    .iter()
                    .map(|ip| ip.parse().expect("an address"))
                    .collect(),
                hostnames: hostname.map(str::to_owned).into_iter().collect(),
                ..Addresses::default()
            };
            found
        };
        let one = at("lb-1", &["192.0.2.1", "2001:db8::1"], Some("lb.example"));
        let provisioning = LoadBalancer {
            state: State::Provisioning,
            ..at("lb-1", &[], None)
        };
        let renamed = LoadBalancer {
            name: LoadBalancerName::new("other"),
            ..one.clone()
        };
        let cases = [
            (one.clone(), true, "the same answer"),
            (
                at("lb-1", &["2001:db8::1"], None),
                true,
                "one address in common",
            ),
            (
                at("lb-1", &[], Some("lb.example")),
                true,
                "the DNS name in common",
            ),
            (at("lb-1", &["192.0.2.2"], None), false, "another address"),
            (at("lb-2", &["192.0.2.1"], None), false, "another id"),
            (provisioning.clone(), false, "the other does not serve yet"),
            (renamed, false, "another name"),
        ];
        for (other, expected, reason) in cases {
            assert_eq!(one.looks_like(&other), expected, "{reason}");
            assert_eq!(other.looks_like(&one), expected, "{reason}");
        }
        assert!(
            provisioning.looks_like(&provisioning),
            "neither has an address"
        );
    }
}
