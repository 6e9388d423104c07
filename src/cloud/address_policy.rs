//! The addresses of a load balancer that may be published in a Service.
//!
//! kube-proxy of every Node sends the traffic to a published address to the Service's
//! Pods. An address that cannot be a load balancer's, published because a cloud showed it,
//! would take traffic from whom it belongs to.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ipnet::IpNet;
use parking_lot::RwLock;

use super::body::excerpt;
use super::bounds;
use crate::plan::ip_mode::IpMode;
use crate::plan::load_balancer::Addresses;
use crate::plan::naming::is_dns_subdomain;

/// The rule for the addresses of one cloud.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressPolicy {
    /// The ranges of the cloud's addresses; empty allows all. A range within 127.0.0.0/8 or
    /// ::1 also allows loopback addresses, which are refused otherwise.
    pub ranges: Vec<IpNet>,
    /// The ranges of the cluster's own Services, whose addresses no cloud may claim.
    pub service_ranges: Vec<IpNet>,
    /// The same, as the cluster shows them.
    pub cluster_ranges: ClusterRanges,
}

/// The addresses that a response shows, before they are checked.
#[derive(Default)]
pub(super) struct ShownAddresses {
    /// The one that comes first wherever addresses are listed.
    pub(super) first: Option<String>,
    /// The DNS name that stands for the IP addresses: published only if there is none of them.
    pub(super) hostname: Option<String>,
    /// The others, each once.
    pub(super) others: Vec<ShownAddress>,
    /// The number of further ones, which were not read.
    pub(super) unread: usize,
}

/// One of them, with what is said about it.
#[derive(PartialEq)]
pub(super) struct ShownAddress {
    text: String,
    is_name: bool,
    mode: Option<IpMode>,
}

impl ShownAddresses {
    pub(super) fn is_empty(&self) -> bool {
        self.total() == 0 && self.hostname.is_none()
    }

    /// The number of all; an IP address that is said to have a mode and is elsewhere too counts
    /// once. `hostname` counts only beside other names, because it stands for IP addresses.
    fn total(&self) -> usize {
        let mut texts: Vec<&str> = self.others.iter().map(|shown| &*shown.text).collect();
        texts.extend(self.first.as_deref());
        if self.others.iter().any(|shown| shown.is_name) {
            texts.extend(self.hostname.as_deref());
        }
        texts.sort_unstable();
        texts.dedup();
        texts.len() + self.unread
    }
}

impl ShownAddress {
    pub(super) fn ip(text: String, mode: Option<IpMode>) -> Self {
        Self {
            text,
            is_name: false,
            mode,
        }
    }

    pub(super) fn hostname(text: String) -> Self {
        Self {
            text,
            is_name: true,
            mode: None,
        }
    }
}

/// Ranges that are read while clouds are called. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct ClusterRanges(Arc<RwLock<Vec<IpNet>>>);

impl ClusterRanges {
    pub fn get(&self) -> Vec<IpNet> {
        self.0.read().clone()
    }

    pub fn set(&self, ranges: Vec<IpNet>) {
        *self.0.write() = ranges;
    }

    fn contain(&self, ip: IpAddr) -> bool {
        self.0.read().iter().any(|range| range.contains(&ip))
    }
}

impl PartialEq for ClusterRanges {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl Eq for ClusterRanges {}

impl AddressPolicy {
    /// The addresses to publish of those that a cloud shows, in an order that does not depend
    /// on the order in which it shows them. Unspecified addresses (`0.0.0.0`, `::`) mean "none
    /// yet".
    pub(super) fn addresses(&self, shown: ShownAddresses) -> Addresses {
        let mut addresses = Addresses::default();
        let (total, most) = (shown.total(), bounds::ADDRESSES);
        if total > most {
            addresses.refused = Some(format!("it shows {total} addresses, more than {most}"));
            return addresses;
        }
        let ShownAddresses {
            first,
            hostname,
            others,
            unread: _,
        } = shown;
        let mut refused = Vec::new();
        if let Some(first) = first {
            self.take_ip(&first, None, &mut addresses, &mut refused);
        }
        let after_first = addresses.ips.len();
        for ShownAddress {
            text,
            is_name,
            mode,
        } in others
        {
            if is_name {
                self.take_hostname(&text, &mut addresses, &mut refused);
            } else {
                self.take_ip(&text, mode, &mut addresses, &mut refused);
            }
        }
        if let Some(hostname) = hostname {
            let names = addresses.hostnames.len();
            self.take_hostname(&hostname, &mut addresses, &mut refused);
            if !addresses.ips.is_empty() {
                addresses.hostnames.truncate(names);
            }
        }
        addresses.ips[after_first..].sort();
        addresses.hostnames.sort();
        addresses.refused = refusal(&refused);
        addresses
    }

