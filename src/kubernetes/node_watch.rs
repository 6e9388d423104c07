//! The set of back ends from the Nodes. Changes are coalesced: a roll-out of a hundred
//! Nodes causes a few updates of each load balancer rather than a hundred.

mod judge;
mod seen;
mod unusable_addresses;

use std::future::ready;
use std::time::Duration;

use futures::StreamExt;
use kube::Client;
use kube::api::Api;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::watcher;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

use super::events::Events;
use super::node::AddressRule;
use super::node_object::Node;
use super::unreadable::UnreadableObjects;
use super::watch::WatchTiming;
use super::watch_metrics::WatchMetrics;
use crate::election::Role;
use crate::error_chain::with_causes;
use crate::plan::Backends;
use crate::plan::node_addresses::IpFamily;
use crate::plan::node_hold::{HoldSettings, NodeHold};
use judge::Judge;
use seen::Seen;

/// The first change after a calm is published after this time, with those that came
/// meanwhile;
const FIRST: Duration = Duration::from_millis(250);
/// a later one of a series after this time without another change,
const QUIET: Duration = Duration::from_secs(1);
/// but no later than after this time, which is also how long a calm takes.
const MAX_DELAY: Duration = Duration::from_secs(10);

/// How Nodes become back ends.
#[derive(Clone, Copy, Debug)]
pub struct NodeSettings {
    pub rule: AddressRule,
    pub hold: HoldSettings,
}

/// Where the watch reports what it sees.
pub struct NodeReports {
    pub events: Events,
    pub watch_metrics: WatchMetrics,
}

/// The current set of Nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSet {
    /// Incremented by each change.
    pub version: u64,
    /// The back ends of Services whose first family is IPv4.
    pub v4: Backends,
    /// The back ends of Services whose first family is IPv6.
    pub v6: Backends,
    /// The number of Nodes that can be back ends now, whatever is held.
    pub eligible: i64,
    /// The number of Nodes that are not eligible or have no usable address of the type.
    pub excluded: i64,
    /// The number of addresses of eligible Nodes that no cloud can reach.
    pub unusable_addresses: i64,
}

impl NodeSet {
    /// The back ends of this family.
    pub fn backends(&self, family: IpFamily) -> &Backends {
        match family {
            IpFamily::V4 => &self.v4,
            IpFamily::V6 => &self.v6,
        }
    }

    /// Shares the allocations of equal sets with all load balancers that have them.
    fn share(&mut self, before: &Self) {
        let families = [(&mut self.v4, &before.v4), (&mut self.v6, &before.v6)];
        for (now, before) in families {
            if now.addresses == before.addresses {
                now.addresses = before.addresses.clone();
            }
        }
    }
}

/// The set of a process whose first complete list is settled, for plans that a person asks
/// for: they show what comes of the Nodes, not what is held for a moment before.
pub fn first_look(nodes: &[Node], settings: NodeSettings) -> NodeSet {
    let seen = Seen::of(nodes.iter(), settings.rule);
    let counts = seen.counts();
    let first = |look| Backends {
        unsettled: None,
        ..NodeHold::new(settings.hold)
            .take(look, Duration::ZERO)
            .backends
    };
    NodeSet {
        version: 1,
        v4: first(seen.v4),
        v6: first(seen.v6),
        ..counts
    }
}

