//! The back ends that the Nodes offer, and those that a load balancer gets of them.

use std::net::IpAddr;

use serde::Serialize;

use super::load_balancer::LoadBalancer;
use super::node_addresses::{IpFamily, NodeAddresses};
use super::observed::Observed;
use super::settling::Unsettled;

/// The Nodes that may serve as back ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Backends {
    pub addresses: NodeAddresses,
    /// Whether the lack of eligible Nodes has lasted long enough to be believed
    /// ([`super::node_hold`]).
    pub none_confirmed: bool,
    /// Whether there are Nodes of which nothing is known, because they cannot be read. They
    /// may be back ends, so none is taken away meanwhile.
    pub some_unknown: bool,
    /// Whether they were first seen a moment ago. Until they are settled, no load balancer
    /// loses most of its back ends to them.
    pub unsettled: Option<Unsettled>,
    /// Whether nobody knows which of these the Service wants, because its selector is invalid.
    /// None joins meanwhile; those that are no Nodes any more leave.
    pub only_leave: bool,
    /// Whether the Service selects Nodes by labels that no Node has had so far, which may be a
    /// mistake. It empties nothing.
    pub never_matched: bool,
    pub family: IpFamily,
    /// Those of the other family, for a Service with both.
    pub second: Option<Box<SecondFamily>>,
}

/// The back ends of a Service's second IP family.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct SecondFamily {
    pub backends: Backends,
    /// Those of both families in one set, which all load balancers share.
    pub both: NodeAddresses,
}

impl Backends {
    /// Whether no Node is eligible, which may still be a mistake.
    pub fn are_unconfirmed(&self) -> bool {
        self.addresses.is_empty() && !self.none_confirmed
    }

    /// The same for a load balancer, with both families or with the first.
    pub fn are_unconfirmed_for(&self, is_dual: bool) -> bool {
        let second = self.second.as_ref().filter(|_| is_dual);
        let second = second.map(|second| &second.backends);
        let all = || [Some(self), second].into_iter().flatten();
        all().all(|one| one.addresses.is_empty()) && !all().all(|one| one.none_confirmed)
    }

    /// The addresses for a load balancer, with both families or with the first.
    pub fn addresses_for(&self, is_dual: bool) -> &NodeAddresses {
        let second = self.second.as_ref().filter(|_| is_dual);
        second.map_or(&self.addresses, |second| &second.both)
    }
}

/// The desired back ends of a load balancer, with both IP families or with the Service's
/// first.
pub(super) fn backends(observed: &Observed, found: &LoadBalancer, is_dual: bool) -> NodeAddresses {
    let (seen, kept) = (&observed.backends, &found.spec.nodes);
    let second = seen.second.as_ref().filter(|_| is_dual);
    let Some(second) = second else {
        if !kept.have_both_families() {
            return of_one_family(seen, kept);
        }
        // It had both families.
        return of_one_family(seen, &kept.of_family(seen.family));
    };
    let families = [seen, &second.backends];
    let kept = families.map(|seen| kept.of_family(seen.family));
    let wanted = [
        of_one_family(seen, &kept[0]),
        of_one_family(&second.backends, &kept[1]),
    ];
    if [&wanted[0], &wanted[1]] == families.map(|seen| &seen.addresses) {
        return second.both.clone();
    }
    wanted[0].joined(&wanted[1])
}

/// The desired back ends of one family. That no Node is eligible takes them from a load
/// balancer only once it has lasted ([`node_hold`]), and nothing does while a Node cannot be
/// read. Most of them do not go before the look at the Nodes is settled ([`settling`]).
fn of_one_family(seen: &Backends, kept: &NodeAddresses) -> NodeAddresses {
    if seen.are_unconfirmed() && !kept.is_empty() {
        return kept.clone();
    }
    if seen.only_leave {
        return those_left(seen, kept);
    }
    if seen.some_unknown {
        return seen.addresses.iter().chain(kept.iter()).copied().collect();
    }
    if let Some(unsettled) = seen.unsettled.as_ref().filter(|_| !seen.none_confirmed) {
        return unsettled.back_ends(kept, &seen.addresses);
    }
    seen.addresses.clone()
}

/// What a load balancer keeps while nobody knows which of the Nodes its Service wants: the
/// back ends that are still Nodes. If that were none, the Service may mean other addresses.
fn those_left(seen: &Backends, kept: &NodeAddresses) -> NodeAddresses {
    let is_left = |address: &&IpAddr| seen.addresses.contains(address);
    let left: NodeAddresses = kept.iter().filter(is_left).copied().collect();
    if left.is_empty() || left == *kept || seen.some_unknown {
        return kept.clone();
    }
    match &seen.unsettled {
        Some(unsettled) => unsettled.back_ends(kept, &left),
        None => left,
    }
}
