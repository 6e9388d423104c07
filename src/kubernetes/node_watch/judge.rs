//! Decides which back ends the plan sees: what the watch shows, unless so much is lost
//! that it has to be confirmed, and to last ([`NodeHold`]).

use std::collections::{BTreeMap, BTreeSet};
use std::mem::take;
use std::time::Duration;

use kube::api::Api;
use kube::runtime::reflector::Store;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::seen::{Lens, Seen, Unusable};
use super::unusable_addresses::UnusableAddresses;
use super::{MAX_DELAY, NodeSet, NodeSettings, QUIET, SetKey, hold_of, last_readable};
use crate::election::Role;
use crate::kubernetes::events::Events;
use crate::kubernetes::node_object::Node;
use crate::kubernetes::reads;
use crate::plan::node_choice::NodeChoice;
use crate::plan::node_hold::{Held, NodeHold};
use crate::telemetry::log_throttle::{LogKey, LogThrottle};

/// Time limit for a page of the live list.
const PAGE_DEADLINE: Duration = Duration::from_secs(10);

/// The Nodes, and what was lost of them.
pub struct Judge {
    settings: NodeSettings,
    store: Store<Node>,
    api: Api<Node>,
    roles: watch::Receiver<Role>,
    was_leader: bool,
    started: Instant,
    holds: BTreeMap<SetKey, Holds>,
    unusable: UnusableAddresses,
    log_throttle: LogThrottle,
}

/// The holds of one set.
struct Holds {
    v4: NodeHold,
    v6: NodeHold,
}

impl Holds {
    fn each(&mut self) -> [&mut NodeHold; 2] {
        [&mut self.v4, &mut self.v6]
    }

    fn need_confirmation(&self, seen: &Seen, now: Duration) -> bool {
        self.v4.needs_confirmation(&seen.v4, now) || self.v6.needs_confirmation(&seen.v6, now)
    }
}

/// What a live list says about a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SecondLook {
    Agrees,
    Contradicts,
    Failed,
}

type Looks = BTreeMap<SetKey, Seen>;
type Sets = BTreeMap<SetKey, NodeSet>;

impl Judge {
    pub fn new(
        settings: NodeSettings,
        store: Store<Node>,
        api: Api<Node>,
        roles: watch::Receiver<Role>,
        events: Events,
    ) -> Self {
        let log_throttle = LogThrottle::default();
        Self {
            settings,
            store,
            api,
            roles,
            was_leader: false,
            started: Instant::now(),
            holds: BTreeMap::new(),
            unusable: UnusableAddresses::new(events, log_throttle.clone()),
            log_throttle,
        }
    }

    /// The sets of these choices that can be told: without labels, none that chooses by them
    /// but those that were told before.
    pub fn keys(&self, choices: BTreeSet<NodeChoice>, has_labels: bool) -> BTreeSet<SetKey> {
        let key = |choice: &NodeChoice| SetKey::of(choice, self.settings.rule.kind);
        let can_be_told = |key: &SetKey| {
            has_labels || key.choice().selector.is_everything() || self.holds.contains_key(key)
        };
        choices.iter().map(key).filter(can_be_told).collect()
    }

