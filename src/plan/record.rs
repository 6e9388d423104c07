//! The parts that we write to a Service: the record of its load balancers and the
//! addresses that clients use.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::ip_mode::IpModes;
use super::load_balancer::Addresses;
use super::naming::{CloudName, LoadBalancerId, is_dns_label};

/// The load balancers of a Service by cloud: the annotations `lb-id` and `lb-cloud`,
/// two lists in the same order.
///
/// A cloud without an id is *announced*: a load balancer is about to be created there, or
/// may have been. So a record that is not empty has every cloud that can have a load
/// balancer of the Service, before the first create on that cloud is sent.
///
/// A record is a hint for us and information for users. It is never a proof of
/// ownership, because anyone who may edit the Service can forge it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Record(BTreeMap<CloudName, Option<LoadBalancerId>>);

impl Record {
    /// Parses the two annotations. An id without its cloud, one that no cloud can have
    /// given, and a cloud that cannot be configured are dropped: a query by name gives the same information.
    pub fn parse(ids: Option<&str>, clouds: Option<&str>) -> Self {
        let list = |text: Option<&str>| -> Vec<String> {
            text.unwrap_or_default()
                .split(',')
                .map(|entry| entry.trim().to_owned())
                .collect()
        };
        let ids = list(ids)
            .into_iter()
            .map(Some)
            .chain(std::iter::repeat(None));
        let pairs = list(clouds).into_iter().zip(ids);
        Self(
            pairs
                .filter(|(cloud, _)| is_dns_label(cloud))
                .map(|(cloud, id)| {
                    let id = id.and_then(|id| LoadBalancerId::parse(&id).ok());
                    (CloudName::new(cloud), id)
                })
                .collect(),
        )
    }

    /// The value of `lb-id`; `None` if the record has no id.
    pub fn id_annotation(&self) -> Option<String> {
        self.ids().next()?;
        let ids = self.0.values().map(|id| match id {
            Some(id) => id.as_str(),
            None => "",
        });
        Some(ids.collect::<Vec<_>>().join(","))
    }

    /// The value of `lb-cloud`; `None` for an empty record.
    pub fn cloud_annotation(&self) -> Option<String> {
        let clouds: Vec<_> = self.0.keys().map(CloudName::as_str).collect();
        (!clouds.is_empty()).then(|| clouds.join(","))
    }

    /// Adds clouds on which load balancers are about to be created.
    pub fn announce(&mut self, clouds: &BTreeSet<CloudName>) {
        for cloud in clouds {
            self.0.entry(cloud.clone()).or_default();
        }
    }

    /// The id of the load balancer on this cloud.
    pub fn get(&self, cloud: &CloudName) -> Option<&LoadBalancerId> {
        self.0.get(cloud)?.as_ref()
    }

    /// Whether the record has this cloud, with an id or without.
    pub fn has(&self, cloud: &CloudName) -> bool {
        self.0.contains_key(cloud)
    }

    /// The ids of all load balancers.
    pub fn ids(&self) -> impl Iterator<Item = &LoadBalancerId> {
        self.0.values().flatten()
    }

    /// The clouds, with an id or without.
    pub fn clouds(&self) -> impl Iterator<Item = &CloudName> {
        self.0.keys()
    }

    /// The clouds, each with the id that it has.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&CloudName, &Option<LoadBalancerId>)> {
        self.0.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(CloudName, LoadBalancerId)> for Record {
    fn from_iter<I: IntoIterator<Item = (CloudName, LoadBalancerId)>>(pairs: I) -> Self {
        pairs
            .into_iter()
            .map(|(cloud, id)| (cloud, Some(id)))
            .collect()
    }
}

impl FromIterator<(CloudName, Option<LoadBalancerId>)> for Record {
    fn from_iter<I: IntoIterator<Item = (CloudName, Option<LoadBalancerId>)>>(pairs: I) -> Self {
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
    /// All existing load balancers, including those that are being deleted, and the
    /// announced ones.
    pub record: Record,
    /// The addresses that clients use; only of clouds that the user named.
    pub ingress: Vec<Ingress>,
    /// The modes of the IP addresses among them.
    pub modes: IpModes,
}

/// The entries for one load balancer: its IP addresses, then its DNS names.
pub(crate) fn ingress_of(addresses: &Addresses) -> Vec<Ingress> {
    let ips = addresses.ips.iter().copied().map(Ingress::Ip);
    let hostnames = addresses.hostnames.iter().cloned().map(Ingress::Hostname);
    ips.chain(hostnames).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotations(record: &Record) -> (Option<String>, Option<String>) {
        (record.id_annotation(), record.cloud_annotation())
    }

    #[test]
    fn record_survives_a_round_trip() {
        let cases = [
            (
                Some("lb-1,lb-2"),
                Some("cloud1,cloud2"),
                "two load balancers",
            ),
            (
                None,
                Some("cloud1,cloud2"),
                "two creates that are about to be sent",
            ),
            (
                Some("lb-1,"),
                Some("cloud1,cloud2"),
                "one of each, as in a move",
            ),
            (
                Some(",lb-2"),
                Some("cloud1,cloud2"),
                "and the other way round",
            ),
            (None, None, "nothing written yet"),
        ];
        for (ids, clouds, reason) in cases {
            let written = (ids.map(str::to_owned), clouds.map(str::to_owned));
            assert_eq!(
                annotations(&Record::parse(ids, clouds)),
                written,
                "{reason}"
            );
        }
    }

    #[test]
    fn ids_without_a_cloud_are_no_record() {
        let long_name = "c".repeat(64);
        let cases = [
            (Some("lb-1"), None, "an id without its cloud"),
            (Some(""), Some(""), "empty annotations"),
            (Some("lb-1,lb-2"), Some(","), "ids without clouds"),
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
        ];
        for (ids, clouds, reason) in cases {
            assert!(Record::parse(ids, clouds).is_empty(), "{reason}");
        }
    }

    #[test]
    fn a_truncated_list_keeps_its_complete_pairs_and_all_of_its_clouds() {
        let record = Record::parse(Some("lb-1"), Some("cloud1, cloud2"));
        let clouds = ["cloud1", "cloud2"].map(CloudName::new);
        assert_eq!(record.get(&clouds[0]), Some(&LoadBalancerId::new("lb-1")));
        assert_eq!(record.get(&clouds[1]), None);
        assert!(clouds.iter().all(|cloud| record.has(cloud)));
    }

    #[test]
    fn what_is_announced_keeps_its_id() {
        let mut record = Record::parse(Some("lb-1"), Some("cloud1"));
        record.announce(&["cloud1", "cloud2"].map(CloudName::new).into());
        assert_eq!(
            annotations(&record),
            (Some("lb-1,".into()), Some("cloud1,cloud2".into()))
        );
    }
}
