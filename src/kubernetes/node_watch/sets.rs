//! The sets of back ends: one for each choice of Nodes that Services make, however many
//! Services make it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use tokio::time::Instant;

use crate::plan::Backends;
use crate::plan::backends::SecondFamily;
use crate::plan::node_addresses::{IpFamilies, IpFamily, NodeAddresses};
use crate::plan::node_choice::{Chosen, NodeAddressType, NodeChoice};

/// The back ends of one choice of Nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSet {
    /// Greater than that of every set before, whatever the choice. The same as long as the
    /// back ends are.
    pub version: u64,
    /// `None` for one that nobody follows.
    pub changed_at: Option<Instant>,
    /// The back ends of the family IPv4.
    pub v4: Backends,
    /// The back ends of the family IPv6.
    pub v6: Backends,
    /// Those of both families, for Services with both.
    pub both: NodeAddresses,
    /// The number of Nodes that can be back ends now, whatever is held.
    pub eligible: i64,
    /// The number of Nodes that are not chosen, not eligible, or have no usable address of the
    /// type.
    pub excluded: i64,
    /// The number of addresses of eligible Nodes that no cloud can reach.
    pub unusable_addresses: i64,
}

impl NodeSet {
    /// The back ends of these families.
    pub fn backends(&self, families: IpFamilies) -> Backends {
        let first = families.first;
        let second = families.is_dual.then(|| SecondFamily {
            backends: self.of_family(first.other()),
            both: self.both.clone(),
        });
        Backends {
            second: second.map(Box::new),
            ..self.of_family(first)
        }
    }

    fn of_family(&self, family: IpFamily) -> Backends {
        let of_it = match family {
            IpFamily::V4 => &self.v4,
            IpFamily::V6 => &self.v6,
        };
        Backends {
            family,
            ..of_it.clone()
        }
    }

    /// Sets what follows from the families.
    pub(super) fn join(&mut self) {
        self.both = self.v4.addresses.joined(&self.v6.addresses);
    }

    /// Whether every Service has the same back ends with this set.
    pub(super) fn has_back_ends_of(&self, other: &Self) -> bool {
        self.v4 == other.v4 && self.v6 == other.v6
    }

    /// Shares the allocations of equal sets with all load balancers that have them.
    pub(super) fn share(&mut self, before: &Self) {
        if self.both == before.both {
            self.both = before.both.clone();
        }
        let families = [(&mut self.v4, &before.v4), (&mut self.v6, &before.v6)];
        for (now, before) in families {
            if now.addresses == before.addresses {
                now.addresses = before.addresses.clone();
            }
        }
    }

    fn all_back_ends(&mut self) -> [&mut Backends; 2] {
        [&mut self.v4, &mut self.v6]
    }
}

/// A choice of Nodes with the type of their address.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SetKey(NodeChoice);

impl SetKey {
    pub(super) fn of(choice: &NodeChoice, default_type: NodeAddressType) -> Self {
        let address_type = choice.address_type.unwrap_or(default_type);
        Self(NodeChoice {
            address_type: Some(address_type),
            ..choice.clone()
        })
    }

    pub(super) fn choice(&self) -> &NodeChoice {
        &self.0
    }
}

/// The set of a choice as it would be, if nothing were known of before.
pub(super) type FirstLook = Arc<dyn Fn(&NodeChoice) -> NodeSet + Send + Sync>;

/// The current sets.
#[derive(Clone)]
pub struct NodeSets {
    pub(super) default_type: NodeAddressType,
    pub(super) sets: BTreeMap<SetKey, NodeSet>,
    pub(super) first_look: FirstLook,
}

impl fmt::Debug for NodeSets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(&self.sets).finish()
    }
}

impl NodeSets {
    /// The set of the configuration alone.
    #[cfg(test)]
    pub fn for_test(set: NodeSet) -> Self {
        let key = SetKey::of(&NodeChoice::default(), NodeAddressType::default());
        Self {
            default_type: NodeAddressType::default(),
            sets: [(key, set)].into(),
            first_look: Arc::new(|_| NodeSet::default()),
        }
    }

    /// The set of the configuration, of which Services that choose nothing have their back
    /// ends.
    pub fn of_configuration(&self) -> NodeSet {
        self.get(&NodeChoice::default())
            .cloned()
            .unwrap_or_default()
    }

    /// The set of what is known of a Service's choice; `None` until there is one.
    pub fn of(&self, chosen: &Chosen) -> Option<NodeSet> {
        let set = |choice: &NodeChoice| self.get(choice).cloned();
        of_chosen(chosen, set, || self.of_configuration())
    }

    /// The same for a person: of a choice that no Service has made so far, too.
    pub fn preview(&self, chosen: &Chosen) -> NodeSet {
        let set = |choice: &NodeChoice| {
            let known = self.get(choice).cloned();
            Some(known.unwrap_or_else(|| (self.first_look)(choice)))
        };
        of_chosen(chosen, set, || self.of_configuration()).unwrap_or_default()
    }

    fn get(&self, choice: &NodeChoice) -> Option<&NodeSet> {
        self.sets.get(&self.key(choice))
    }

    fn key(&self, choice: &NodeChoice) -> SetKey {
        SetKey::of(choice, self.default_type)
    }

    /// Whether a Service with this choice may need other back ends than after `before`, and
    /// whether it has waited for them.
    pub fn changed_since(&self, before: Option<&Self>, chosen: &Chosen) -> Option<Change> {
        let version = |sets: &Self| sets.of(chosen).map(|set| set.version);
        match (before.and_then(version), version(self)) {
            (None, Some(_)) => Some(Change::Appeared),
            (before, now) if before != now => Some(Change::Other),
            _ => None,
        }
    }
}

/// What has happened to the set of a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Appeared,
    Other,
}

fn of_chosen(
    chosen: &Chosen,
    set: impl Fn(&NodeChoice) -> Option<NodeSet>,
    of_configuration: impl Fn() -> NodeSet,
) -> Option<NodeSet> {
    match chosen {
        Chosen::These(choice) => set(choice),
        Chosen::SomeOf(choice) => set(choice).map(|mut all| {
            for back_ends in all.all_back_ends() {
                back_ends.only_leave = true;
            }
            all
        }),
        Chosen::Unknown => {
            let mut unknown = of_configuration();
            for back_ends in unknown.all_back_ends() {
                *back_ends = Backends::default();
            }
            Some(unknown)
        }
    }
}
