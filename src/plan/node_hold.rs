//! The never-empty rule: a loss of all back ends, or of most of them at once, may be a
//! mistake (a label on every Node, a wrong configuration, an empty list). It is held until
//! it has lasted. The time comes from the caller.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::backends::Backends;
use super::settling::Settling;

/// How long the loss of more than half of the back ends is held: long enough for a person
/// to take a mistaken label back, or for the next list to show the Nodes again; short
/// enough that Nodes which do leave get no traffic for long. Shorter if the grace period
/// for all Nodes is shorter.
pub const MOST_GONE_HOLD: Duration = Duration::from_secs(30);

/// The configuration of a [`NodeHold`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldSettings {
    /// How long no Node must have been eligible before load balancers are emptied.
    pub no_nodes_grace_period: Duration,
    /// Whether eligible Nodes without a usable address count as no Node. Otherwise they
    /// are a mistake in the configuration, which empties nothing however long it lasts.
    pub empty_without_addresses: bool,
}

impl HoldSettings {
    fn most_gone_hold(&self) -> Duration {
        MOST_GONE_HOLD.min(self.no_nodes_grace_period)
    }
}

/// What one look at the Nodes shows, for one IP family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeLook {
    /// The address of each back end, and its Node.
    pub backends: BTreeMap<IpAddr, String>,
    /// Whether any Node is eligible, with or without an address.
    pub any_eligible: bool,
    /// Whether there is a Node of which nothing is known, because it cannot be read: it may
    /// be a back end.
    pub any_unknown: bool,
    /// Whether the selector of the Services matches any Node, eligible or not.
    pub any_match: bool,
    /// The names of all Nodes but those that are being deleted.
    pub existing: BTreeSet<String>,
}

/// The back ends to use, and when to look again although nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub backends: Backends,
    /// The number of these that are gone and held.
    pub kept: usize,
    /// The time until a hold ends; `None` if only a change can alter the back ends.
    pub look_again: Option<Duration>,
}

/// What one IP family's back ends were, and since when a loss is held.
#[derive(Clone, Debug)]
pub struct NodeHold {
    settings: HoldSettings,
    /// Whether only Nodes with certain labels count.
    selects: bool,
    /// Whether a Node ever had these labels.
    has_matched: bool,
    /// The back ends before a loss, with their Nodes.
    accepted: BTreeMap<IpAddr, String>,
    none_since: Option<Duration>,
    most_gone_since: Option<Duration>,
    settling: Settling,
}

impl NodeHold {
    /// The hold of a process that has seen no Node yet.
    pub fn new(settings: HoldSettings) -> Self {
        Self {
            settings,
            selects: false,
            has_matched: false,
            accepted: BTreeMap::new(),
            none_since: None,
            most_gone_since: None,
            settling: Settling::default(),
        }
    }

    /// The hold of the Nodes with certain labels. That no Node ever had them is a mistake,
    /// which empties nothing however long it lasts.
    pub fn of_selector(settings: HoldSettings) -> Self {
        Self {
            selects: true,
            ..Self::new(settings)
        }
    }

    /// This hold, if a Service begins to ask for such Nodes when the look at all Nodes has
    /// settled: what it asks for is no mistake of a process that has just started.
    pub fn settled(self) -> Self {
        Self {
            settling: Settling::over(),
            ..self
        }
    }

    /// Whether the first look is old enough to be believed.
    pub fn is_settled(&self, now: Duration) -> bool {
        self.settling.is_over(now, self.settings.most_gone_hold())
    }

    /// Whether this look loses so much that another source has to agree before it counts:
    /// most of the back ends, or all of them at the end of the grace period.
    pub fn needs_confirmation(&self, look: &NodeLook, now: Duration) -> bool {
        self.most_are_gone(look) || (look.backends.is_empty() && self.may_empty(look, now))
    }