/// Watches the Nodes for ever; `sets` is `None` until the first list is complete.
pub async fn follow(
    client: Client,
    timing: WatchTiming,
    eras: watch::Receiver<u64>,
    settings: NodeSettings,
    roles: watch::Receiver<Role>,
    sets: watch::Sender<Option<NodeSet>>,
    reports: NodeReports,
) {
    let NodeReports {
        events: node_events,
        mut watch_metrics,
    } = reports;
    let api = Api::<Node>::all(client);
    let (store, writer) = reflector::store();
    let mut unreadable = UnreadableObjects::new("node", watch_metrics.metrics());
    let changed = Notify::new();
    let mut fingerprint = 0;
    let events = super::watch::events(api.clone(), timing, eras).filter_map(|event| {
        let is_named = unreadable.observe(&event);
        ready(
            Some(event)
                .filter(|_| is_named)
                .and_then(|event| readable(event, &store)),
        )
    });
    let reflect = reflector::reflector(writer, events).for_each(|event| {
        watch_metrics.note(&event);
        watch_metrics.objects(store.len());
        match event {
            // An incomplete list is not a set of Nodes.
            Ok(watcher::Event::Init | watcher::Event::InitApply(_)) => {}
            // Nodes report their status all the time; that must not delay a change of
            // the back ends.
            Ok(_) => {
                let nodes = store.state();
                let now = seen::fingerprint(nodes.iter().map(AsRef::as_ref), settings.rule);
                if now != fingerprint {
                    fingerprint = now;
                    changed.notify_one();
                }
            }
            Err(error) => tracing::warn!(
                error = with_causes(&error),
                "the watch of Nodes failed; it is restarted"
            ),
        }
        ready(())
    });
    let publish = async {
        // Wait for the first list; after it the store is always complete.
        if store.wait_until_ready().await.is_err() {
            return;
        }
        let mut judge = Judge::new(
            settings,
            store.clone(),
            api.clone(),
            roles.clone(),
            node_events,
        );
        let mut lead = Leading(roles);
        let mut before = NodeSet::default();
        let mut published = Instant::now();
        loop {
            let (mut set, look_again) = judge.next(&before).await;
            set.version = before.version;
            set.share(&before);
            if set != before || before.version == 0 {
                set.version += 1;
                before = set.clone();
                published = Instant::now();
                sets.send_replace(Some(set));
            }
            tokio::select! {
                () = changed.notified() => {}
                () = after(look_again) => {}
                () = lead.begins() => continue,
            }
            coalesce(&changed, published).await;
        }
    };
    futures::future::join(reflect, publish).await;
}

/// Sleeps; for ever without a duration.
async fn after(duration: Option<Duration>) {
    match duration {
        Some(duration) => sleep(duration).await,
        None => std::future::pending().await,
    }
}

/// The changes of the role to that of the leader.
struct Leading(watch::Receiver<Role>);

impl Leading {
    async fn begins(&mut self) {
        loop {
            if self.0.changed().await.is_err() {
                // The process is about to end.
                std::future::pending::<()>().await;
            }
            if matches!(*self.0.borrow_and_update(), Role::Leader(_)) {
                return;
            }
        }
    }
}

/// The event with the last readable state of its Node; `None` if there is nothing to change.
/// A Node that cannot be read stays as it was: its back ends may serve.
fn readable(
    event: Result<watcher::Event<Node>, watcher::Error>,
    store: &Store<Node>,
) -> Option<Result<watcher::Event<Node>, watcher::Error>> {
    use watcher::Event;
    match event {
        Ok(Event::Apply(node)) if !node.unreadable().is_empty() => {
            let is_known = store.get(&ObjectRef::from_obj(&node)).is_some();
            (!is_known).then_some(Ok(Event::Apply(node)))
        }
        Ok(Event::InitApply(node)) => Some(Ok(Event::InitApply(last_readable(node, store)))),
        event => Some(event),
    }
}

/// The Node of a list, or its last known state if it cannot be read. One that was never
/// readable stays in the list: nothing is known of it, but it is there.
fn last_readable(node: Node, store: &Store<Node>) -> Node {
    if node.unreadable().is_empty() {
        return node;
    }
    let known = store.get(&ObjectRef::from_obj(&node));
    known.map_or(node, |known| Node::clone(&known))
}

/// Waits for the changes that come with one that was seen just now, or soon after it.
async fn coalesce(changed: &Notify, published: Instant) {
    if published.elapsed() < MAX_DELAY {
        quiet_period(changed).await;
    } else {
        sleep(FIRST).await;
    }
}

/// Waits until the changes pause.
async fn quiet_period(changed: &Notify) {
    let limit = Instant::now() + MAX_DELAY;
    while timeout(QUIET, changed.notified()).await.is_ok() {
        if Instant::now() >= limit {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
