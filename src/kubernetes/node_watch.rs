//! The set of back ends from the Nodes. Changes are coalesced: a roll-out of a hundred
//! Nodes causes a few updates of each load balancer rather than a hundred.

use std::future::ready;
use std::time::Duration;

use futures::StreamExt;
use kube::Client;
use kube::api::{Api, ListParams};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::watcher;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

use super::node::NodeAddressType;
use super::node::{address, is_eligible};
use super::node_object::Node;
use super::unreadable::UnreadableObjects;
use super::watch::WatchTiming;
use super::watch_metrics::WatchMetrics;
use crate::error_chain::with_causes;
use crate::plan::Backends;

/// The first change after a calm is published after this time, with those that came
/// meanwhile;
const FIRST: Duration = Duration::from_millis(250);
/// a later one of a series after this time without another change,
const QUIET: Duration = Duration::from_secs(1);
/// but no later than after this time, which is also how long a calm takes.
const MAX_DELAY: Duration = Duration::from_secs(10);
/// Time limit for the live list.
const LIST_DEADLINE: Duration = Duration::from_secs(10);

/// The current set of Nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSet {
    /// Incremented by each change.
    pub version: u64,
    pub backends: Backends,
    /// The number of Nodes that are back ends.
    pub eligible: i64,
    /// The number of Nodes that are not eligible or have no address of the type.
    pub excluded: i64,
}

/// Watches the Nodes for ever; `sets` is `None` until the first list is complete.
pub async fn follow(
    client: Client,
    timing: WatchTiming,
    eras: watch::Receiver<u64>,
    kind: NodeAddressType,
    sets: watch::Sender<Option<NodeSet>>,
    mut watch_metrics: WatchMetrics,
) {
    let api = Api::<Node>::all(client);
    let (store, writer) = reflector::store();
    let mut unreadable = UnreadableObjects::new("node", watch_metrics.metrics());
    let changed = Notify::new();
    let mut seen = NodeSet::default();
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
                let now = node_set(store.state().iter().map(AsRef::as_ref), kind);
                if now != seen {
                    seen = now;
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
        let mut before = NodeSet::default();
        let mut published = Instant::now();
        loop {
            let (mut set, confirmed) = confirmed_set(&store, kind, &api, &before).await;
            set.version = before.version;
            if set.backends.addresses == before.backends.addresses {
                // Equal sets share one allocation with all load balancers that have them.
                set.backends.addresses = before.backends.addresses.clone();
            }
            if set != before || before.version == 0 {
                set.version += 1;
                before = set.clone();
                published = Instant::now();
                sets.send_replace(Some(set));
            }
            if confirmed {
                changed.notified().await;
            } else {
                // Check again without a change, because there may never be one.
                let _ = timeout(MAX_DELAY, changed.notified()).await;
            }
            if published.elapsed() < MAX_DELAY {
                quiet_period(&changed).await;
            } else {
                sleep(FIRST).await;
            }
        }
    };
    futures::future::join(reflect, publish).await;
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

/// Returns the set to use, and whether it is confirmed. A set without Nodes, or without
/// more than half of the previous Nodes, must be confirmed by a live list and, a little
/// later, by the watch; until then the previous set stays.
async fn confirmed_set(
    store: &Store<Node>,
    kind: NodeAddressType,
    api: &Api<Node>,
    before: &NodeSet,
) -> (NodeSet, bool) {
    let watched = || node_set(store.state().iter().map(AsRef::as_ref), kind);
    let set = watched();
    let (addresses, known) = (&set.backends.addresses, &before.backends.addresses);
    let left = known.iter().filter(|known| addresses.contains(known));
    let most_disappeared = 2 * left.count() < known.len();
    if !set.backends.addresses.is_empty() && !most_disappeared {
        return (set, true);
    }
    let live = timeout(LIST_DEADLINE, api.list(&ListParams::default())).await;
    let list_agrees = match live {
        Ok(Ok(live)) => node_set(live.iter(), kind).backends == set.backends,
        Ok(Err(_)) | Err(_) => false,
    };
    if list_agrees {
        sleep(QUIET).await;
        let mut again = watched();
        if again.backends == set.backends {
            again.backends.none_confirmed = again.backends.addresses.is_empty();
            return (again, true);
        }
    }
    tracing::warn!(
        eligible = set.eligible,
        before = before.eligible,
        "most Nodes disappeared from the watch and a live list does not confirm it; load balancers keep their back ends"
    );
    // There is no previous set before the first one.
    let previous = if before.version == 0 {
        set
    } else {
        before.clone()
    };
    (previous, false)
}

/// The event with the last readable state of its Node; `None` if there is nothing to change.
/// A Node that cannot be read stays as it was: its back ends may serve.
fn readable(
    event: Result<watcher::Event<Node>, watcher::Error>,
    store: &Store<Node>,
) -> Option<Result<watcher::Event<Node>, watcher::Error>> {
    use watcher::Event;
    match event {
        Ok(Event::Apply(node)) if !node.unreadable().is_empty() => None,
        Ok(Event::InitApply(node)) if !node.unreadable().is_empty() => {
            let before = store.get(&ObjectRef::from_obj(&node))?;
            Some(Ok(Event::InitApply(Node::clone(&before))))
        }
        event => Some(event),
    }
}

fn node_set<'a>(nodes: impl Iterator<Item = &'a Node>, kind: NodeAddressType) -> NodeSet {
    let mut set = NodeSet::default();
    let mut addresses = Vec::new();
    for node in nodes {
        match address(node, kind).filter(|_| is_eligible(node)) {
            Some(address) => {
                addresses.push(address);
                set.eligible += 1;
            }
            None => set.excluded += 1,
        }
    }
    set.backends.addresses = addresses.into();
    set
}

#[cfg(test)]
mod tests;