    fn take_ip(
        &self,
        text: &str,
        mode: Option<IpMode>,
        addresses: &mut Addresses,
        refused: &mut Vec<String>,
    ) {
        let Ok(ip) = text.parse::<IpAddr>() else {
            refused.push(format!("{} is not an IP address", quoted(text)));
            return;
        };
        let ip = ip.to_canonical();
        if ip.is_unspecified() {
            return;
        }
        if let Err(rule) = self.check(ip) {
            return refused.push(format!("{ip} {rule}"));
        }
        if !addresses.ips.contains(&ip) {
            addresses.ips.push(ip);
        }
        if let Some(mode) = mode {
            addresses.modes.tell(ip, mode);
        }
    }

    fn take_hostname(&self, text: &str, addresses: &mut Addresses, refused: &mut Vec<String>) {
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if name.parse::<IpAddr>().is_ok() {
            return self.take_ip(&name, None, addresses, refused);
        }
        match check_hostname(&name) {
            Ok(()) if addresses.hostnames.contains(&name) => {}
            Ok(()) => addresses.hostnames.push(name),
            Err(rule) => refused.push(format!("{} {rule}", quoted(text))),
        }
    }

    fn check(&self, ip: IpAddr) -> Result<(), &'static str> {
        let is_own = self.service_ranges.iter().any(|range| range.contains(&ip));
        if is_own || self.cluster_ranges.contain(ip) {
            return Err("belongs to the cluster's own Services");
        }
        if let Some(rule) = unusable(ip) {
            return Err(rule);
        }
        let within = |range: &&IpNet| range.contains(&ip);
        if ip.is_loopback() && !self.ranges.iter().filter(within).any(is_loopback) {
            return Err("is a loopback address");
        }
        if !self.ranges.is_empty() && !self.ranges.iter().any(|range| range.contains(&ip)) {
            return Err("is not in the addressRanges of the cloud");
        }
        Ok(())
    }
}

fn is_loopback(range: &IpNet) -> bool {
    range.network().is_loopback() && range.broadcast().is_loopback()
}

/// Why no load balancer can have this address, whatever the configuration says.
fn unusable(ip: IpAddr) -> Option<&'static str> {
    let (is_this_network, is_link_local) = match ip {
        IpAddr::V4(ip) => (ip.octets()[0] == 0, ip.is_link_local()),
        IpAddr::V6(ip) => (false, ip.is_unicast_link_local()),
    };
    if ip.is_multicast() {
        Some("is a multicast address")
    } else if is_link_local {
        Some("is a link-local address")
    } else if ip == IpAddr::V4(Ipv4Addr::BROADCAST) {
        Some("is the broadcast address")
    } else if is_this_network {
        Some("is an address of this network")
    } else {
        None
    }
}

/// Checks a DNS name as the API server does, and that it names another machine.
fn check_hostname(name: &str) -> Result<(), &'static str> {
    let last = name.rsplit('.').next().unwrap_or_default();
    if !is_dns_subdomain(name) || last.bytes().all(|letter| letter.is_ascii_digit()) {
        return Err("is not a DNS name");
    }
    if last == "localhost" {
        return Err("is a name of the machine itself");
    }
    Ok(())
}

