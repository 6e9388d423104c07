//! The back ends while the watch is behind or ahead of a live list.

mod choices;
mod countless;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Request, Response};
use kube::client::Body;
use serde_json::{Value, json};

use super::*;
use crate::election::sole_leader;
use crate::kubernetes::node::{EXCLUDE_LABEL, NodeAddressType};
use crate::plan::node_addresses::{IpFamilies, IpFamily};
use crate::plan::node_hold::MOST_GONE_HOLD;
use crate::telemetry::Metrics;

/// A Node whose address ends in its number.
fn node(number: u8) -> Node {
    serde_json::from_value(json(number)).expect("a Node")
}

fn json(number: u8) -> Value {
    json!({
        "metadata": {"name": format!("n{number}")},
        "status": {"addresses": [{"type": "InternalIP", "address": format!("10.0.0.{number}")}]},
    })
}

const SETTINGS: NodeSettings = NodeSettings {
    rule: AddressRule {
        kind: NodeAddressType::Internal,
        allow_loopback: false,
    },
    hold: HoldSettings {
        no_nodes_grace_period: GRACE,
        empty_without_addresses: false,
    },
};
const GRACE: Duration = Duration::from_secs(300);

/// The watch, the API server's live list and the judge of both.
struct Cluster {
    watch: reflector::store::Writer<Node>,
    /// The Nodes of a live list; `None` for an API server that fails.
    live: Arc<Mutex<Option<Vec<Value>>>>,
    roles: watch::Sender<Role>,
    judge: Judge,
    before: BTreeMap<SetKey, NodeSet>,
    choices: BTreeSet<NodeChoice>,
    version: u64,
}

impl Cluster {
    /// A leader's, which has seen three Nodes.
    async fn with_three_nodes() -> Self {
        let mut cluster = Self::new(Role::Leader(sole_leader(1)));
        cluster.show(&[1, 2, 3], Some(&[1, 2, 3]));
        cluster.next().await;
        cluster
    }

    fn new(role: Role) -> Self {
        let (store, watch) = reflector::store();
        let live = Arc::new(Mutex::new(None::<Vec<Value>>));
        let nodes = live.clone();
        let list = tower::service_fn(move |_: Request<Body>| {
            let (code, answer) = match &*nodes.lock().expect("a lock") {
                Some(live) => (200, json!({"metadata": {}, "items": live})),
                None => (500, json!({})),
            };
            let body = serde_json::to_vec(&answer).expect("JSON");
            let answer = Response::builder().status(code).body(Body::from(body));
            ready(Ok::<_, Infallible>(answer.expect("an answer")))
        });
        let api = Api::all(Client::new(list, "default"));
        let (sender, roles) = watch::channel(role);
        let metrics = Arc::new(Metrics::for_test(&[]));
        let nobody = Client::new(
            tower::service_fn(|_: Request<Body>| async {
                Err::<Response<Body>, _>(std::io::Error::other("no API server"))
            }),
            "default",
        );
        let (events, _) = Events::new(nobody, "test", Arc::default(), metrics);
        Self {
            watch,
            live,
            roles: sender,
            judge: Judge::new(SETTINGS, store, api, roles, events),
            before: BTreeMap::new(),
            choices: [NodeChoice::default()].into(),
            version: 0,
        }
    }

    /// Sets what the watch and a live list show.
    fn show(&mut self, watched: &[u8], live: Option<&[u8]>) {
        self.watch.apply_watcher_event(&watcher::Event::Init);
        for number in watched {
            let node = node(*number);
            self.watch
                .apply_watcher_event(&watcher::Event::InitApply(node));
        }
        self.watch.apply_watcher_event(&watcher::Event::InitDone);
        let live = live.map(|live| live.iter().copied().map(json).collect());
        *self.live.lock().expect("a lock") = live;
    }

    async fn next(&mut self) -> (usize, bool) {
        self.look().await;
        self.count(&NodeChoice::default())
    }