    /// Returns the sets to use after `before`, and the time until the next look if there
    /// may be no change before.
    pub async fn next(
        &mut self,
        before: &Sets,
        keys: BTreeSet<SetKey>,
    ) -> (Sets, Option<Duration>) {
        self.hold(&keys);
        self.follow_role();
        let seen = self.watched();
        let unconfirmed = self.unconfirmed(&seen).await;
        let mut look_again = (!unconfirmed.is_empty()).then_some(MAX_DELAY);
        let now = self.started.elapsed();
        let mut sets = Sets::new();
        let mut unusable = BTreeMap::<String, Unusable>::new();
        for (key, mut seen) in seen {
            for (name, node) in &seen.unusable {
                let named = unusable.entry(name.clone()).or_insert_with(|| node.clone());
                named.addresses.extend(&node.addresses);
            }
            let before_it = before.get(&key).cloned().unwrap_or_default();
            if unconfirmed.contains(&key) {
                self.log_unconfirmed(&key, &before_it, &seen.counts());
                sets.extend(before.get(&key).map(|before| (key, before.clone())));
                continue;
            }
            let counts = seen.counts();
            let mistake = self.mistake(&key, &seen);
            let Some(holds) = self.holds.get_mut(&key) else {
                continue;
            };
            let (v4, v6) = (take(&mut seen.v4), take(&mut seen.v6));
            let (v4, v6) = (holds.v4.take(v4, now), holds.v6.take(v6, now));
            self.log_hold(&key, &before_it, &counts, mistake, [&v4, &v6]);
            let times = [look_again, v4.look_again, v6.look_again];
            look_again = times.into_iter().flatten().min();
            let set = NodeSet {
                v4: v4.backends,
                v6: v6.backends,
                ..counts
            };
            sets.insert(key, set);
        }
        self.unusable.name(&unusable, self.was_leader);
        (sets, look_again)
    }

    /// Begins the holds of new sets, and drops those that no Service asks for any more.
    fn hold(&mut self, keys: &BTreeSet<SetKey>) {
        self.holds.retain(|key, _| keys.contains(key));
        let now = self.started.elapsed();
        let of_configuration = SetKey::of(&NodeChoice::default(), self.settings.rule.kind);
        let of_configuration = self.holds.get(&of_configuration);
        let is_settled =
            of_configuration.is_some_and(|all| all.v4.is_settled(now) || all.v6.is_settled(now));
        for key in keys {
            self.holds.entry(key.clone()).or_insert_with(|| {
                let new = || match is_settled {
                    true => hold_of(key, self.settings.hold).settled(),
                    false => hold_of(key, self.settings.hold),
                };
                Holds {
                    v4: new(),
                    v6: new(),
                }
            });
        }
    }

    /// Only a leader's own observation may take back ends away: for a standby, and at a
    /// change of leader, every look is a first look.
    fn follow_role(&mut self) {
        let is_leader = matches!(*self.roles.borrow(), Role::Leader(_));
        if !(is_leader && self.was_leader) {
            let holds = self.holds.values_mut().flat_map(Holds::each);
            holds.for_each(NodeHold::begin_anew);
        }
        self.was_leader = is_leader;
    }

    fn watched(&self) -> Looks {
        let nodes = self.store.state();
        self.looks(&Vec::from_iter(nodes.iter().map(AsRef::as_ref)))
    }

    fn looks(&self, nodes: &[&Node]) -> Looks {
        let look = |key: &SetKey| {
            let lens = Lens::of(key, self.settings.rule);
            (key.clone(), Seen::of(nodes.iter().copied(), lens))
        };
        self.holds.keys().map(look).collect()
    }

    /// The sets that lose so much that it has to be confirmed, and is not.
    async fn unconfirmed(&mut self, seen: &Looks) -> BTreeSet<SetKey> {
        let now = self.started.elapsed();
        let needs = |(key, seen): &(&SetKey, &Seen)| {
            let holds = self.holds.get(key);
            holds.is_some_and(|holds| holds.need_confirmation(seen, now))
        };
        let doubtful: Looks = seen
            .iter()
            .filter(needs)
            .map(|(key, seen)| (key.clone(), seen.clone()))
            .collect();
        if doubtful.is_empty() {
            return BTreeSet::new();
        }
        let mut unconfirmed = BTreeSet::new();
        for (key, second) in self.look_again(&doubtful).await {
            if second == SecondLook::Contradicts
                && let Some(holds) = self.holds.get_mut(&key)
            {
                holds.each().into_iter().for_each(NodeHold::contradicted);
            }
            if second != SecondLook::Agrees {
                unconfirmed.insert(key);
            }
        }
        unconfirmed
    }

