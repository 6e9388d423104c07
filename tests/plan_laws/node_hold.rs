//! The laws of the never-empty rule: what is sent, whatever a series of looks shows.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use my_cloud_controller_manager::plan::Backends;
use my_cloud_controller_manager::plan::node_hold::{
    Held, HoldSettings, MOST_GONE_HOLD, NodeHold, NodeLook,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::{CASES, config};

/// The number of Nodes that may exist.
const NODES: u8 = 5;
const GRACE: Duration = Duration::from_secs(120);

/// One look, so many seconds after the one before.
#[derive(Clone, Debug)]
struct Step {
    after: u64,
    nodes: [Node; NODES as usize],
    event: Event,
}

/// A Node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    Gone,
    Excluded,
    WithoutAddress,
    BackEnd,
}

/// What happens before a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Nothing,
    NewLeader,
    Contradiction,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let node = prop_oneof![
        2 => Just(Node::Gone),
        2 => Just(Node::Excluded),
        1 => Just(Node::WithoutAddress),
        3 => Just(Node::BackEnd),
    ];
    let all_alike = node.clone().prop_map(|node| [node; NODES as usize]);
    let nodes = prop_oneof![proptest::array::uniform5(node), all_alike];
    let event = prop_oneof![
        10 => Just(Event::Nothing),
        1 => Just(Event::NewLeader),
        1 => Just(Event::Contradiction),
    ];
    let step = (0..80_u64, nodes, event);
    let step = step.prop_map(|(after, nodes, event)| Step {
        after,
        nodes,
        event,
    });
    vec(step, 1..12)
}

fn look(nodes: [Node; NODES as usize]) -> NodeLook {
    let mut look = NodeLook::default();
    for (number, node) in (1..).zip(nodes) {
        let name = format!("n{number}");
        if node == Node::BackEnd {
            let address = IpAddr::from([10, 0, 0, number]);
            look.backends.insert(address, name.clone());
        }
        look.any_eligible |= matches!(node, Node::BackEnd | Node::WithoutAddress);
        if node != Node::Gone {
            look.existing.insert(name);
        }
    }
    look
}

/// A hold with the looks so far.
struct Story {
    hold: NodeHold,
    now: Duration,
    /// Since when each look showed that no Node is eligible.
    none_since: Option<Duration>,
}

impl Story {
    fn new(empty_without_addresses: bool) -> Self {
        let settings = HoldSettings {
            no_nodes_grace_period: GRACE,
            empty_without_addresses,
        };
        Self {
            hold: NodeHold::new(settings),
            now: Duration::ZERO,
            none_since: None,
        }
    }

    fn take(&mut self, step: &Step) -> (NodeLook, Held) {
        self.now += Duration::from_secs(step.after);
        match step.event {
            Event::Nothing => {}
            Event::NewLeader => {
                self.hold.begin_anew();
                self.none_since = None;
            }
            Event::Contradiction => {
                self.hold.contradicted();
                self.none_since = None;
            }
        }
        let look = look(step.nodes);
        let held = self.hold.take(look.clone(), self.now);
        (look, held)
    }
}

fn addresses(map: &BTreeMap<IpAddr, String>) -> BTreeSet<IpAddr> {
    map.keys().copied().collect()
}

fn sent(held: &Held) -> BTreeSet<IpAddr> {
    held.backends.addresses.iter().copied().collect()
}

proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    fn emptied_only_if_no_node_was_eligible_for_the_whole_grace_period(
        steps in steps(), empty_without_addresses in any::<bool>(),
    ) {
        let mut story = Story::new(empty_without_addresses);
        for step in &steps {
            let (look, held) = story.take(step);
            let is_none = look.backends.is_empty() && (empty_without_addresses || !look.any_eligible);
            story.none_since = is_none.then(|| story.none_since.unwrap_or(story.now));
            let has_lasted = story.none_since.is_some_and(|since| story.now - since >= GRACE);
            prop_assert_eq!(held.backends.none_confirmed, has_lasted, "at {:?}", story.now);
            let ends_in = story.none_since.map(|since| GRACE.saturating_sub(story.now - since));
            if is_none && !has_lasted {
                prop_assert_eq!(held.look_again, ends_in, "the end is looked at");
            }
        }
    }

    #[test]
    fn what_is_there_is_always_sent_and_what_is_kept_has_a_node(steps in steps()) {
        let mut story = Story::new(false);
        for step in &steps {
            let (look, held) = story.take(step);
            let (now, sent) = (addresses(&look.backends), sent(&held));
            prop_assert_eq!(now.is_empty(), sent.is_empty(), "an empty set is a statement of its own");
            prop_assert!(sent.is_superset(&now), "{sent:?} lacks some of {now:?}");
            for kept in sent.difference(&now) {
                let IpAddr::V4(address) = kept else { continue };
                let node = format!("n{}", address.octets()[3]);
                prop_assert!(look.existing.contains(&node), "{node} was deleted");
            }
            prop_assert!(sent == now || held.look_again.is_some(), "it would be kept for ever");
        }
    }

    #[test]
    fn most_never_go_at_once_and_are_kept_no_longer_than_the_hold(steps in steps(), last in steps()) {
        let mut story = Story::new(false);
        let mut before = BTreeSet::new();
        for step in &steps {
            let (_, held) = story.take(step);
            before = if held.kept == 0 { sent(&held) } else { BTreeSet::new() };
        }
        let step = Step { event: Event::Nothing, ..last[0].clone() };
        let (look, held) = story.take(&step);
        let now = addresses(&look.backends);
        if !now.is_empty() && 2 * before.intersection(&now).count() < before.len() {
            for gone in before.difference(&now) {
                let IpAddr::V4(address) = gone else { continue };
                let exists = look.existing.contains(&format!("n{}", address.octets()[3]));
                prop_assert_eq!(sent(&held).contains(gone), exists, "{}", gone);
            }
        }
        // The same look for as long as the hold.
        let again = Step { after: MOST_GONE_HOLD.as_secs(), ..step };
        let (look, held) = story.take(&again);
        if !look.backends.is_empty() {
            let backends = Backends { addresses: look.backends.into_keys().collect(), ..Backends::default() };
            prop_assert_eq!(held, Held { backends, kept: 0, look_again: None });
        }
    }
}
