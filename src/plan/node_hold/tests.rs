//! Stories of a few looks each, with what is sent after each look.

use super::*;

const SETTINGS: HoldSettings = HoldSettings {
    no_nodes_grace_period: Duration::from_secs(300),
    empty_without_addresses: false,
};

/// What a step of a story shows.
#[derive(Clone, Copy)]
enum Shown {
    /// These Nodes are back ends; of the others, the first so many exist.
    Nodes(&'static [u8], u8),
    /// No Node is eligible, and so many exist.
    Excluded(u8),
    /// So many Nodes are eligible, and none has an address.
    WithoutAddress(u8),
    /// No Node is known to be eligible, and one cannot be read.
    Unreadable,
    /// Another source contradicts the look.
    Contradiction,
}

/// What is sent after a step.
#[derive(Debug, PartialEq, Eq)]
enum Sent {
    These(Vec<u8>),
    /// Each load balancer keeps its back ends; with the seconds until the next look.
    Kept(Option<u64>),
    Emptied,
}

fn these(numbers: &[u8]) -> Sent {
    Sent::These(numbers.to_vec())
}

fn look(shown: Shown) -> Option<NodeLook> {
    let (numbers, existing, any_eligible): (&[u8], u8, bool) = match shown {
        Shown::Nodes(numbers, existing) => (numbers, existing, true),
        Shown::Excluded(existing) => (&[], existing, false),
        Shown::WithoutAddress(existing) => (&[], existing, true),
        Shown::Unreadable => (&[], 1, false),
        Shown::Contradiction => return None,
    };
    let name = |number: u8| format!("n{number}");
    let address = |number: u8| IpAddr::from([10, 0, 0, number]);
    let backends = numbers
        .iter()
        .map(|number| (address(*number), name(*number)));
    let others = (1..=existing).map(name);
    Some(NodeLook {
        existing: others.chain(numbers.iter().copied().map(name)).collect(),
        backends: backends.collect(),
        any_eligible,
        any_unknown: matches!(shown, Shown::Unreadable),
        any_match: true,
    })
}

fn sent(held: &Held) -> Sent {
    let last = |address: &IpAddr| match address {
        IpAddr::V4(address) => address.octets()[3],
        IpAddr::V6(_) => 0,
    };
    let Backends {
        addresses,
        none_confirmed,
        some_unknown: _,
        unsettled: _,
        only_leave: _,
        never_matched: _,
        family: _,
        second: _,
    } = &held.backends;
    match (addresses.is_empty(), none_confirmed) {
        (false, _) => Sent::These(addresses.iter().map(last).collect()),
        (true, true) => Sent::Emptied,
        (true, false) => Sent::Kept(held.look_again.map(|wait| wait.as_secs())),
    }
}

type Story = (&'static str, HoldSettings, Vec<(u64, Shown, Option<Sent>)>);

fn stories() -> Vec<Story> {
    use self::Shown::{Contradiction, Excluded, Nodes, Unreadable, WithoutAddress};
    let emptying = HoldSettings {
        empty_without_addresses: true,
        ..SETTINGS
    };
    let short = HoldSettings {
        no_nodes_grace_period: Duration::from_secs(10),
        ..SETTINGS
    };
    vec![
        (
            "all Nodes are excluded: nothing is emptied before the grace period",
            SETTINGS,
            vec![
                (0, Nodes(&[1, 2, 3], 3), Some(these(&[1, 2, 3]))),
                (10, Excluded(3), Some(Sent::Kept(Some(300)))),
                (309, Excluded(3), Some(Sent::Kept(Some(1)))),
                (310, Excluded(3), Some(Sent::Emptied)),
                (400, Excluded(3), Some(Sent::Emptied)),
                (401, Nodes(&[2], 3), Some(these(&[2]))),
            ],
        ),
        (
            "a Node that cannot be read may be a back end, however long that lasts",
            emptying,
            vec![
                (0, Unreadable, Some(Sent::Kept(None))),
                (400, Unreadable, Some(Sent::Kept(None))),
                (401, Excluded(1), Some(Sent::Kept(Some(300)))),
                (701, Excluded(1), Some(Sent::Emptied)),
            ],
        ),
        (
            "that all Nodes are deleted is no reason to hurry",
            SETTINGS,
            vec![
                (0, Nodes(&[1, 2], 2), Some(these(&[1, 2]))),
                (10, Excluded(0), Some(Sent::Kept(Some(300)))),
                (20, Nodes(&[3], 0), Some(these(&[3]))),
                (30, Excluded(0), Some(Sent::Kept(Some(300)))),
            ],
        ),
        (
            "a new process begins anew, whatever it sees first",
            SETTINGS,
            vec![
                (1_000, Excluded(0), Some(Sent::Kept(Some(300)))),
                (1_299, Excluded(2), Some(Sent::Kept(Some(1)))),
                (1_300, Excluded(2), Some(Sent::Emptied)),
            ],
        ),
        (
            "eligible Nodes without an address never empty anything",
            SETTINGS,
            vec![
                (0, WithoutAddress(3), Some(Sent::Kept(None))),
                (100_000, WithoutAddress(3), Some(Sent::Kept(None))),
                (100_010, Excluded(3), Some(Sent::Kept(Some(300)))),
            ],
        ),
        (
            "unless the configuration says that they count as none",
            emptying,
            vec![
                (0, WithoutAddress(3), Some(Sent::Kept(Some(300)))),
                (300, WithoutAddress(3), Some(Sent::Emptied)),
            ],
        ),
        (
            "most Nodes are excluded at once: that is held for 30 s",
            SETTINGS,
            vec![
                (0, Nodes(&[1, 2, 3], 3), Some(these(&[1, 2, 3]))),
                (10, Nodes(&[1], 3), Some(these(&[1, 2, 3]))),
                (20, Nodes(&[1, 4], 3), Some(these(&[1, 2, 3, 4]))),
                (39, Nodes(&[1, 4], 3), Some(these(&[1, 2, 3, 4]))),
                (40, Nodes(&[1, 4], 3), Some(these(&[1, 4]))),
            ],
        ),
        (
            "most Nodes are excluded by mistake and come back",
            SETTINGS,
            vec![
                (0, Nodes(&[1, 2, 3], 3), Some(these(&[1, 2, 3]))),
                (10, Nodes(&[1], 3), Some(these(&[1, 2, 3]))),
                (20, Nodes(&[1, 2], 3), Some(these(&[1, 2]))),
                (50, Nodes(&[1, 2, 3], 3), Some(these(&[1, 2, 3]))),
                (60, Nodes(&[1], 3), Some(these(&[1, 2, 3]))),
                (89, Nodes(&[1], 3), Some(these(&[1, 2, 3]))),
            ],
        ),
        (
            "half is not more than half",
            SETTINGS,
            vec![
                (0, Nodes(&[1, 2], 2), Some(these(&[1, 2]))),
                (10, Nodes(&[1], 2), Some(these(&[1]))),
            ],
        ),
        (
            "a deletion of the Node object confirms that it is gone",
            SETTINGS,
            vec![
                (0, Nodes(&[1, 2, 3], 3), Some(these(&[1, 2, 3]))),
                (10, Nodes(&[3], 0), Some(these(&[3]))),
            ],
        ),
        (
            "of those that are gone only the excluded ones are held",
            SETTINGS,
            vec![
                (0, Nodes(&[1, 2, 3], 3), Some(these(&[1, 2, 3]))),
                (10, Nodes(&[3], 1), Some(these(&[1, 3]))),
                (20, Nodes(&[3], 0), Some(these(&[3]))),
            ],
        ),
        (
            "all are gone, then a part comes back: most are still gone",
            SETTINGS,
            vec![
                (0, Nodes(&[1, 2, 3], 3), Some(these(&[1, 2, 3]))),
                (10, Excluded(3), Some(Sent::Kept(Some(300)))),
                (20, Nodes(&[1], 3), Some(these(&[1, 2, 3]))),
                (50, Nodes(&[1], 3), Some(these(&[1]))),
            ],
        ),
        (
            "a contradiction begins the grace period anew",
            SETTINGS,
            vec![
                (0, Excluded(0), Some(Sent::Kept(Some(300)))),
                (299, Contradiction, None),
                (300, Excluded(0), Some(Sent::Kept(Some(300)))),
            ],
        ),
        (
            "no hold is longer than the grace period",
            short,
            vec![
                (0, Nodes(&[1, 2, 3], 3), Some(these(&[1, 2, 3]))),
                (10, Nodes(&[1], 3), Some(these(&[1, 2, 3]))),
                (20, Nodes(&[1], 3), Some(these(&[1]))),
            ],
        ),
    ]
}

#[test]
fn losses_are_held() {
    for (reason, settings, steps) in stories() {
        let mut hold = NodeHold::new(settings);
        for (second, shown, expected) in steps {
            let now = Duration::from_secs(second);
            let found = match look(shown) {
                Some(look) => Some(sent(&hold.take(look, now))),
                None => {
                    hold.contradicted();
                    None
                }
            };
            assert_eq!(found, expected, "{reason}, at {second} s");
        }
    }
}

/// The first looks of a process, or of a leader, are compared with the load balancers.
#[test]
fn back_ends_settle_after_the_first_look_that_shows_any() {
    use Shown::{Excluded, Nodes};
    /// The seconds until they are settled, and the numbers of deleted ones.
    type Settles = Option<(u64, &'static [u8])>;
    type Steps = &'static [(u64, Shown, Settles)];
    let short = HoldSettings {
        no_nodes_grace_period: Duration::from_secs(10),
        ..SETTINGS
    };
    const ALL: Shown = Nodes(&[1, 2, 3], 3);
    let stories: [(&str, HoldSettings, Steps); 5] = [
        (
            "for 30 s",
            SETTINGS,
            &[
                (5, ALL, Some((30, &[]))),
                (34, ALL, Some((1, &[]))),
                (35, ALL, None),
                (99, ALL, None),
            ],
        ),
        (
            "an empty look begins nothing: nothing is taken away for it",
            SETTINGS,
            &[
                (0, Excluded(3), None),
                (100, Nodes(&[1], 3), Some((30, &[]))),
                (130, Nodes(&[1], 3), None),
            ],
        ),
        (
            "what is deleted meanwhile is known, and comes back",
            SETTINGS,
            &[
                (0, ALL, Some((30, &[]))),
                (1, Nodes(&[1], 2), Some((29, &[3]))),
                (2, Nodes(&[2], 0), Some((28, &[1, 3]))),
                (3, ALL, Some((27, &[]))),
            ],
        ),
        (
            "of an earlier process nothing is known",
            SETTINGS,
            &[(0, Nodes(&[1], 0), Some((30, &[])))],
        ),
        (
            "no longer than the grace period",
            short,
            &[(0, ALL, Some((10, &[]))), (10, ALL, None)],
        ),
    ];
    for (reason, settings, steps) in stories {
        let mut hold = NodeHold::new(settings);
        for (second, shown, expected) in steps {
            let look = look(*shown).expect("a look");
            let Held {
                backends,
                look_again,
                ..
            } = hold.take(look, Duration::from_secs(*second));
            let deleted = backends.unsettled.map(|unsettled| unsettled.deleted);
            let expected_deleted = expected.map(|(_, deleted)| {
                let address = |number: &u8| IpAddr::from([10, 0, 0, *number]);
                deleted.iter().map(address).collect()
            });
            assert_eq!(deleted, expected_deleted, "{reason}, at {second} s");
            if let Some((remaining, _)) = expected {
                let look_again = look_again.expect("the end is looked at");
                assert!(
                    look_again.as_secs() <= *remaining,
                    "{reason}, at {second} s"
                );
            }
        }
    }
    let mut hold = NodeHold::new(SETTINGS);
    hold.take(look(ALL).expect("a look"), Duration::ZERO);
    hold.begin_anew();
    let held = hold.take(look(ALL).expect("a look"), Duration::from_secs(60));
    assert!(
        held.backends.unsettled.is_some(),
        "a new leader begins anew"
    );
    assert_eq!(held.look_again, Some(MOST_GONE_HOLD));
}

#[test]
fn only_a_loss_needs_confirmation() {
    let seconds = Duration::from_secs;
    let needs = |hold: &NodeHold, shown, second| {
        let look = look(shown).expect("a look");
        hold.needs_confirmation(&look, seconds(second))
    };
    let fresh = NodeHold::new(SETTINGS);
    let none = Shown::Excluded(3);
    assert!(!needs(&fresh, none, 0), "nothing is lost yet");
    let mut hold = fresh.clone();
    hold.take(
        look(Shown::Nodes(&[1, 2, 3], 3)).expect("a look"),
        seconds(0),
    );
    assert!(!needs(&hold, Shown::Nodes(&[1, 2], 3), 1), "one of three");
    assert!(needs(&hold, Shown::Nodes(&[1], 3), 1), "two of three");
    assert!(needs(&hold, none, 1), "all of them");
    let without_address = Shown::WithoutAddress(3);
    assert!(!needs(&fresh, without_address, 9_999), "never emptied");
    let mut waiting = fresh;
    waiting.take(look(none).expect("a look"), seconds(0));
    assert!(!needs(&waiting, none, 299), "kept anyway");
    assert!(
        needs(&waiting, none, 300),
        "load balancers would be emptied"
    );
}

/// A selector with a typing error must not empty what serves.
#[test]
fn labels_that_no_node_ever_had_empty_nothing_and_labels_that_all_lost_do() {
    let without_match = || NodeLook {
        existing: [String::from("n1")].into(),
        ..NodeLook::default()
    };
    let seconds = Duration::from_secs;
    let mut hold = NodeHold::of_selector(SETTINGS);
    for at in [0, 1_000] {
        let held = hold.take(without_match(), seconds(at));
        assert_eq!(sent(&held), Sent::Kept(None), "at {at}");
        assert!(held.backends.never_matched);
    }
    let excluded = NodeLook {
        any_match: true,
        ..without_match()
    };
    let held = hold.take(excluded, seconds(1_010));
    assert_eq!(sent(&held), Sent::Kept(Some(300)), "one has them now");
    assert!(!held.backends.never_matched);
    hold.begin_anew();
    let held = hold.take(without_match(), seconds(1_020));
    assert_eq!(sent(&held), Sent::Kept(Some(300)), "a new leader");
    let held = hold.take(without_match(), seconds(1_320));
    assert_eq!(sent(&held), Sent::Emptied);
}

#[test]
fn a_choice_that_comes_later_is_settled_at_once() {
    let look = look(Shown::Nodes(&[1], 1)).expect("a look");
    let now = 2 * MOST_GONE_HOLD;
    let mut all = NodeHold::new(SETTINGS);
    assert!(!all.is_settled(now), "nothing was seen");
    all.take(look.clone(), Duration::ZERO);
    assert!(!all.is_settled(MOST_GONE_HOLD / 2));
    assert!(all.is_settled(now));
    let taken = |mut hold: NodeHold| hold.take(look.clone(), now).backends.unsettled;
    assert!(taken(NodeHold::of_selector(SETTINGS)).is_some());
    assert_eq!(taken(NodeHold::of_selector(SETTINGS).settled()), None);
}
