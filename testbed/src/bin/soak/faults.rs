//! Faults of the clouds.

use std::time::Duration;

use fastrand::Rng;
use testbed::cloud::{CloudSimulator, Code, Event, Failure, Fault, FaultKind, LateReply, Verb};
use tokio::time::sleep;

/// The longest time from a failure that the caller saw to the effect of the call.
const LATE_MILLIS: u64 = 4_000;

/// Of a hundred writes, those that are carried out without an answer.
const LOST: u8 = 3;
/// Of a hundred writes, those that fail and are carried out later.
const LATE: u8 = 2;

/// Whether the outcome of this call is unknown to its caller.
pub fn is_unknown(call: &Event) -> bool {
    let unknown = ["loseReply", "executeLate", "cutBody", "trickle", "hostile"];
    let fault = call.fault.as_deref();
    fault.is_some_and(|fault| unknown.contains(&fault))
}

/// Sets faults, some for all writes and more for single calls again and again, until dropped.
pub async fn inject(clouds: [&CloudSimulator; 2], rng: &mut Rng) {
    for cloud in clouds {
        for verb in [Verb::Create, Verb::Update, Verb::Delete] {
            cloud.set_fault(Fault::new(FaultKind::LoseReply).on(verb).percent(LOST));
            let late = FaultKind::ExecuteLate {
                delay_millis: rng.u64(100..LATE_MILLIS),
                reply: LateReply::Lost,
            };
            cloud.set_fault(Fault::new(late).on(verb).percent(LATE));
        }
    }
    loop {
        let cloud = clouds[rng.usize(..clouds.len())];
        let mut fault = Fault::new(kind(rng)).times(rng.u32(1..=2));
        fault.verb = match fault.kind {
            FaultKind::ListIncomplete { .. } => Some(Verb::List),
            _ => Verb::ALL.get(rng.usize(..=Verb::ALL.len())).copied(),
        };
        cloud.set_fault(fault);
        sleep(Duration::from_millis(rng.u64(100..600))).await;
    }
}

fn kind(rng: &mut Rng) -> FaultKind {
    match rng.u8(0..12) {
        0..=1 => FaultKind::Latency {
            millis: rng.u64(50..1_500),
        },
        2 => FaultKind::Throttle {
            retry_after_seconds: Some(1),
            as_date: false,
        },
        3..=4 => FaultKind::FailBefore(failure(rng)),
        5..=6 => FaultKind::FailAfter(failure(rng)),
        7..=8 => FaultKind::LoseReply,
        9..=10 => FaultKind::ExecuteLate {
            delay_millis: rng.u64(100..LATE_MILLIS),
            reply: match rng.bool() {
                true => LateReply::Lost,
                false => LateReply::Fail(failure(rng)),
            },
        },
        11 if rng.bool() => FaultKind::Hang {
            after_effect: rng.bool(),
        },
        _ => FaultKind::ListIncomplete {
            omit: rng.usize(1..5),
        },
    }
}

fn failure(rng: &mut Rng) -> Failure {
    match rng.u8(0..3) {
        0 => Failure::code(Code::Unavailable),
        1 => Failure::code(Code::Internal),
        _ => Failure::status(502),
    }
}