    /// Takes a look into account. `now` is any clock that does not go back.
    pub fn take(&mut self, look: NodeLook, now: Duration) -> Held {
        let some_unknown = look.any_unknown;
        self.has_matched |= look.any_match;
        let hold = self.settings.most_gone_hold();
        let unsettled = self.settling.take(&look, now, hold);
        let mut held = self.take_known(look, now);
        held.backends.some_unknown = some_unknown;
        if let Some((unsettled, remaining)) = unsettled {
            held.backends.unsettled = Some(unsettled);
            held.look_again = held.look_again.into_iter().chain([remaining]).min();
        }
        held
    }

    fn take_known(&mut self, look: NodeLook, now: Duration) -> Held {
        if look.backends.is_empty() {
            return self.take_none(&look, now);
        }
        self.none_since = None;
        if self.most_are_gone(&look) {
            let since = *self.most_gone_since.get_or_insert(now);
            let hold = self.settings.most_gone_hold();
            let remaining = hold.saturating_sub(now.saturating_sub(since));
            let kept: Vec<IpAddr> = self.unexplained(&look).copied().collect();
            if !remaining.is_zero() && !kept.is_empty() {
                let count = kept.len();
                let addresses = look.backends.into_keys().chain(kept);
                return Held {
                    kept: count,
                    ..held(addresses, Some(remaining))
                };
            }
        }
        self.most_gone_since = None;
        self.accepted = look.backends;
        held(self.accepted.keys().copied(), None)
    }

    /// Begins the grace period anew, and what it takes to settle: a new leader has seen
    /// nothing yet.
    pub fn begin_anew(&mut self) {
        self.none_since = None;
        self.settling = Settling::default();
    }

    /// Begins every hold anew: another source has contradicted the last look.
    pub fn contradicted(&mut self) {
        self.none_since = None;
        self.most_gone_since = None;
    }

    fn take_none(&mut self, look: &NodeLook, now: Duration) -> Held {
        self.most_gone_since = None;
        if !self.counts_as_none(look) {
            self.none_since = None;
            return Held {
                backends: Backends {
                    never_matched: self.never_matched(),
                    ..Backends::default()
                },
                kept: 0,
                look_again: None,
            };
        }
        let since = *self.none_since.get_or_insert(now);
        let grace = self.settings.no_nodes_grace_period;
        let remaining = grace.saturating_sub(now.saturating_sub(since));
        let none_confirmed = remaining.is_zero();
        if none_confirmed {
            self.accepted.clear();
        }
        Held {
            backends: Backends {
                none_confirmed,
                ..Backends::default()
            },
            kept: 0,
            look_again: (!none_confirmed).then_some(remaining),
        }
    }

    fn counts_as_none(&self, look: &NodeLook) -> bool {
        let is_mistake = look.any_eligible && !self.settings.empty_without_addresses;
        !look.any_unknown && !is_mistake && !self.never_matched()
    }

    fn never_matched(&self) -> bool {
        self.selects && !self.has_matched
    }

    /// Whether load balancers may be emptied now.
    fn may_empty(&self, look: &NodeLook, now: Duration) -> bool {
        let has_lasted = |since| now.saturating_sub(since) >= self.settings.no_nodes_grace_period;
        self.counts_as_none(look) && self.none_since.is_some_and(has_lasted)
    }

    fn most_are_gone(&self, look: &NodeLook) -> bool {
        let known = &self.accepted;
        let left = known
            .keys()
            .filter(|known| look.backends.contains_key(known));
        2 * left.count() < known.len()
    }

    /// The addresses that are gone although their Nodes still exist.
    fn unexplained<'a>(&'a self, look: &'a NodeLook) -> impl Iterator<Item = &'a IpAddr> {
        let known = self.accepted.iter();
        known.filter_map(|(address, node)| {
            let is_gone = !look.backends.contains_key(address);
            (is_gone && look.existing.contains(node)).then_some(address)
        })
    }
}

fn held(addresses: impl Iterator<Item = IpAddr>, look_again: Option<Duration>) -> Held {
    Held {
        backends: Backends {
            addresses: addresses.collect(),
            ..Backends::default()
        },
        kept: 0,
        look_again,
    }
}

#[cfg(test)]
mod tests;
