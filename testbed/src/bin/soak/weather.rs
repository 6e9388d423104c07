//! What goes wrong at the clouds.

use std::time::Duration;

use fastrand::Rng;
use testbed::cloud::{CloudSimulator, Code, Event, Failure, Fault, FaultKind, LateReply, Verb};
use tokio::time::sleep;

/// The longest that a call is carried out after its caller saw it fail.
const LATE_MILLIS: u64 = 4_000;

/// Of a hundred writes, those that are carried out without an answer,
const LOST: u8 = 3;
/// and those that fail and are carried out later. Of both the caller cannot know.
const LATE: u8 = 2;

/// Whether the caller of this call cannot know what became of it.
pub fn is_unknown(call: &Event) -> bool {
    matches!(call.fault.as_deref(), Some("loseReply" | "executeLate"))
}

/// Sets faults, some for all writes and more for single calls again and again, until dropped.
pub async fn blow(clouds: [&CloudSimulator; 2], dice: &mut Rng) {
    for cloud in clouds {
        for verb in [Verb::Create, Verb::Update, Verb::Delete] {
            cloud.set_fault(Fault::new(FaultKind::LoseReply).on(verb).percent(LOST));
            let late = FaultKind::ExecuteLate {
                delay_millis: dice.u64(100..LATE_MILLIS),
                reply: LateReply::Lost,
            };
            cloud.set_fault(Fault::new(late).on(verb).percent(LATE));
        }
    }
    loop {
        let cloud = clouds[dice.usize(..clouds.len())];
        let mut fault = Fault::new(kind(dice)).times(dice.u32(1..=2));
        fault.verb = match fault.kind {
            FaultKind::ListIncomplete { .. } => Some(Verb::List),
            _ => Verb::ALL.get(dice.usize(..=Verb::ALL.len())).copied(),
        };
        cloud.set_fault(fault);
        sleep(Duration::from_millis(dice.u64(100..600))).await;
    }
}

fn kind(dice: &mut Rng) -> FaultKind {
    match dice.u8(0..12) {
        0..=1 => FaultKind::Latency {
            millis: dice.u64(50..1_500),
        },
        2 => FaultKind::Throttle {
            retry_after_seconds: Some(1),
            as_date: false,
        },
        3..=4 => FaultKind::FailBefore(failure(dice)),
        5..=6 => FaultKind::FailAfter(failure(dice)),
        7..=8 => FaultKind::LoseReply,
        9..=10 => FaultKind::ExecuteLate {
            delay_millis: dice.u64(100..LATE_MILLIS),
            reply: match dice.bool() {
                true => LateReply::Lost,
                false => LateReply::Fail(failure(dice)),
            },
        },
        11 if dice.bool() => FaultKind::Hang {
            after_effect: dice.bool(),
        },
        _ => FaultKind::ListIncomplete {
            omit: dice.usize(1..5),
        },
    }
}

fn failure(dice: &mut Rng) -> Failure {
    match dice.u8(0..3) {
        0 => Failure::code(Code::Unavailable),
        1 => Failure::code(Code::Internal),
        _ => Failure::status(502),
    }
}
