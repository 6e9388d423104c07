//! What one look at the Nodes shows.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;

use super::sets::{NodeSet, SetKey};
use crate::kubernetes::node::{AddressRule, address, is_eligible, unusable_addresses};
use crate::kubernetes::node_object::Node;
use crate::plan::node_addresses::IpFamily;
use crate::plan::node_choice::NodeAddressType;
use crate::plan::node_hold::NodeLook;
use crate::plan::node_selector::NodeSelector;

/// Which Nodes are looked at, and which addresses of them.
#[derive(Clone, Copy, Debug)]
pub struct Lens<'a> {
    pub rule: AddressRule,
    pub selector: &'a NodeSelector,
}

impl<'a> Lens<'a> {
    /// That of a set; `rule` is that of the configuration.
    pub fn of(key: &'a SetKey, rule: AddressRule) -> Self {
        let choice = key.choice();
        Self {
            rule: AddressRule {
                kind: choice.address_type.unwrap_or(rule.kind),
                ..rule
            },
            selector: &choice.selector,
        }
    }

    /// Whether a Node has the labels; `None` if nobody knows.
    fn selects(&self, node: &Node) -> Option<bool> {
        if self.selector.is_everything() {
            return Some(true);
        }
        let labels = node.labels()?;
        let matches = || self.selector.matches(|key| labels.get(key));
        Some(!labels.are_too_large() && matches())
    }
}

/// What one look at the Nodes shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub v4: NodeLook,
    pub v6: NodeLook,
    /// The Nodes that are back ends of some family.
    eligible: i64,
    excluded: i64,
    /// What no load balancer can use of the Nodes, by name.
    pub unusable: BTreeMap<String, Unusable>,
}

/// What no load balancer can use of a Node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unusable {
    pub uid: String,
    /// Those that no cloud can reach.
    pub addresses: BTreeSet<IpAddr>,
    /// [`Node::too_large`].
    pub too_large: Vec<&'static str>,
}

impl Seen {
    pub fn of<'a>(nodes: impl Iterator<Item = &'a Node>, lens: Lens<'_>) -> Self {
        let mut seen = Self::default();
        let mut existing = BTreeSet::new();
        for node in nodes {
            let name = node.metadata.name.clone().unwrap_or_default();
            let is_readable = node.unreadable().is_empty();
            let selected = lens.selects(node).filter(|_| is_readable);
            for look in [&mut seen.v4, &mut seen.v6] {
                look.any_unknown |= selected.is_none();
                look.any_match |= selected == Some(true);
            }
            let may_serve = selected == Some(true) && is_eligible(node);
            let is_back_end = may_serve && seen.add(&name, node, lens.rule);
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
        let unusable = Unusable {
            uid: node.metadata.uid.clone().unwrap_or_default(),
            addresses: unusable_addresses(node, rule).collect(),
            too_large: node.too_large(),
        };
        if !unusable.addresses.is_empty() || !unusable.too_large.is_empty() {
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

/// A number that changes with what [`Seen`] shows through any lens, in any order of the
/// Nodes. It needs no memory: it is computed at each event of the watch.
pub fn fingerprint<'a>(nodes: impl Iterator<Item = &'a Node>, rule: AddressRule) -> u64 {
    let one = |node: &Node| {
        let mut hasher = DefaultHasher::new();
        node.metadata.name.hash(&mut hasher);
        node.metadata.deletion_timestamp.is_some().hash(&mut hasher);
        node.unreadable().is_empty().hash(&mut hasher);
        node.labels().hash(&mut hasher);
        node.too_large().hash(&mut hasher);
        let may_serve = node.unreadable().is_empty() && is_eligible(node);
        if may_serve {
            for kind in NodeAddressType::ALL {
                let rule = AddressRule { kind, ..rule };
                for family in [IpFamily::V4, IpFamily::V6] {
                    address(node, rule, family).hash(&mut hasher);
                }
                unusable_addresses(node, rule).for_each(|address| address.hash(&mut hasher));
            }
        }
        may_serve.hash(&mut hasher);
        hasher.finish()
    };
    nodes.map(one).fold(0, u64::wrapping_add)
}
