//! The load balancer in a response.

use std::net::IpAddr;

use serde::Deserialize;

use super::field::{self, BackEnds, Field, FirstTexts, Shown};
use super::{ListenerBody, SessionAffinityBody};
use crate::cloud::address_policy::AddressPolicy;
use crate::cloud::body::excerpt;
use crate::cloud::{Profile, Which};
use crate::plan::CreateRequest;
use crate::plan::canonical;
use crate::plan::load_balancer::{
    Addresses, Algorithm, Listener, LoadBalancer, LoadBalancerSpec, Protocol, State,
};
use crate::plan::naming::{
    ClusterId, LoadBalancerId, LoadBalancerName, Owner, ServiceUid, is_dns_label, is_dns_subdomain,
    is_plain,
};

/// A load balancer in a response. Only id, name and owner must be readable: they suffice to
/// delete it. A value of another field that this program does not know costs its field only.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::cloud) struct LoadBalancerBody<'a> {
    #[serde(borrow)]
    lb_id: Field<'a>,
    #[serde(borrow)]
    name: Field<'a>,
    #[serde(borrow)]
    nodes: Field<'a>,
    #[serde(borrow)]
    port: Field<'a>,
    #[serde(borrow)]
    node_port: Field<'a>,
    #[serde(borrow)]
    spec: Field<'a>,
    #[serde(borrow)]
    bandwidth: Field<'a>,
    #[serde(borrow)]
    ip: Field<'a>,
    // The profile basic does not have the following fields.
    #[serde(borrow)]
    listeners: Field<'a>,
    #[serde(borrow)]
    algorithm: Field<'a>,
    #[serde(borrow)]
    session_affinity: Field<'a>,
    #[serde(borrow)]
    source_ranges: Field<'a>,
    #[serde(borrow)]
    owner: Field<'a>,
    #[serde(borrow)]
    ips: Field<'a>,
    #[serde(borrow)]
    hostname: Field<'a>,
    #[serde(borrow)]
    state: Field<'a>,
    #[serde(borrow)]
    message: Field<'a>,
}

/// How the responses of a cloud are read.
#[derive(Clone, Copy, Debug)]
pub(in crate::cloud) struct Reading<'r> {
    pub(in crate::cloud) profile: Profile,
    pub(in crate::cloud) addresses: &'r AddressPolicy,
}

/// What counts for the fields that a response lacks.
#[derive(Default)]
struct Assumed<'k> {
    id: Option<&'k LoadBalancerId>,
    name: Option<&'k LoadBalancerName>,
    owner: Option<&'k Owner>,
    spec: Option<&'k LoadBalancerSpec>,
    /// The addresses and the state before an update.
    before: Option<&'k LoadBalancer>,
}

