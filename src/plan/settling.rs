//! The never-empty rule where nobody knows what was before: a process that has just
//! started, or begun to lead, compares its first looks with what a load balancer has.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;

use super::node_addresses::NodeAddresses;
use super::node_hold::NodeLook;

/// Back ends that may still turn out to be a mistake: too few, or the wrong ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Unsettled {
    /// Addresses of Nodes that were seen and then deleted. Their absence is no mistake.
    pub deleted: NodeAddresses,
}

impl Unsettled {
    /// The back ends of a load balancer that has `kept`, while the Nodes show `seen`. If
    /// more than half of `kept` would go, all stay, and those of deleted Nodes alone go.
    ///
    /// New ones join what stays, but only as long as those that would go are the majority:
    /// the next plan has only the load balancer to tell it that they are held. A single
    /// back end is replaced at once, because one that waits for no successor may be dead.
    pub fn back_ends(&self, kept: &NodeAddresses, seen: &NodeAddresses) -> NodeAddresses {
        let is_seen = |address: &&IpAddr| seen.contains(address);
        let is_deleted = |address: &&IpAddr| self.deleted.contains(address) && !is_seen(address);
        let stay: Vec<IpAddr> = kept
            .iter()
            .filter(|one| !is_deleted(one))
            .copied()
            .collect();
        let left = stay.iter().filter(is_seen).count();
        let gone = stay.len() - left;
        if gone <= left || stay.len() == 1 {
            return seen.clone();
        }
        let new = seen.iter().filter(|address| !kept.contains(address));
        let joining: Vec<IpAddr> = new.take(gone - left - 1).copied().collect();
        if joining.is_empty() && stay.len() == kept.len() {
            return kept.clone();
        }
        stay.into_iter().chain(joining).collect()
    }
}

/// The time in which back ends are unsettled. It begins with the first look that shows any:
/// before, nothing is taken away.
#[derive(Clone, Debug, Default)]
pub struct Settling {
    began: Option<Duration>,
    /// The back ends that were seen meanwhile, and their Nodes.
    seen: BTreeMap<IpAddr, String>,
}

impl Settling {
    /// That of back ends which need no time.
    pub fn over() -> Self {
        Self {
            began: Some(Duration::ZERO),
            seen: BTreeMap::new(),
        }
    }

    /// Whether the time is over.
    pub fn is_over(&self, now: Duration, hold: Duration) -> bool {
        self.began
            .is_some_and(|began| now.saturating_sub(began) >= hold)
    }

    /// Takes a look into account. Returns what is not settled yet, and for how long; `None`
    /// once the first look is as old as `hold`, or if this one shows no back end.
    pub fn take(
        &mut self,
        look: &NodeLook,
        now: Duration,
        hold: Duration,
    ) -> Option<(Unsettled, Duration)> {
        if look.backends.is_empty() {
            return None;
        }
        let began = *self.began.get_or_insert(now);
        let remaining = hold.saturating_sub(now.saturating_sub(began));
        if remaining.is_zero() {
            self.seen.clear();
            return None;
        }
        self.seen.extend(look.backends.clone());
        let is_deleted = |(address, node): &(&IpAddr, &String)| {
            !look.backends.contains_key(address) && !look.existing.contains(*node)
        };
        let deleted = self.seen.iter().filter(is_deleted);
        let deleted = deleted.map(|(address, _)| *address).collect();
        Some((Unsettled { deleted }, remaining))
    }
}

#[cfg(test)]
mod tests;
