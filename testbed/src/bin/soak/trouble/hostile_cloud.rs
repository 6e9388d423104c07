//! A cloud that answers each call as no cloud should, while it does its work.

use anyhow::Result;
use fastrand::Rng;
use testbed::cloud::{CloudSimulator, Fault, FaultKind, LoadBalancer, hostile};
use testbed::environment::SOON;
use testbed::eventually;

/// Larger than any answer may be.
const HUGE: usize = 12 << 20;
/// An answer of some hundred bytes takes longer than any caller waits.
const DRIP_MILLIS: u64 = 50;
/// A third of all kinds: those hold call slots for as long as a call may last, so that a
/// cloud that is not kept apart is soon in the way of the other.
const SLOW: usize = 18;
/// Hostile answers without which a round has not had its hostile cloud.
const FELT: usize = 12;

/// From now on each call is struck by one of the kinds, each as often as the others.
pub fn turn(cloud: &CloudSimulator, others: &[LoadBalancer], rng: &mut Rng) {
    let mut kinds = kinds(cloud, others);
    rng.shuffle(&mut kinds);
    for (index, kind) in kinds.iter().enumerate() {
        let left = kinds.len() - index;
        let percent = u8::try_from(100 / left).unwrap_or(100);
        cloud.set_fault(Fault::new(kind.clone()).percent(percent));
    }
}

fn kinds(cloud: &CloudSimulator, others: &[LoadBalancer]) -> Vec<FaultKind> {
    let there = cloud.inventory();
    let is_here = |other: &&LoadBalancer| there.iter().any(|found| found.id == other.id);
    let another = others.iter().find(is_here).or(there.first());
    let id = another.map_or_else(String::new, |another| another.id.clone());
    let numbers = 0..hostile::PAGES * hostile::ANSWERS;
    let mut kinds: Vec<FaultKind> = numbers
        .map(|number| FaultKind::Hostile { number })
        .collect();
    for kind in [
        FaultKind::GarbageBody,
        FaultKind::OversizedBody { bytes: HUGE },
        FaultKind::CutBody,
        FaultKind::LoseReply,
        FaultKind::ListIncomplete { omit: usize::MAX },
        FaultKind::AnswerAnother { id },
        FaultKind::OmitField {
            field: "lbId".into(),
        },
        FaultKind::Redirect {
            location: "http://127.0.0.1:1/".into(),
        },
    ] {
        kinds.extend([kind.clone(), kind]);
    }
    let drips = FaultKind::Trickle {
        pause_millis: DRIP_MILLIS,
    };
    let hangs = FaultKind::Hang { after_effect: true };
    kinds.extend([drips, hangs].iter().cycle().take(SLOW).cloned());
    kinds
}

/// Waits until it has answered hostilely so often that it counts.
///
/// # Errors
/// Nobody calls it any more.
pub async fn until_felt(cloud: &CloudSimulator, since: u64) -> Result<()> {
    eventually("calls of the hostile cloud", SOON, async || {
        Ok((struck(cloud, since) >= FELT).then_some(()))
    })
    .await
}

/// It answers as it should again; gives how often it did not.
pub fn end(cloud: &CloudSimulator, since: u64) -> usize {
    cloud.clear_faults();
    struck(cloud, since)
}

fn struck(cloud: &CloudSimulator, since: u64) -> usize {
    let calls = cloud.events_after(since);
    calls.iter().filter(|call| call.fault.is_some()).count()
}
