//! The bodies of the responses.

use std::net::IpAddr;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{ListenerBody, SessionAffinityBody};
use crate::cloud::body::excerpt;
use crate::cloud::{Profile, Which};
use crate::plan::CreateRequest;
use crate::plan::load_balancer::{
    Addresses, Algorithm, Listener, LoadBalancer, LoadBalancerSpec, Protocol, State,
};
use crate::plan::naming::{ClusterId, LoadBalancerId, LoadBalancerName, Owner, ServiceUid};

/// A load balancer in a response. A missing field and null mean the same: a cloud
/// written in Go sends null for an empty list.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::cloud) struct LoadBalancerBody {
    lb_id: Option<String>,
    name: Option<String>,
    nodes: Option<Vec<IpAddr>>,
    port: Option<u16>,
    node_port: Option<u16>,
    spec: Option<String>,
    bandwidth: Option<String>,
    ip: Option<String>,
    // The profile basic does not have the following fields.
    listeners: Option<Vec<ListenerBody>>,
    algorithm: Option<Algorithm>,
    session_affinity: Option<SessionAffinityBody>,
    source_ranges: Option<Vec<String>>,
    owner: Option<OwnerBody>,
    ips: Option<Vec<IpAddr>>,
    hostname: Option<String>,
    state: Option<String>,
    message: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OwnerBody {
    cluster: String,
    namespace: String,
    name: String,
    uid: String,
}

/// A page of a list. Its items are parsed one by one, so that an unreadable item does
/// not hide the others and the page is never in memory as a whole tree.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cloud) struct ListBody<'a> {
    #[serde(borrow)]
    pub(in crate::cloud) items: Option<Vec<&'a RawValue>>,
    next_page_token: Option<String>,
}

impl ListBody<'_> {
    /// The token of the next page, if there is one.
    pub(in crate::cloud) fn next(&mut self) -> Option<String> {
        filled(self.next_page_token.take())
    }
}

impl LoadBalancerBody {
    /// Reads the response to a create or an update, which need not repeat the requested
    /// state. A response with a name counts as complete, because it may describe the
    /// load balancer of an earlier create with the same name.
    pub(in crate::cloud) fn changed(
        mut self,
        profile: Profile,
        known_id: Option<&LoadBalancerId>,
        request: &CreateRequest,
    ) -> Result<LoadBalancer, String> {
        self.lb_id = filled(self.lb_id).or(known_id.map(|id| id.as_str().to_owned()));
        let is_whole = filled(self.name.clone()).is_some();
        if !is_whole {
            self.name = Some(request.name.as_str().to_owned());
        }
        let mut load_balancer = self.shown(profile)?;
        if !is_whole {
            load_balancer.spec = request.spec.clone();
            load_balancer.owner = (profile == Profile::Standard).then(|| request.owner.clone());
        }
        if load_balancer.name != request.name {
            return Err(format!(
                "the response describes {}, not {}",
                load_balancer.name, request.name
            ));
        }
        if let Some(id) = known_id.filter(|id| **id != load_balancer.id) {
            return Err(format!(
                "the response describes {}, not {id}",
                load_balancer.id
            ));
        }
        Ok(load_balancer)
    }

    /// Reads the response to a query.
    pub(in crate::cloud) fn found(
        mut self,
        profile: Profile,
        which: Which<'_>,
    ) -> Result<LoadBalancer, String> {
        match which {
            Which::Id(id) => {
                self.lb_id = filled(self.lb_id).or(Some(id.as_str().to_owned()));
            }
            Which::Name(name) => {
                self.name = filled(self.name).or(Some(name.as_str().to_owned()));
            }
        }
        let found = self.shown(profile)?;
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

    /// Reads a complete load balancer.
    pub(in crate::cloud) fn shown(mut self, profile: Profile) -> Result<LoadBalancer, String> {
        if profile == Profile::Basic {
            self = self.only_basic();
        }
        let id =
            LoadBalancerId::new(filled(self.lb_id.take()).ok_or("the load balancer has no lbId")?);
        let name =
            LoadBalancerName::new(filled(self.name.take()).ok_or("the load balancer has no name")?);
        Ok(LoadBalancer {
            id,
            name,
            owner: self.owner.take().and_then(OwnerBody::into_owner),
            addresses: self.addresses()?,
            state: self.state(),
            spec: self.into_spec(),
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

    fn addresses(&mut self) -> Result<Addresses, String> {
        let mut ips = self.ips.take().unwrap_or_default();
        if let Some(ip) = filled(self.ip.take()) {
            let ip = ip
                .parse()
                .map_err(|_| format!("{ip:?} is not an IP address"))?;
            if !ips.contains(&ip) {
                ips.insert(0, ip);
            }
        }
        let hostname = filled(self.hostname.take());
        Ok(Addresses { ips, hostname })
    }

    fn state(&mut self) -> State {
        match self.state.take().unwrap_or_default().as_str() {
            "" | "active" => State::Active,
            "deleting" => State::Deleting,
            "error" => {
                let message = self.message.take().unwrap_or_default();
                State::Error(excerpt(message.as_bytes()))
            }
            // Also for an unknown state of a later API: the load balancer is read again.
            _ => State::Provisioning,
        }
    }

    fn into_spec(self) -> LoadBalancerSpec {
        let mut source_ranges = self.source_ranges.unwrap_or_default();
        source_ranges.sort();
        let first = self
            .port
            .zip(self.node_port)
            .map(|(port, node_port)| Listener {
                name: String::new(),
                protocol: Protocol::Tcp,
                port,
                node_port,
            });
        let listeners = match self.listeners {
            Some(listeners) => listeners.into_iter().map(Listener::from).collect(),
            None => first.into_iter().collect(),
        };
        LoadBalancerSpec {
            nodes: self.nodes.unwrap_or_default().into_iter().collect(),
            listeners,
            spec: self.spec.unwrap_or_default(),
            bandwidth: self.bandwidth.unwrap_or_default(),
            algorithm: self.algorithm.unwrap_or_default(),
            source_ranges,
            client_affinity_seconds: self
                .session_affinity
                .and_then(|affinity| affinity.client_seconds()),
        }
    }
}

impl OwnerBody {
    /// Converts an owner; `None` unless it has a cluster and a UID, because an incomplete
    /// owner proves nothing.
    fn into_owner(self) -> Option<Owner> {
        let names_both = !self.cluster.is_empty() && !self.uid.is_empty();
        names_both.then(|| Owner {
            cluster: ClusterId::new(self.cluster),
            namespace: self.namespace,
            name: self.name,
            uid: ServiceUid::new(self.uid),
        })
    }
}

fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}
