//! The parts that we write to a Service: the record of its load balancers and the
//! addresses that clients use.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::load_balancer::Addresses;
use super::naming::{CloudName, LoadBalancerId};

/// Maximum size of an id in a record, in bytes.
const ID_LIMIT: usize = 253;

/// The load balancers of a Service by cloud: the annotations `lb-id` and `lb-cloud`,
/// two lists in the same order.
///
/// A record is a hint for us and information for users. It is never a proof of
/// ownership, because anyone who may edit the Service can forge it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Record(BTreeMap<CloudName, LoadBalancerId>);

impl Record {
    /// Parses the two annotations. Incomplete pairs are dropped, and pairs that no
    /// controller wrote: a query by name gives the same information.
    pub fn parse(ids: Option<&str>, clouds: Option<&str>) -> Self {
        let list = |text: Option<&str>| -> Vec<String> {
            text.unwrap_or_default()
                .split(',')
                .map(|entry| entry.trim().to_owned())
                .collect()
        };
        let pairs = list(clouds).into_iter().zip(list(ids));
        Self(
            pairs
                .filter(|(cloud, id)| is_cloud_name(cloud) && is_id(id))
                .map(|(cloud, id)| (CloudName::new(cloud), LoadBalancerId::new(id)))
                .collect(),
        )
    }

    /// The values of `lb-id` and `lb-cloud`; `None` for an empty record, which has no
    /// annotations.
    pub fn annotations(&self) -> Option<(String, String)> {
        if self.0.is_empty() {
            return None;
        }
        let ids: Vec<_> = self.0.values().map(LoadBalancerId::as_str).collect();
        let clouds: Vec<_> = self.0.keys().map(CloudName::as_str).collect();
        Some((ids.join(","), clouds.join(",")))
    }

    pub fn get(&self, cloud: &CloudName) -> Option<&LoadBalancerId> {
        self.0.get(cloud)
    }

    pub fn clouds(&self) -> impl Iterator<Item = &CloudName> {
        self.0.keys()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Whether a cloud of this name can be configured: it is a DNS label.
fn is_cloud_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len()) && name.bytes().all(is_plain)
}

/// Whether this may be an id: visible ASCII characters, 253 at most. Messages and log lines
/// repeat ids.
fn is_id(id: &str) -> bool {
    (1..=ID_LIMIT).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

impl FromIterator<(CloudName, LoadBalancerId)> for Record {
    fn from_iter<I: IntoIterator<Item = (CloudName, LoadBalancerId)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

/// One entry of `status.loadBalancer.ingress`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Ingress {
    Ip(IpAddr),
    /// A DNS name.
    Hostname(String),
}

impl fmt::Display for Ingress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(formatter),
            Self::Hostname(hostname) => hostname.fmt(formatter),
        }
    }
}

/// The record and addresses of a Service, written in one patch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Publication {
    /// All existing load balancers, including those that are being deleted.
    pub record: Record,
    /// The addresses that clients use; only of clouds that the user named.
    pub ingress: Vec<Ingress>,
}

/// The entries for one load balancer: its IP addresses, or its DNS name if it has
/// none.
pub(super) fn ingress_of(addresses: &Addresses) -> Vec<Ingress> {
    if addresses.ips.is_empty() {
        return addresses
            .hostname
            .iter()
            .cloned()
            .map(Ingress::Hostname)
            .collect();
    }
    addresses.ips.iter().copied().map(Ingress::Ip).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_survives_a_round_trip() {
        let record = Record::parse(Some("lb-1,lb-2"), Some("cloud1,cloud2"));
        assert_eq!(
            record.annotations(),
            Some(("lb-1,lb-2".into(), "cloud1,cloud2".into()))
        );
    }

    #[test]
    fn incomplete_annotations_are_no_record() {
        let (long_name, long_id) = ("c".repeat(64), "1".repeat(ID_LIMIT + 1));
        let cases = [
            (None, None, "nothing written yet"),
            (Some("lb-1"), None, "an id without its cloud"),
            (Some(""), Some(""), "empty annotations"),
            (Some(","), Some("cloud1,cloud2"), "clouds without ids"),
            (
                Some("lb-1"),
                Some("cloud 1\nINFO forged"),
                "no name of a cloud",
            ),
            (
                Some("lb-1"),
                Some(&long_name),
                "too long for a name of a cloud",
            ),
            (Some("lb\n1"), Some("cloud1"), "no id"),
            (Some(&long_id), Some("cloud1"), "too long for an id"),
        ];
        for (ids, clouds, reason) in cases {
            assert!(Record::parse(ids, clouds).is_empty(), "{reason}");
        }
    }

    #[test]
    fn a_truncated_list_keeps_its_complete_pairs() {
        let record = Record::parse(Some("lb-1"), Some("cloud1, cloud2"));
        assert_eq!(record.annotations(), Some(("lb-1".into(), "cloud1".into())));
    }
}