/// The first refusal, and the number of the others.
fn refusal(refused: &[String]) -> Option<String> {
    let first = refused.first()?;
    Some(match refused.len() - 1 {
        0 => format!("its address {first}"),
        others => format!("its address {first}, and {others} more cannot be used either"),
    })
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", excerpt(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(policy: &AddressPolicy, ips: &[&str], hostname: Option<&str>) -> Addresses {
        let ips = ips.iter();
        policy.addresses(ShownAddresses {
            hostname: hostname.map(str::to_owned),
            others: ips.map(|&ip| ShownAddress::ip(ip.into(), None)).collect(),
            ..ShownAddresses::default()
        })
    }

    fn ranges(ranges: &[&str]) -> Vec<IpNet> {
        let parse = |range: &&str| range.parse().expect("a range");
        ranges.iter().map(parse).collect()
    }

    #[test]
    fn only_addresses_that_a_load_balancer_can_have_are_published() {
        let policy = AddressPolicy {
            ranges: Vec::new(),
            service_ranges: ranges(&["10.96.0.0/12", "fd00:10:96::/112"]),
            cluster_ranges: ClusterRanges::default(),
        };
        let refused = [
            ("127.0.0.1", "loopback"),
            ("::1", "loopback"),
            ("::ffff:127.0.0.1", "loopback"),
            ("169.254.169.254", "link-local"),
            ("fe80::1", "link-local"),
            ("224.0.0.1", "multicast"),
            ("ff02::1", "multicast"),
            ("255.255.255.255", "broadcast"),
            ("0.0.0.7", "this network"),
            ("10.96.0.1", "own Services"),
            ("::ffff:10.96.0.1", "own Services"),
            ("fd00:10:96::1", "own Services"),
            ("fe80::1%eth0", "not an IP address"),
            ("here\nnow", "here\\nnow"),
        ];
        for (ip, why) in refused {
            let addresses = shown(&policy, &[ip], None);
            assert!(addresses.is_empty(), "{ip}");
            let refused = addresses.refused.expect(ip);
            assert!(refused.contains(why), "{ip}: {refused}");
        }
        for ip in ["192.0.2.1", "10.0.0.1", "2001:db8::1", "100.64.0.1"] {
            let addresses = shown(&policy, &[ip, ip], None);
            assert_eq!(addresses.ips, [ip.parse::<IpAddr>().expect(ip)]);
            assert_eq!(addresses.refused, None, "{ip}");
        }
    }

    #[test]
    fn an_unspecified_address_means_none_yet() {
        let addresses = shown(&AddressPolicy::default(), &["0.0.0.0", "::"], None);
        assert_eq!(addresses, Addresses::default());
    }

    #[test]
    fn a_good_address_beside_a_bad_one_is_published() {
        let ips = ["127.0.0.1", "192.0.2.1", "224.0.0.1"];
        let addresses = shown(&AddressPolicy::default(), &ips, None);
        assert_eq!(addresses.ips.len(), 1);
        let refused =
            "its address 127.0.0.1 is a loopback address, and 1 more cannot be used either";
        assert_eq!(addresses.refused.as_deref(), Some(refused));
    }

    #[test]
    fn the_configuration_restricts_further_and_alone_allows_loopback() {
        let allows = |allowed: &[&str], ip: &str| {
            let policy = AddressPolicy {
                ranges: ranges(allowed),
                ..AddressPolicy::default()
            };
            !shown(&policy, &[ip], None).is_empty()
        };
        assert!(allows(&["192.0.2.0/24"], "192.0.2.7"));
        assert!(!allows(&["192.0.2.0/24"], "198.51.100.7"));
        assert!(allows(&["127.0.0.0/8", "0.0.0.0/0"], "127.1.2.3"));
        assert!(allows(&["127.0.0.0/8", "0.0.0.0/0"], "192.0.2.7"));
        assert!(
            !allows(&["0.0.0.0/0"], "127.1.2.3"),
            "only by its own range"
        );
        assert!(!allows(&["169.254.0.0/16"], "169.254.1.1"), "never");
    }

    #[test]
    fn host_names_are_canonical() {
        let policy = AddressPolicy::default();
        let cases = [
            ("MyLB-123.Elb.Example.com", Some("mylb-123.elb.example.com")),
            ("lb.example.com.", Some("lb.example.com")),
            ("-lb.example.com", None),
            ("lb..example.com", None),
            ("127.1", None),
            ("localhost", None),
            ("a b", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let addresses = shown(&policy, &[], Some(text));
            assert_eq!(addresses.hostnames, Vec::from_iter(expected), "{text}");
            assert_eq!(addresses.refused.is_some(), expected.is_none(), "{text}");
        }
        let addresses = shown(&policy, &[], Some("192.0.2.77"));
        assert_eq!(
            addresses.ips,
            [IpAddr::from([192, 0, 2, 77])],
            "an IP is an IP"
        );
    }

    #[test]
    fn too_many_addresses_are_none() {
        let many = ShownAddresses {
            unread: 60_000,
            ..ShownAddresses::default()
        };
        let addresses = AddressPolicy::default().addresses(many);
        assert!(addresses.is_empty());
        assert!(addresses.refused.expect("refused").contains("60000"));
    }
}
