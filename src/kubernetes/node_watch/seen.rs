//! What one look at the Nodes shows.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;

use super::NodeSet;
use crate::kubernetes::node::{AddressRule, address, is_eligible, unusable_addresses};
use crate::kubernetes::node_object::Node;
use crate::plan::node_addresses::IpFamily;
use crate::plan::node_hold::NodeLook;

/// What one look at the Nodes shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub v4: NodeLook,
    pub v6: NodeLook,
    /// The Nodes that are back ends of some family.
    eligible: i64,
    excluded: i64,
    /// The Nodes with addresses that no cloud can reach, by name.
    pub unusable: BTreeMap<String, Unusable>,
}

/// The addresses of a Node that no cloud can reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unusable {
    pub uid: String,
    pub addresses: BTreeSet<IpAddr>,
}

impl Seen {
    pub fn of<'a>(nodes: impl Iterator<Item = &'a Node>, rule: AddressRule) -> Self {
        let mut seen = Self::default();
        let mut existing = BTreeSet::new();
        for node in nodes {
            let name = node.metadata.name.clone().unwrap_or_default();
            if !node.unreadable().is_empty() {
                seen.v4.any_unknown = true;
                seen.v6.any_unknown = true;
            }
            let is_back_end = may_serve(node) && seen.add(&name, node, rule);
            if is_back_end {
                seen.eligible += 1;
            } else {
                seen.excluded += 1;
            }
            if node.metadata.deletion_timestamp.is_none() {
                existing.insert(name);
            }
        }
        seen.v4.existing = existing.clone();
        seen.v6.existing = existing;
        seen
    }

    /// Adds an eligible Node. Returns whether it has a usable address.
    fn add(&mut self, name: &str, node: &Node, rule: AddressRule) -> bool {
        let mut has_address = false;
        let families = [(&mut self.v4, IpFamily::V4), (&mut self.v6, IpFamily::V6)];
        for (look, family) in families {
            look.any_eligible = true;
            if let Some(address) = address(node, rule, family) {
                look.backends.insert(address, name.to_owned());
                has_address = true;
            }
        }
        let addresses: BTreeSet<IpAddr> = unusable_addresses(node, rule).collect();
        if !addresses.is_empty() {
            let uid = node.metadata.uid.clone().unwrap_or_default();
            let unusable = Unusable { uid, addresses };
            self.unusable.insert(name.to_owned(), unusable);
        }
        has_address
    }

    /// The counts of a set.
    pub fn counts(&self) -> NodeSet {
        let unusable = self.unusable.values().map(|node| node.addresses.len());
        NodeSet {
            eligible: self.eligible,
            excluded: self.excluded,
            unusable_addresses: i64::try_from(unusable.sum::<usize>()).unwrap_or(i64::MAX),
            ..NodeSet::default()
        }
    }
}

fn may_serve(node: &Node) -> bool {
    node.unreadable().is_empty() && is_eligible(node)
}

/// A number that changes with what [`Seen`] shows, in any order of the Nodes. It needs no
/// memory: it is computed at each event of the watch.
pub fn fingerprint<'a>(nodes: impl Iterator<Item = &'a Node>, rule: AddressRule) -> u64 {
    let one = |node: &Node| {
        let mut hasher = DefaultHasher::new();
        node.metadata.name.hash(&mut hasher);
        node.metadata.deletion_timestamp.is_some().hash(&mut hasher);
        node.unreadable().is_empty().hash(&mut hasher);
        if may_serve(node) {
            for family in [IpFamily::V4, IpFamily::V6] {
                address(node, rule, family).hash(&mut hasher);
            }
            unusable_addresses(node, rule).for_each(|address| address.hash(&mut hasher));
        }
        may_serve(node).hash(&mut hasher);
        hasher.finish()
    };
    nodes.map(one).fold(0, u64::wrapping_add)
}
