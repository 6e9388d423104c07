//! Decides which back ends the plan sees: what the watch shows, unless so much is lost
//! that it has to be confirmed, and to last ([`NodeHold`]).

use std::time::Duration;

use kube::api::{Api, ListParams};
use kube::runtime::reflector::Store;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::seen::Seen;
use super::unusable_addresses::UnusableAddresses;
use super::{MAX_DELAY, NodeSet, NodeSettings, QUIET, last_readable};
use crate::election::Role;
use crate::kubernetes::events::Events;
use crate::kubernetes::node_object::Node;
use crate::plan::node_hold::{Held, NodeHold};

/// Time limit for the live list.
const LIST_DEADLINE: Duration = Duration::from_secs(10);

/// The Nodes, and what was lost of them.
pub struct Judge {
    settings: NodeSettings,
    store: Store<Node>,
    api: Api<Node>,
    roles: watch::Receiver<Role>,
    was_leader: bool,
    started: Instant,
    v4: NodeHold,
    v6: NodeHold,
    unusable: UnusableAddresses,
}

/// What a live list says about a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SecondLook {
    Agrees,
    Contradicts,
    Failed,
}

impl Judge {
    pub fn new(
        settings: NodeSettings,
        store: Store<Node>,
        api: Api<Node>,
        roles: watch::Receiver<Role>,
        events: Events,
    ) -> Self {
        Self {
            settings,
            store,
            api,
            roles,
            was_leader: false,
            started: Instant::now(),
            v4: NodeHold::new(settings.hold),
            v6: NodeHold::new(settings.hold),
            unusable: UnusableAddresses::new(events),
        }
    }

    /// Returns the set to use after `before`, and the time until the next look if there
    /// may be no change before.
    pub async fn next(&mut self, before: &NodeSet) -> (NodeSet, Option<Duration>) {
        self.follow_role();
        let seen = self.watched();
        if self.needs_confirmation(&seen) {
            match self.look_again(&seen).await {
                SecondLook::Agrees => {}
                second => {
                    if second == SecondLook::Contradicts {
                        self.v4.contradicted();
                        self.v6.contradicted();
                    }
                    let counts = seen.counts();
                    tracing::warn!(
                        eligible = counts.eligible,
                        before = before.eligible,
                        "most Nodes disappeared from the watch and a live list does not confirm it; load balancers keep their back ends"
                    );
                    return (before.clone(), Some(MAX_DELAY));
                }
            }
        }
        self.unusable.name(&seen.unusable, self.was_leader);
        let (counts, now) = (seen.counts(), self.started.elapsed());
        let mistake = self.mistake(&seen);
        let (v4, v6) = (self.v4.take(seen.v4, now), self.v6.take(seen.v6, now));
        log_hold(before, &counts, mistake, [&v4, &v6]);
        let look_again = v4.look_again.into_iter().chain(v6.look_again).min();
        let set = NodeSet {
            v4: v4.backends,
            v6: v6.backends,
            ..counts
        };
        (set, look_again)
    }

    /// Only a leader's own observation may take back ends away: for a standby, and at a
    /// change of leader, every look is a first look.
    fn follow_role(&mut self) {
        let is_leader = matches!(*self.roles.borrow(), Role::Leader(_));
        if !(is_leader && self.was_leader) {
            self.v4.begin_anew();
            self.v6.begin_anew();
        }
        self.was_leader = is_leader;
    }

    fn watched(&self) -> Seen {
        let nodes = self.store.state();
        Seen::of(nodes.iter().map(AsRef::as_ref), self.settings.rule)
    }

    fn needs_confirmation(&self, seen: &Seen) -> bool {
        let now = self.started.elapsed();
        self.v4.needs_confirmation(&seen.v4, now) || self.v6.needs_confirmation(&seen.v6, now)
    }

    /// Why no Node can be a back end, if that may be a mistake, which empties nothing.
    fn mistake(&self, seen: &Seen) -> Option<&'static str> {
        if seen.v4.any_unknown {
            Some("some of them cannot be read, and no other is eligible and has an address")
        } else if seen.v4.any_eligible && !self.settings.hold.empty_without_addresses {
            Some(
                "they are eligible, but none has a usable address of the configured nodeAddressType",
            )
        } else {
            None
        }
    }

    /// Compares a look with a live list and, a little later, with the watch.
    async fn look_again(&self, seen: &Seen) -> SecondLook {
        let params = ListParams::default();
        let live = match timeout(LIST_DEADLINE, self.api.list(&params)).await {
            Ok(Ok(live)) => {
                // As the watch reads them: an unreadable Node contradicts nothing.
                let nodes = live.items.into_iter();
                let nodes = nodes.map(|node| last_readable(node, &self.store));
                Seen::of(Vec::from_iter(nodes).iter(), self.settings.rule)
            }
            Ok(Err(_)) | Err(_) => return SecondLook::Failed,
        };
        if live != *seen {
            return SecondLook::Contradicts;
        }
        sleep(QUIET).await;
        if self.watched() == *seen {
            SecondLook::Agrees
        } else {
            SecondLook::Contradicts
        }
    }
}

/// Logs the begin and the end of a hold.
fn log_hold(before: &NodeSet, counts: &NodeSet, mistake: Option<&str>, held: [&Held; 2]) {
    let is_first = before.version == 0 || before.eligible > 0;
    if let Some(why) = mistake.filter(|_| counts.eligible == 0 && is_first) {
        tracing::warn!(
            why,
            "there are Nodes, but none can be a back end; load balancers keep their back ends"
        );
        return;
    }
    for (held, before) in held.into_iter().zip([&before.v4, &before.v6]) {
        let now = &held.backends;
        if now.addresses.is_empty() && !before.addresses.is_empty() {
            tracing::warn!(
                before = before.addresses.len(),
                "no Node can be a back end; load balancers keep their back ends until this has lasted for noNodesGracePeriod"
            );
        } else if now.none_confirmed && !before.none_confirmed {
            tracing::warn!(
                "no Node was eligible for noNodesGracePeriod; load balancers are emptied"
            );
        } else if held.kept > 0
            && let Some(remaining) = held.look_again
        {
            tracing::warn!(
                eligible = counts.eligible,
                held = now.addresses.len(),
                seconds = remaining.as_secs(),
                "most Nodes stopped being eligible at once; load balancers keep them for now"
            );
        }
    }
}
