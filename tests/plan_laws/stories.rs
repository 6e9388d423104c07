//! How stories are drawn. What is first in a choice is simplest: shrinking
//! ends there.

use proptest::array::uniform3;
use proptest::bool::weighted;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::fault::{Fault, FaultKind};
use crate::generate::nodes;
use crate::scene::Kind;
use crate::story::{CloudSetup, Edit, Ports, Slot, Spec, Step, Story, Theirs};

pub fn stories() -> impl Strategy<Value = Story> {
    let story = (uniform3(cloud_setups()), vec(chapters(), 1..20));
    story.prop_map(|(clouds, chapters)| Story {
        clouds,
        steps: chapters.into_iter().flatten().collect(),
    })
}

/// Stories in which every cloud always has room.
pub fn stories_without_quota() -> impl Strategy<Value = Story> {
    stories().prop_map(|mut story| {
        for setup in &mut story.clouds {
            setup.quota = None;
        }
        story.steps.retain(|step| !matches!(step, Step::Quota(..)));
        story
    })
}

/// An order of all slots.
pub fn orders() -> impl Strategy<Value = Vec<usize>> {
    Just(vec![0, 1, 2, 3]).prop_shuffle()
}

fn cloud_setups() -> impl Strategy<Value = CloudSetup> {
    let theirs = select(vec![
        Theirs::OfAnotherCluster,
        Theirs::Unowned,
        Theirs::MadeByHand,
        Theirs::UnderOurName,
    ]);
    let setup = (
        any::<bool>(),
        weighted(0.2),
        quotas(),
        option::weighted(0.3, theirs),
    );
    setup.prop_map(|(slow, forgetful, quota, theirs)| CloudSetup {
        slow,
        forgetful,
        quota,
        theirs: theirs.into_iter().collect(),
    })
}

fn quotas() -> impl Strategy<Value = Option<usize>> {
    prop_oneof![2 => Just(None), 4 => (1..4_usize).prop_map(Some), 1 => Just(Some(0))]
}

/// Some edits or an event, and rounds of the controller after them.
fn chapters() -> impl Strategy<Value = Vec<Step>> {
    prop_oneof![
        6 => slots().prop_flat_map(of_a_service),
        1 => surroundings().prop_map(|step| vec![step]),
    ]
}

fn of_a_service(slot: Slot) -> impl Strategy<Value = Vec<Step>> {
    let begins = prop_oneof![
        20 => edits(slot).prop_map(|edit| vec![edit]),
        2 => Just(vec![Edit::TearOff(slot), Edit::Delete(slot)]),
        1 => Just(vec![Edit::TearOff(slot), Edit::Delete(slot), Edit::Restore(slot)]),
        2 => specs().prop_map(move |spec| {
            vec![Edit::TearOff(slot), Edit::Delete(slot), Edit::Apply(slot, spec)]
        }),
    ];
    let rounds = vec(option::weighted(0.25, faults(slot)), 0..4);
    (begins, rounds).prop_map(move |(edits, rounds)| {
        let edits = edits.into_iter().map(Step::User);
        let round = |fault| [Step::Reconcile(slot, fault), Step::Time];
        edits.chain(rounds.into_iter().flat_map(round)).collect()
    })
}

fn surroundings() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Sweep),
        1 => nodes().prop_map(Step::Nodes),
        1 => (0..3_usize, quotas()).prop_map(|(cloud, quota)| Step::Quota(cloud, quota)),
        1 => (0..3_usize, any::<bool>()).prop_map(|(cloud, is)| Step::Unreachable(cloud, is)),
    ]
}

fn slots() -> impl Strategy<Value = Slot> {
    0..4_usize
}

fn edits(slot: Slot) -> impl Strategy<Value = Edit> {
    prop_oneof![
        12 => specs().prop_map(move |spec| Edit::Apply(slot, spec)),
        3 => Just(Edit::Delete(slot)),
        2 => Just(Edit::Restore(slot)),
        1 => Just(Edit::TearOff(slot)),
        1 => slots().prop_map(move |from| Edit::Copy(slot, from)),
        1 => Just(Edit::Claim(slot)),
    ]
}

fn specs() -> impl Strategy<Value = Spec> {
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
    let spec = (kind, clouds, ports, bandwidth);
    spec.prop_map(|(kind, clouds, ports, bandwidth)| Spec {
        kind,
        clouds,
        ports,
        bandwidth,
    })
}

/// A fault in a round for this Service.
fn faults(slot: Slot) -> impl Strategy<Value = Fault> {
    let kind = prop_oneof![
        Just(FaultKind::FailsBefore),
        Just(FaultKind::FailsAfter),
        Just(FaultKind::CrashAfter),
        edits(slot).prop_map(FaultKind::Meanwhile),
    ];
    let fault = (0..6_usize, kind, option::weighted(0.3, 0..3_usize));
    fault.prop_map(|(action, kind, unreachable)| Fault {
        action,
        kind,
        unreachable,
    })
}
