//! The set of back ends that the Nodes make, coalesced: a roll-out of a
//! hundred Nodes is a few updates of each load balancer rather than a hundred.

use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Node;
use kube::Client;
use kube::api::{Api, ListParams};
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt, watcher};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

use super::node::NodeAddressType;
use super::node::{address, is_eligible};
use super::service_watch::watch_settings;
use super::watch_metrics::WatchMetrics;
use crate::plan::Backends;

/// Changes are taken over after this long without another,
const QUIET: Duration = Duration::from_secs(1);
/// but no later than this.
const AT_MOST: Duration = Duration::from_secs(10);
/// The longest that the live list may take.
const LIST_DEADLINE: Duration = Duration::from_secs(10);

/// What the Nodes are at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSet {
    /// Grows with each change.
    pub version: u64,
    /// The back ends.
    pub backends: Backends,
    /// Nodes that may serve.
    pub eligible: i64,
    /// Nodes that may not, or have no address of the wanted type.
    pub excluded: i64,
}

/// Follows the Nodes for ever; `sets` says `None` until the first list is complete.
pub async fn follow(
    client: Client,
    kind: NodeAddressType,
    sets: watch::Sender<Option<NodeSet>>,
    mut watch_metrics: WatchMetrics,
) {
    let api = Api::<Node>::all(client);
    let (store, writer) = reflector::store();
    let changed = Notify::new();
    let events = watcher(api.clone(), watch_settings())
        .default_backoff()
        // More than half of the size of many objects, and nothing here reads it.
        .modify(|node| node.metadata.managed_fields = None);
    let reflect = reflector::reflector(writer, events).for_each(|event| {
        watch_metrics.note(&event);
        watch_metrics.objects(store.len());
        match event {
            // Half a list is no set of Nodes.
            Ok(watcher::Event::Init | watcher::Event::InitApply(_)) => {}
            Ok(_) => changed.notify_one(),
            Err(error) => tracing::warn!(%error, "the watch of Nodes failed; it is restarted"),
        }
        std::future::ready(())
    });
    let publish = async {
        // Whether the first list is there; after it the store is never half full.
        if store.wait_until_ready().await.is_err() {
            return;
        }
        let mut before = NodeSet::default();
        loop {
            let (mut set, confirmed) = take(&store, kind, &api, &before).await;
            set.version = before.version;
            if set != before || before.version == 0 {
                set.version += 1;
                before = set.clone();
                sets.send_replace(Some(set));
            }
            if confirmed {
                changed.notified().await;
            } else {
                // Looks again by itself: no change may ever come.
                let _ = timeout(AT_MOST, changed.notified()).await;
            }
            quiet_period(&changed).await;
        }
    };
    futures::future::join(reflect, publish).await;
}

/// Waits until the changes pause.
async fn quiet_period(changed: &Notify) {
    let limit = Instant::now() + AT_MOST;
    while timeout(QUIET, changed.notified()).await.is_ok() {
        if Instant::now() >= limit {
            return;
        }
    }
}

/// The set in the store, and whether it is beyond doubt. That there is no Node
/// at all, or that more than half of them went at once, is believed only when a
/// live list and, a while later, the watch say so too.
async fn take(
    store: &Store<Node>,
    kind: NodeAddressType,
    api: &Api<Node>,
    before: &NodeSet,
) -> (NodeSet, bool) {
    let watched = || node_set(store.state().iter().map(AsRef::as_ref), kind);
    let set = watched();
    let left = set
        .backends
        .addresses
        .intersection(&before.backends.addresses)
        .count();
    let most_went = 2 * left < before.backends.addresses.len();
    if !set.backends.addresses.is_empty() && !most_went {
        return (set, true);
    }
    let live = timeout(LIST_DEADLINE, api.list(&ListParams::default())).await;
    let is_so = match live {
        Ok(Ok(live)) => node_set(live.iter(), kind).backends == set.backends,
        Ok(Err(_)) | Err(_) => false,
    };
    if is_so {
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
    // The first set of all has none before it to be kept.
    let kept = if before.version == 0 {
        set
    } else {
        before.clone()
    };
    (kept, false)
}

fn node_set<'a>(nodes: impl Iterator<Item = &'a Node>, kind: NodeAddressType) -> NodeSet {
    let mut set = NodeSet::default();
    for node in nodes {
        match address(node, kind).filter(|_| is_eligible(node)) {
            Some(address) => {
                set.backends.addresses.insert(address);
                set.eligible += 1;
            }
            None => set.excluded += 1,
        }
    }
    set
}

#[cfg(test)]
mod tests;
