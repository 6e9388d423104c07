//! How stories are drawn. What is first in a choice is simplest: shrinking
//! ends there.

use proptest::array::uniform3;
use proptest::bool::weighted;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::executor::{How, Trouble};
use crate::generate::nodes;
use crate::scene::Kind;
use crate::story::{Act, Place, Ports, Slot, Step, Story, Theirs, Wish};

pub fn stories() -> impl Strategy<Value = Story> {
    let story = (uniform3(places()), vec(chapters(), 1..20));
    story.prop_map(|(clouds, chapters)| Story {
        clouds,
        steps: chapters.into_iter().flatten().collect(),
    })
}

/// Stories in which every cloud always has room.
pub fn stories_without_quota() -> impl Strategy<Value = Story> {
    stories().prop_map(|mut story| {
        for place in &mut story.clouds {
            place.quota = None;
        }
        story.steps.retain(|step| !matches!(step, Step::Quota(..)));
        story
    })
}

/// An order of all places.
pub fn orders() -> impl Strategy<Value = Vec<usize>> {
    Just(vec![0, 1, 2, 3]).prop_shuffle()
}

fn places() -> impl Strategy<Value = Place> {
    let theirs = select(vec![
        Theirs::OfAnotherCluster,
        Theirs::Unowned,
        Theirs::MadeByHand,
        Theirs::UnderOurName,
    ]);
    let place = (
        any::<bool>(),
        weighted(0.2),
        quotas(),
        option::weighted(0.3, theirs),
    );
    place.prop_map(|(slow, forgetful, quota, theirs)| Place {
        slow,
        forgetful,
        quota,
        theirs: theirs.into_iter().collect(),
    })
}

fn quotas() -> impl Strategy<Value = Option<usize>> {
    prop_oneof![2 => Just(None), 4 => (1..4_usize).prop_map(Some), 1 => Just(Some(0))]
}

/// Something that happens, and what the controller makes of it, or not yet.
fn chapters() -> impl Strategy<Value = Vec<Step>> {
    prop_oneof![
        6 => slots().prop_flat_map(of_a_service),
        1 => surroundings().prop_map(|step| vec![step]),
    ]
}

fn of_a_service(slot: Slot) -> impl Strategy<Value = Vec<Step>> {
    let begins = prop_oneof![
        20 => acts(slot).prop_map(|act| vec![act]),
        2 => Just(vec![Act::TearOff(slot), Act::Delete(slot)]),
        1 => Just(vec![Act::TearOff(slot), Act::Delete(slot), Act::Restore(slot)]),
        2 => wishes().prop_map(move |wish| {
            vec![Act::TearOff(slot), Act::Delete(slot), Act::Apply(slot, wish)]
        }),
    ];
    let rounds = vec(option::weighted(0.25, troubles(slot)), 0..4);
    (begins, rounds).prop_map(move |(acts, rounds)| {
        let acts = acts.into_iter().map(Step::User);
        let round = |trouble| [Step::Reconcile(slot, trouble), Step::Time];
        acts.chain(rounds.into_iter().flat_map(round)).collect()
    })
}

fn surroundings() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Sweep),
        1 => nodes().prop_map(Step::Nodes),
        1 => (0..3_usize, quotas()).prop_map(|(cloud, quota)| Step::Quota(cloud, quota)),
        1 => (0..3_usize, any::<bool>()).prop_map(|(cloud, silent)| Step::Silence(cloud, silent)),
    ]
}

fn slots() -> impl Strategy<Value = Slot> {
    0..4_usize
}

fn acts(slot: Slot) -> impl Strategy<Value = Act> {
    prop_oneof![
        12 => wishes().prop_map(move |wish| Act::Apply(slot, wish)),
        3 => Just(Act::Delete(slot)),
        2 => Just(Act::Restore(slot)),
        1 => Just(Act::TearOff(slot)),
        1 => slots().prop_map(move |from| Act::Copy(slot, from)),
        1 => Just(Act::Claim(slot)),
    ]
}

fn wishes() -> impl Strategy<Value = Wish> {
    let kind = prop_oneof![
        20 => Just(Kind::LoadBalancer),
        1 => Just(Kind::ClusterIp),
        1 => Just(Kind::NotEnabled),
        1 => Just(Kind::OtherClass),
    ];
    let ports = (1..5_u16, select(vec![80, 443, 65000]));
    let ports = ports.prop_map(|(count, first)| Ports { count, first });
    // The last two cannot be carried out: no cloud is named, and no number.
    let clouds = prop_oneof![
        6 => Just([true, false, false]),
        4 => Just([false, true, false]),
        3 => uniform3(any::<bool>()),
        1 => Just([false; 3]),
    ];
    let bandwidth = prop_oneof![9 => Just("5M"), 6 => Just("9M"), 1 => Just("fast")];
    let wish = (kind, clouds, ports, bandwidth);
    wish.prop_map(|(kind, clouds, ports, bandwidth)| Wish {
        kind,
        clouds,
        ports,
        bandwidth,
    })
}

/// What goes wrong in a round for this Service.
fn troubles(slot: Slot) -> impl Strategy<Value = Trouble> {
    let how = prop_oneof![
        Just(How::FailsBefore),
        Just(How::FailsAfter),
        Just(How::CrashAfter),
        acts(slot).prop_map(How::Meanwhile),
    ];
    let trouble = (0..6_usize, how, option::weighted(0.3, 0..3_usize));
    trouble.prop_map(|(step, how, silent)| Trouble { step, how, silent })
}
