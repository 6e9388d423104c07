//! How a load balancer delivers what is sent to one of its IP addresses, which decides whether
//! kube-proxy may keep the traffic of Pods to that address within the cluster.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::load_balancer::{LoadBalancer, LoadBalancerSpec};
use super::proxy_protocol::ProxyProtocol;
use super::record::Ingress;

/// The value of `status.loadBalancer.ingress[].ipMode` (KEP-1860).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum IpMode {
    /// A packet reaches a Node with this address as its destination. The API server's default.
    #[default]
    #[serde(rename = "VIP")]
    Vip,
    /// The load balancer ends the connection and begins another one to a Node, so that it can
    /// add to it. Traffic of Pods has to take that way too.
    Proxy,
}

impl IpMode {
    pub const ALL: [Self; 2] = [Self::Vip, Self::Proxy];

    /// The value in the status and in the answer of a cloud.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Vip => "VIP",
            Self::Proxy => "Proxy",
        }
    }

    /// `None` for a value that this program does not know.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text)
    }
}

/// The modes of IP addresses, as far as somebody tells them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct IpModes(BTreeMap<IpAddr, IpMode>);

impl IpModes {
    pub fn get(&self, ip: IpAddr) -> Option<IpMode> {
        self.0.get(&ip).copied()
    }

    /// Notes what is told of an address. Who tells both says that there is a proxy.
    pub fn tell(&mut self, ip: IpAddr, mode: IpMode) {
        let told = self.0.entry(ip).or_insert(mode);
        *told = mode.max(*told);
    }

    pub(super) fn tell_all(&mut self, others: &Self) {
        for (ip, mode) in &others.0 {
            self.tell(*ip, *mode);
        }
    }

    /// Adds the modes of addresses of which these tell none.
    pub(super) fn fill_in(&mut self, others: &Self) {
        for (ip, mode) in &others.0 {
            self.0.entry(*ip).or_insert(*mode);
        }
    }

    /// The mode of an entry of the status that is not the default. A host name has none: the
    /// API server refuses it there.
    pub fn to_write(&self, address: &Ingress) -> Option<IpMode> {
        match address {
            Ingress::Ip(ip) => self.get(*ip).filter(|mode| *mode != IpMode::default()),
            Ingress::Hostname(_) => None,
        }
    }

    /// Whether a status that shows `shown` needs no write for these. An API server that has
    /// the field shows it at each IP address, because it sets the default; one that does not
    /// (older than 1.29, or without the feature `LoadBalancerIPMode`) drops what is written,
    /// so the write would be repeated for ever.
    pub fn are_met_by(&self, shown: &Self) -> bool {
        let differs = |(ip, mode): (&IpAddr, &IpMode)| {
            let shown = shown.get(*ip);
            shown.is_some_and(|shown| shown != *mode)
        };
        !self.0.iter().any(differs)
    }

    /// An address for people, with its mode if that is not the default.
    pub fn describe(&self, address: &Ingress) -> String {
        match self.to_write(address) {
            Some(mode) => format!("{address} (ipMode {})", mode.as_str()),
            None => address.to_string(),
        }
    }

    pub(super) fn keep(&mut self, addresses: &[Ingress]) {
        self.0.retain(|ip, _| addresses.contains(&Ingress::Ip(*ip)));
    }

    /// The bytes that they occupy.
    pub fn footprint(&self) -> usize {
        self.0.len() * size_of::<(IpAddr, IpMode)>()
    }
}

impl FromIterator<(IpAddr, IpMode)> for IpModes {
    fn from_iter<I: IntoIterator<Item = (IpAddr, IpMode)>>(told: I) -> Self {
        let mut modes = Self::default();
        for (ip, mode) in told {
            modes.tell(ip, mode);
        }
        modes
    }
}

impl LoadBalancer {
    /// The mode of each of its IP addresses: what its cloud says; else `Proxy` if every
    /// connection to a back end begins with a header that only the load balancer can write. If
    /// no listener can be read, that is not known.
    pub fn ip_modes(&self) -> IpModes {
        let is_known = self.is_understood || !self.spec.listeners.is_empty();
        let assumed = is_known.then(|| match self.spec.is_behind_headers() {
            true => IpMode::Proxy,
            false => IpMode::Vip,
        });
        let ips = self.addresses.ips.iter();
        ips.filter_map(|ip| Some((*ip, self.addresses.modes.get(*ip).or(assumed)?)))
            .collect()
    }
}

impl LoadBalancerSpec {
    /// Whether all of its listeners use the PROXY protocol.
    fn is_behind_headers(&self) -> bool {
        let mut listeners = self.listeners.iter();
        !self.listeners.is_empty()
            && listeners.all(|listener| match listener.proxy_protocol {
                Some(ProxyProtocol::V1 | ProxyProtocol::V2) => true,
                Some(ProxyProtocol::None) | None => false,
            })
    }
}

#[cfg(test)]
mod tests;