    /// Why no Node can be a back end, if that may be a mistake, which empties nothing.
    fn mistake(&self, key: &SetKey, seen: &Seen) -> Option<&'static str> {
        if seen.v4.any_unknown {
            Some("some of them cannot be read, and no other is eligible and has an address")
        } else if seen.v4.any_eligible && !self.settings.hold.empty_without_addresses {
            Some("they are eligible, but none has a usable address of the type that is asked for")
        } else if !seen.v4.any_match && !key.choice().selector.is_everything() {
            Some("none has the labels that are asked for")
        } else {
            None
        }
    }

    /// Compares looks with a live list and, a little later, with the watch.
    async fn look_again(&self, seen: &Looks) -> BTreeMap<SetKey, SecondLook> {
        let all = |second| seen.keys().map(|key| (key.clone(), second)).collect();
        let live = match reads::list(&self.api, PAGE_DEADLINE).await {
            Ok(live) => {
                // As the watch reads them: an unreadable Node contradicts nothing.
                let nodes = live.into_iter();
                let nodes = nodes.map(|node| last_readable(node, &self.store));
                let nodes: Vec<Node> = nodes.collect();
                self.looks(&Vec::from_iter(&nodes))
            }
            Err(_) => return all(SecondLook::Failed),
        };
        let agrees = |looks: &Looks| seen.iter().any(|(key, seen)| looks.get(key) == Some(seen));
        if !agrees(&live) {
            return all(SecondLook::Contradicts);
        }
        sleep(QUIET).await;
        let later = self.watched();
        let second = |(key, seen): (&SetKey, &Seen)| {
            let shows_it = [&live, &later].map(|looks| looks.get(key) == Some(seen));
            let second = match shows_it {
                [true, true] => SecondLook::Agrees,
                _ => SecondLook::Contradicts,
            };
            (key.clone(), second)
        };
        seen.iter().map(second).collect()
    }

    fn log_unconfirmed(&self, key: &SetKey, before: &NodeSet, counts: &NodeSet) {
        if self.should_log("unconfirmed", key) {
            tracing::warn!(
                eligible = counts.eligible,
                before = before.eligible,
                selector = %key.choice().selector,
                "most Nodes disappeared from the watch and a live list does not confirm it; load balancers keep their back ends"
            );
        }
    }

    /// Logs the begin and the end of a hold.
    fn log_hold(
        &self,
        key: &SetKey,
        before: &NodeSet,
        counts: &NodeSet,
        mistake: Option<&str>,
        held: [&Held; 2],
    ) {
        let selector = tracing::field::display(&key.choice().selector);
        let is_first = before.version == 0 || before.eligible > 0;
        if let Some(why) = mistake.filter(|_| counts.eligible == 0 && is_first) {
            if self.should_log("mistake", key) {
                tracing::warn!(
                    why,
                    selector,
                    "there are Nodes, but none can be a back end; load balancers keep their back ends"
                );
            }
            return;
        }
        for (held, before) in held.into_iter().zip([&before.v4, &before.v6]) {
            let now = &held.backends;
            if now.addresses.is_empty() && !before.addresses.is_empty() {
                if self.should_log("none", key) {
                    tracing::warn!(
                        before = before.addresses.len(),
                        selector,
                        "no Node can be a back end; load balancers keep their back ends until this has lasted for noNodesGracePeriod"
                    );
                }
            } else if now.none_confirmed && !before.none_confirmed {
                if self.should_log("emptied", key) {
                    tracing::warn!(
                        selector,
                        "no Node was eligible for noNodesGracePeriod; load balancers are emptied"
                    );
                }
            } else if held.kept > 0
                && let Some(remaining) = held.look_again
                && self.should_log("held", key)
            {
                tracing::warn!(
                    eligible = counts.eligible,
                    held = now.addresses.len(),
                    selector,
                    seconds = remaining.as_secs(),
                    "most Nodes stopped being eligible at once; load balancers keep them for now"
                );
            }
        }
    }

    /// Whether to log a line with this reason: a kubelet may cause one at each look, for each
    /// selector.
    fn should_log(&self, reason: &'static str, key: &SetKey) -> bool {
        let selector = key.choice().selector.to_string();
        self.log_throttle.should_name(
            LogKey {
                cloud: None,
                operation: "hold_nodes",
                reason,
            },
            &selector,
        )
    }
}
