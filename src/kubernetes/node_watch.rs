//! The set of back ends from the Nodes. Changes are coalesced: a roll-out of a hundred
//! Nodes causes a few updates of each load balancer rather than a hundred.

mod choices;
mod judge;
mod seen;
mod sets;
mod unusable_addresses;

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
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
use crate::plan::node_choice::NodeChoice;
use crate::plan::node_hold::{HoldSettings, NodeHold};
pub use choices::{CHOICES, NodeChoices, TooMany};
use judge::Judge;
use seen::{Lens, Seen};
use sets::FirstLook;
pub use sets::{Change, NodeSet, NodeSets, SetKey};

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

/// The sets of a process whose first complete list is settled, for plans that a person asks
/// for: they show what comes of the Nodes, not what is held for a moment before.
pub fn first_look(nodes: Vec<Node>, settings: NodeSettings) -> NodeSets {
    let look = move |choice: &NodeChoice| first_set(nodes.iter(), choice, settings);
    let mut set = look(&NodeChoice::default());
    set.version = 1;
    NodeSets {
        default_type: settings.rule.kind,
        sets: [(SetKey::of(&NodeChoice::default(), settings.rule.kind), set)].into(),
        first_look: Arc::new(look),
    }
}

fn first_set<'a>(
    nodes: impl Iterator<Item = &'a Node>,
    choice: &NodeChoice,
    settings: NodeSettings,
) -> NodeSet {
    let key = SetKey::of(choice, settings.rule.kind);
    let seen = Seen::of(nodes, Lens::of(&key, settings.rule));
    let counts = seen.counts();
    let first = |look| Backends {
        unsettled: None,
        ..hold_of(&key, settings.hold)
            .take(look, Duration::ZERO)
            .backends
    };
    let mut set = NodeSet {
        v4: first(seen.v4),
        v6: first(seen.v6),
        ..counts
    };
    set.join();
    set
}

/// The hold of a set that nobody has asked for so far.
fn hold_of(key: &SetKey, settings: HoldSettings) -> NodeHold {
    if key.choice().selector.is_everything() {
        NodeHold::new(settings)
    } else {
        NodeHold::of_selector(settings)
    }
}

/// What Services ask the watch of the Nodes for, and its answer.
pub struct Exchange {
    pub choices: Arc<NodeChoices>,
    pub sets: watch::Sender<Option<NodeSets>>,
}

/// Watches the Nodes for ever; `sets` is `None` until the first list is complete.
pub async fn follow(
    client: Client,
    timing: WatchTiming,
    eras: watch::Receiver<u64>,
    settings: NodeSettings,
    roles: watch::Receiver<Role>,
    Exchange { choices, sets }: Exchange,
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
    let mut labels = choices.labels_needed();
    // Whether the labels of all Nodes of the last complete list, and of the one under way, are
    // kept.
    let (has_labels, keeps_labels) = (AtomicBool::new(false), AtomicBool::new(false));
    let (restart, restarts) = watch::channel(0);
    let begin_anew = begin_anew(eras, choices.labels_needed(), restart);
    let events = super::watch::events(api.clone(), timing, restarts).filter_map(|mut event| {
        trim(&mut event, &mut labels, &keeps_labels);
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
            Ok(watcher::Event::InitDone)
                if has_labels.load(Relaxed) != keeps_labels.load(Relaxed) =>
            {
                has_labels.store(keeps_labels.load(Relaxed), Relaxed);
                changed.notify_one();
            }
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
        let mut before = BTreeMap::new();
        let mut version = 0;
        let mut published = Instant::now();
        let nodes = store.clone();
        let first_look: FirstLook = Arc::new(move |choice| {
            let nodes = nodes.state();
            first_set(nodes.iter().map(AsRef::as_ref), choice, settings)
        });
        loop {
            let wanted = judge.keys(choices.all(), has_labels.load(Relaxed));
            let (mut now, look_again) = judge.next(&before, wanted).await;
            if number(&mut now, &before, &mut version) {
                before = now.clone();
                published = Instant::now();
                sets.send_replace(Some(NodeSets {
                    default_type: settings.rule.kind,
                    sets: now,
                    first_look: first_look.clone(),
                }));
            }
            tokio::select! {
                () = changed.notified() => {}
                () = after(look_again) => {}
                () = lead.begins() => continue,
                // A Service waits for it.
                () = choices.changed() => continue,
            }
            coalesce(&changed, published).await;
        }
    };
    futures::future::join3(reflect, publish, begin_anew).await;
}

/// Gives each set that has changed a version, and the others the one that they had. Returns
/// whether any has changed.
fn number(
    now: &mut BTreeMap<SetKey, NodeSet>,
    before: &BTreeMap<SetKey, NodeSet>,
    version: &mut u64,
) -> bool {
    let mut has_changed = now.len() != before.len();
    for (key, set) in now {
        set.join();
        if let Some(before) = before.get(key) {
            (set.version, set.changed_at) = (before.version, before.changed_at);
            set.share(before);
            if set == before {
                continue;
            }
            has_changed = true;
            // The counts alone are for metrics: no load balancer needs other back ends.
            if set.has_back_ends_of(before) {
                continue;
            }
        }
        *version += 1;
        set.version = *version;
        set.changed_at = Some(Instant::now());
        has_changed = true;
    }
    has_changed
}

/// Begins the watch anew with each era, and once labels are needed.
async fn begin_anew(
    mut eras: watch::Receiver<u64>,
    mut labels: watch::Receiver<bool>,
    restart: watch::Sender<u64>,
) {
    loop {
        // An error means that the process is about to end.
        let is_over = tokio::select! {
            era = eras.changed() => era.is_err(),
            needed = labels.changed() => needed.is_err(),
        };
        if is_over {
            return std::future::pending().await;
        }
        restart.send_modify(|count| *count += 1);
    }
}

/// Drops the labels of a Node as long as nobody needs them. A list has them of all Nodes or
/// of none.
fn trim(
    event: &mut Result<watcher::Event<Node>, watcher::Error>,
    needed: &mut watch::Receiver<bool>,
    keeps: &AtomicBool,
) {
    use watcher::Event;
    match event {
        Ok(Event::Init) => keeps.store(*needed.borrow_and_update(), Relaxed),
        Ok(Event::Apply(node) | Event::InitApply(node)) if !keeps.load(Relaxed) => {
            node.drop_labels()
        }
        Ok(Event::Apply(_) | Event::InitApply(_) | Event::InitDone | Event::Delete(_)) | Err(_) => {
        }
    }
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