    /// Looks at the Nodes. Returns the time until the next look.
    async fn look(&mut self) -> Option<Duration> {
        let keys = self.judge.keys(self.choices.clone(), true);
        let (mut sets, look_again) = self.judge.next(&self.before, keys).await;
        number(&mut sets, &self.before, &mut self.version);
        self.before = sets;
        look_again
    }

    fn set(&self, choice: &NodeChoice) -> &NodeSet {
        let key = SetKey::of(choice, SETTINGS.rule.kind);
        self.before.get(&key).expect("a set")
    }

    /// The set of the configuration.
    fn all(&self) -> &NodeSet {
        self.set(&NodeChoice::default())
    }

    fn count(&self, choice: &NodeChoice) -> (usize, bool) {
        let Backends {
            addresses,
            none_confirmed,
            some_unknown: _,
            unsettled: _,
            only_leave: _,
            never_matched: _,
            family: _,
            second: _,
        } = &self.set(choice).v4;
        (addresses.len(), *none_confirmed)
    }
}

#[tokio::test(start_paused = true)]
async fn the_loss_of_most_nodes_must_be_confirmed_by_a_live_list() {
    type Case = (&'static [u8], Option<&'static [u8]>, usize, &'static str);
    let cases: [Case; 6] = [
        (
            &[1, 2],
            None,
            2,
            "one of three disappeared: no list is needed",
        ),
        (
            &[1],
            Some(&[1]),
            1,
            "two of three were deleted, and the live list confirms it",
        ),
        (&[1], Some(&[1, 2, 3]), 3, "the watch is behind"),
        (&[1], None, 3, "the list fails"),
        (
            &[],
            Some(&[]),
            0,
            "all disappeared, and the live list confirms it",
        ),
        (&[], Some(&[1]), 3, "the live list has one Node"),
    ];
    for (watched, live, count, why) in cases {
        let mut cluster = Cluster::with_three_nodes().await;
        cluster.show(watched, live);
        assert_eq!(cluster.next().await, (count, false), "{why}");
    }
}

#[tokio::test(start_paused = true)]
async fn load_balancers_are_emptied_only_when_the_watch_and_a_live_list_agree_in_the_end() {
    let mut cluster = Cluster::with_three_nodes().await;
    cluster.show(&[], Some(&[]));
    assert_eq!(cluster.next().await, (0, false), "they are kept");
    tokio::time::advance(GRACE).await;
    cluster.show(&[], None);
    assert_eq!(cluster.next().await, (0, false), "the list fails");
    cluster.show(&[], Some(&[1]));
    assert_eq!(cluster.next().await, (0, false), "the list contradicts");
    cluster.show(&[], Some(&[]));
    assert_eq!(cluster.next().await, (0, false), "the time begins anew");
    tokio::time::advance(GRACE).await;
    assert_eq!(cluster.next().await, (0, true), "it has lasted");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_cannot_be_read_contradicts_nothing() {
    let mut cluster = Cluster::with_three_nodes().await;
    cluster.show(&[1], Some(&[1]));
    if let Some(live) = &mut *cluster.live.lock().expect("a lock") {
        live[0]["status"]["addresses"] = json!(7);
    }
    assert_eq!(cluster.next().await, (1, false), "two of three are gone");
}

/// After a restart, nothing is known of a Node that cannot be read.
#[tokio::test(start_paused = true)]
async fn nodes_that_were_never_readable_empty_nothing() {
    let mut cluster = Cluster::new(Role::Leader(sole_leader(1)));
    let mut odd = json(1);
    odd["status"]["addresses"] = json!(7);
    let odd: Node = serde_json::from_value(odd).expect("anything is read");
    let store = cluster.watch.as_reader();
    for event in [
        watcher::Event::Init,
        watcher::Event::InitApply(odd.clone()),
        watcher::Event::InitDone,
        watcher::Event::Apply(odd),
    ] {
        if let Some(Ok(event)) = readable(Ok(event), &store) {
            cluster.watch.apply_watcher_event(&event);
        }
    }
    for _ in 0..3 {
        assert_eq!(cluster.next().await, (0, false));
        tokio::time::advance(2 * GRACE).await;
    }
    cluster.show(&[], Some(&[]));
    cluster.next().await;
    tokio::time::advance(GRACE).await;
    assert_eq!(cluster.next().await, (0, true), "it is gone");
}

#[tokio::test(start_paused = true)]
async fn a_new_leader_begins_anew() {
    let mut cluster = Cluster::new(Role::Standby);
    cluster.show(&[], Some(&[]));
    cluster.next().await;
    tokio::time::advance(2 * GRACE).await;
    assert_eq!(
        cluster.next().await,
        (0, false),
        "a standby confirms nothing"
    );
    cluster.roles.send_replace(Role::Leader(sole_leader(1)));
    assert_eq!(
        cluster.next().await,
        (0, false),
        "it has just begun to lead"
    );
    tokio::time::advance(GRACE).await;
    assert_eq!(
        cluster.next().await,
        (0, true),
        "it has seen none for long enough"
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_new_leader_sees_settles_once() {
    let mut cluster = Cluster::new(Role::Standby);
    cluster.show(&[1, 2, 3], Some(&[1, 2, 3]));
    cluster.next().await;
    tokio::time::advance(2 * MOST_GONE_HOLD).await;
    cluster.next().await;
    let is_settled = |cluster: &Cluster| cluster.all().v4.unsettled.is_none();
    assert!(!is_settled(&cluster), "a standby settles nothing");

    cluster.roles.send_replace(Role::Leader(sole_leader(1)));
    let look_again = cluster.look().await;
    assert_eq!(look_again, Some(MOST_GONE_HOLD), "the end is looked at");
    tokio::time::advance(MOST_GONE_HOLD).await;
    cluster.next().await;
    assert!(is_settled(&cluster), "it has led for long enough");
    let look_again = cluster.look().await;
    assert_eq!(look_again, None, "no Service is reconciled again for it");
}

#[tokio::test(start_paused = true)]
async fn each_family_has_its_own_back_ends() {
    let mut cluster = Cluster::with_three_nodes().await;
    let both = json!({"metadata": {"name": "n9"}, "status": {"addresses": [
        {"type": "InternalIP", "address": "fd00::9"}, {"type": "InternalIP", "address": "10.0.0.9"},
        {"type": "InternalIP", "address": "fe80::9"},
    ]}});
    let node = serde_json::from_value(both).expect("a Node");
    cluster
        .watch
        .apply_watcher_event(&watcher::Event::Apply(node));
    cluster.next().await;
    let set = cluster.all();
    let of = |first, is_dual| {
        let families = IpFamilies { first, is_dual };
        let back_ends = set.backends(families);
        let all = back_ends.addresses_for(is_dual).iter();
        all.map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        of(IpFamily::V4, false),
        ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.9"]
    );
    assert_eq!(of(IpFamily::V6, false), ["fd00::9"]);
    let both = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.9", "fd00::9"];
    for first in [IpFamily::V4, IpFamily::V6] {
        assert_eq!(of(first, true), both);
    }
    assert_eq!((set.eligible, set.unusable_addresses), (4, 1));
}

#[tokio::test(start_paused = true)]
async fn changes_that_never_pause_are_taken_over_all_the_same() {
    let changed = Notify::new();
    let began = Instant::now();
    let changes = async {
        loop {
            sleep(QUIET / 2).await;
            changed.notify_one();
        }
    };
    let waited = timeout(2 * MAX_DELAY, async {
        tokio::select! {
            () = quiet_period(&changed) => {}
            () = changes => {}
        }
    });
    assert!(waited.await.is_ok(), "the wait has a limit");
    assert!(began.elapsed() < MAX_DELAY + QUIET);
}

/// A Node whose address ends in its number, with these labels.
fn labelled(number: u8, labels: &[(&str, &str)]) -> Node {
    let mut node = json(number);
    for (key, value) in labels {
        node["metadata"]["labels"][key] = json!(value);
    }
    serde_json::from_value(node).expect("a Node")
}

impl Cluster {
    fn apply(&mut self, node: Node) {
        self.watch.apply_watcher_event(&watcher::Event::Apply(node));
    }

    fn addresses(&self, choice: &NodeChoice) -> Vec<String> {
        let all = self.set(choice).v4.addresses.iter();
        all.map(ToString::to_string).collect()
    }
}

/// Control planes and virtual kubelets come and go without an attempt for any Service.
#[tokio::test(start_paused = true)]
async fn a_node_that_is_excluded_anyway_changes_no_version() {
    let mut cluster = Cluster::with_three_nodes().await;
    let before = cluster.all().clone();
    cluster.apply(labelled(9, &[(EXCLUDE_LABEL, "true")]));
    cluster.look().await;
    assert_eq!(cluster.all().excluded, before.excluded + 1);
    assert_eq!(cluster.all().version, before.version);
}

#[test]
fn the_fingerprint_has_what_any_service_may_choose_by() {
    let of = |node: &Node| seen::fingerprint([node].into_iter(), SETTINGS.rule);
    let plain = json(1);
    let before = of(&serde_json::from_value(plain.clone()).expect("a Node"));
    let changes: [(&str, Value, bool); 5] = [
        ("/metadata/labels", json!({"pool": "edge"}), true),
        ("/status/addresses/0/address", json!("10.0.0.9"), true),
        ("/status/addresses/0/type", json!("ExternalIP"), true),
        (
            "/metadata/deletionTimestamp",
            json!("2026-01-01T00:00:00Z"),
            true,
        ),
        (
            "/status/conditions",
            json!([{"type": "Ready", "status": "False"}]),
            false,
        ),
    ];
    for (path, value, counts) in changes {
        let mut node = plain.clone();
        let (parent, name) = path.rsplit_once('/').expect("a path");
        match node.pointer_mut(parent) {
            Some(Value::Object(parent)) => parent.insert(name.to_owned(), value),
            _ => panic!("no {path}"),
        };
        let now = of(&serde_json::from_value(node).expect("a Node"));
        assert_eq!(now != before, counts, "{path}");
    }
}

/// A Node that fails is out of the load balancers half a second later, whatever else changes.
#[tokio::test(start_paused = true)]
async fn the_first_change_after_a_calm_is_acted_on_at_once_and_a_later_one_after_a_pause() {
    const SOON: Duration = Duration::from_millis(500);
    let changed = Notify::new();
    let cases = [
        (MAX_DELAY, Duration::ZERO, SOON, "after a calm"),
        (Duration::ZERO, QUIET, MAX_DELAY + QUIET, "in a series"),
    ];
    for (calm, least, most, when) in cases {
        let published = Instant::now();
        tokio::time::advance(calm).await;
        let began = Instant::now();
        let changes = async {
            loop {
                sleep(QUIET / 10).await;
                changed.notify_one();
            }
        };
        tokio::select! {
            () = coalesce(&changed, published) => {}
            () = changes => {}
        }
        let waited = began.elapsed();
        assert!((least..=most).contains(&waited), "{when}: {waited:?}");
    }
}

/// Thousands of load balancers have the same Nodes.
#[tokio::test(start_paused = true)]
async fn a_set_that_has_not_changed_keeps_its_allocations() {
    let mut cluster = Cluster::with_three_nodes().await;
    let mut both = json(9);
    let six = json!({"type": "InternalIP", "address": "fd00::9"});
    let addresses = both["status"]["addresses"].as_array_mut();
    addresses.expect("addresses").push(six);
    cluster.apply(serde_json::from_value(both).expect("a Node"));
    cluster.look().await;
    let before = cluster.all().clone();
    cluster.apply(labelled(1, &[("pool", "edge")]));
    cluster.look().await;
    let now = cluster.all();
    assert_eq!(now.version, before.version);
    let sets = |set: &NodeSet| [&set.v4.addresses, &set.v6.addresses, &set.both].map(Clone::clone);
    for (now, before) in sets(now).iter().zip(&sets(&before)) {
        assert!(now.is_shared_with(before), "{now:?}");
    }
}