impl LoadBalancerBody<'_> {
    /// Reads the response to a create, which need not repeat the requested state. A
    /// response with a name counts as complete, because it may describe the load balancer
    /// of an earlier create with the same name.
    pub(in crate::cloud) fn created(
        self,
        reading: Reading<'_>,
        request: &CreateRequest,
    ) -> Result<LoadBalancer, String> {
        let mut assumed = Assumed::default();
        if field::text(self.name) == Shown::Nothing {
            assumed.name = Some(&request.name);
            assumed.spec = Some(&request.spec);
            assumed.owner = Some(&request.owner).filter(|_| reading.profile == Profile::Standard);
        }
        let created = self.read(reading, assumed)?;
        of_name(created, &request.name)
    }

    /// Reads the response to an update of a load balancer that was `before`. What the
    /// response lacks is what was requested or what was known.
    pub(in crate::cloud) fn updated(
        self,
        reading: Reading<'_>,
        before: &LoadBalancer,
        request: &CreateRequest,
    ) -> Result<LoadBalancer, String> {
        let assumed = Assumed {
            id: Some(&before.id),
            name: Some(&request.name),
            owner: before.owner.as_ref(),
            spec: Some(&request.spec),
            before: Some(before),
        };
        let updated = self.read(reading, assumed)?;
        if updated.id != before.id {
            let (shown, id) = (&updated.id, &before.id);
            return Err(format!("the response describes {shown}, not {id}"));
        }
        of_name(updated, &request.name)
    }

    /// Reads the response to a query.
    pub(in crate::cloud) fn found(
        self,
        reading: Reading<'_>,
        which: Which<'_>,
    ) -> Result<LoadBalancer, String> {
        let mut assumed = Assumed::default();
        match which {
            Which::Id(id) => assumed.id = Some(id),
            Which::Name(name) => assumed.name = Some(name),
        }
        let found = self.read(reading, assumed)?;
        let matches = match which {
            Which::Id(id) => *id == found.id,
            Which::Name(name) => *name == found.name,
        };
        if !matches {
            return Err(format!(
                "the response describes {} ({})",
                found.name, found.id
            ));
        }
        Ok(found)
    }

    /// Reads an item of a list, which is complete.
    pub(in crate::cloud) fn listed(self, reading: Reading<'_>) -> Result<LoadBalancer, String> {
        self.read(reading, Assumed::default())
    }

    fn read(mut self, reading: Reading<'_>, assumed: Assumed<'_>) -> Result<LoadBalancer, String> {
        if reading.profile == Profile::Basic {
            self = self.only_basic();
        }
        let id = identifier("lbId", self.lb_id, assumed.id, LoadBalancerId::parse)?;
        let name = identifier("name", self.name, assumed.name, LoadBalancerName::parse)?;
        let owner = match Shown::from(self.owner) {
            Shown::Nothing => assumed.owner.cloned(),
            Shown::Value(owner) => OwnerBody::into_owner(owner)?,
            Shown::Unknown => return Err("the owner is not an object of texts".into()),
        };
        let shown = self.addresses(reading.addresses);
        let state = self.state(assumed.before.filter(|_| shown.is_none()));
        let before = assumed.before.map(|before| before.addresses.clone());
        let (spec, is_understood) = self.into_spec(assumed.spec);
        Ok(LoadBalancer {
            id,
            name,
            owner,
            spec,
            is_understood,
            addresses: shown.or(before).unwrap_or_default(),
            state,
        })
    }

    fn only_basic(self) -> Self {
        Self {
            lb_id: self.lb_id,
            name: self.name,
            nodes: self.nodes,
            port: self.port,
            node_port: self.node_port,
            spec: self.spec,
            bandwidth: self.bandwidth,
            ip: self.ip,
            ..Self::default()
        }
    }

    /// The addresses; `None` if the response shows none.
    fn addresses(&self, policy: &AddressPolicy) -> Option<Addresses> {
        let readable = |field: Field<'_>| match field::text(field) {
            Shown::Nothing => None,
            Shown::Value(text) => Some(text),
            Shown::Unknown => field.map(|json| excerpt(json.get().as_bytes())),
        };
        let (ip, hostname) = (readable(self.ip), readable(self.hostname));
        let mut ips: FirstTexts = Shown::from(self.ips).unwrap_or_default();
        if let Some(ip) = ip {
            let is_repeated = ips.texts.contains(&ip);
            if !is_repeated {
                ips.texts.insert(0, ip);
                ips.total += 1;
            }
        }
        if ips.total == 0 && hostname.is_none() {
            return None;
        }
        Some(policy.addresses(ips.texts, ips.total, hostname))
    }

    /// The state; if the response lacks it, that of the load balancer `before`, else
    /// active.
    fn state(&self, before: Option<&LoadBalancer>) -> State {
        match field::text(self.state) {
            Shown::Nothing => before.map_or(State::Active, |before| before.state.clone()),
            Shown::Value(state) => match state.as_str() {
                "active" => State::Active,
                "deleting" => State::Deleting,
                "error" => {
                    let message = field::text(self.message).unwrap_or_default();
                    State::Error(excerpt(message.as_bytes()))
                }
                _ => State::Provisioning,
            },
            // Also for an unknown state of a later API: the load balancer is read again.
            Shown::Unknown => State::Provisioning,
        }
    }

    /// The spec, and whether every field of it is known. `requested` has the fields that
    /// the response lacks.
    fn into_spec(self, requested: Option<&LoadBalancerSpec>) -> (LoadBalancerSpec, bool) {
        let listeners = self.listeners(requested);
        let nodes = Shown::<BackEnds>::from(self.nodes);
        let algorithm = Shown::<Algorithm>::from(self.algorithm);
        let affinity = Shown::<SessionAffinityBody>::from(self.session_affinity)
            .map(|affinity| affinity.client_seconds());
        let ranges = Shown::<Vec<String>>::from(self.source_ranges).map(canonical::ranges);
        let (spec, bandwidth) = (field::text(self.spec), field::text(self.bandwidth));
        let bandwidth = bandwidth.map(canonical::bandwidth);
        let has_names = matches!(&nodes, Shown::Value(nodes) if nodes.has_others);
        let is_understood = !(has_names
            || nodes.is_unknown()
            || listeners.is_unknown()
            || algorithm.is_unknown()
            || affinity.is_unknown()
            || ranges.is_unknown()
            || spec.is_unknown()
            || bandwidth.is_unknown());
        let nodes = nodes.map(|nodes| nodes.addresses.into_iter().map(canonical_node).collect());
        let assumed = requested.cloned().unwrap_or_default();
        let spec = LoadBalancerSpec {
            nodes: nodes.unwrap_or(assumed.nodes),
            listeners: listeners.unwrap_or(assumed.listeners),
            spec: spec.unwrap_or(assumed.spec),
            bandwidth: bandwidth.unwrap_or(assumed.bandwidth),
            algorithm: algorithm.unwrap_or(assumed.algorithm),
            source_ranges: ranges.unwrap_or(assumed.source_ranges),
            client_affinity_seconds: affinity.unwrap_or(assumed.client_affinity_seconds),
        };
        (spec, is_understood)
    }

    /// The listeners; without a list of them, the one of `port` and `nodePort`, which may
    /// be the first of those that were requested.
    fn listeners(&self, requested: Option<&LoadBalancerSpec>) -> Shown<Vec<Listener>> {
        let list = Shown::<Vec<ListenerBody>>::from(self.listeners);
        if self.listeners.is_some() {
            return list.map(|list| list.into_iter().map(Listener::from).collect());
        }
        let ports = (Shown::from(self.port), Shown::from(self.node_port));
        let (port, node_port) = match ports {
            (Shown::Value(port), Shown::Value(node_port)) => (port, node_port),
            (Shown::Unknown, _) | (_, Shown::Unknown) => return Shown::Unknown,
            (Shown::Nothing, _) | (_, Shown::Nothing) => return Shown::Nothing,
        };
        let requested = requested.map(|spec| &spec.listeners);
        let is_first = |listeners: &&Vec<Listener>| {
            let first = listeners.first();
            first.is_some_and(|first| (first.port, first.node_port) == (port, node_port))
        };
        Shown::Value(requested.filter(is_first).cloned().unwrap_or_else(|| {
            vec![Listener {
                name: String::new(),
                protocol: Protocol::Tcp,
                port,
                node_port,
            }]
        }))
    }
}

/// A cloud may show an IPv4 back end as an IPv6 address that has it.
fn canonical_node(node: IpAddr) -> IpAddr {
    node.to_canonical()
}

fn identifier<T: Clone>(
    field: &str,
    shown: Field<'_>,
    assumed: Option<&T>,
    parse: impl FnOnce(&str) -> Result<T, &'static str>,
) -> Result<T, String> {
    match field::text(shown) {
        Shown::Value(text) => parse(&text).map_err(|rule| {
            let text = excerpt(text.as_bytes());
            format!("the {field} \"{text}\" of the load balancer is invalid: {rule}")
        }),
        Shown::Unknown => Err(format!("the {field} of the load balancer is not a text")),
        Shown::Nothing => assumed
            .cloned()
            .ok_or_else(|| format!("the load balancer has no {field}")),
    }
}

fn of_name(shown: LoadBalancer, name: &LoadBalancerName) -> Result<LoadBalancer, String> {
    if shown.name != *name {
        let shown = shown.name;
        return Err(format!("the response describes {shown}, not {name}"));
    }
    Ok(shown)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OwnerBody {
    cluster: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
    uid: Option<String>,
}

impl OwnerBody {
    /// Converts an owner; `None` unless it has a cluster and a UID, because an incomplete
    /// owner proves nothing.
    ///
    /// # Errors
    /// A text that no Service has, which would be a part of the URL of a request to the
    /// API server.
    fn into_owner(self) -> Result<Option<Owner>, String> {
        let texts = [self.cluster, self.uid, self.namespace, self.name];
        let [cluster, uid, namespace, name] = texts.map(Option::unwrap_or_default);
        if cluster.is_empty() || uid.is_empty() {
            return Ok(None);
        }
        let rules = [
            ("cluster", is_plain(&cluster), &cluster),
            ("uid", is_plain(&uid), &uid),
            (
                "namespace",
                namespace.is_empty() || is_dns_label(&namespace),
                &namespace,
            ),
            ("name", name.is_empty() || is_dns_subdomain(&name), &name),
        ];
        for (field, is_valid, text) in rules {
            if !is_valid {
                let text = excerpt(text.as_bytes());
                return Err(format!("the {field} \"{text}\" of the owner is invalid"));
            }
        }
        Ok(Some(Owner {
            cluster: ClusterId::new(cluster),
            namespace,
            name,
            uid: ServiceUid::new(uid),
        }))
    }
}
