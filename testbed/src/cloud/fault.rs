//! Faults that a cloud can be given.

use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::event::Verb;
use super::inventory::Shelf;
use super::refusal::Code;

/// A fault, and the calls that it strikes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// Only this call; none for all of them.
    #[serde(default)]
    pub verb: Option<Verb>,
    /// Only calls for a load balancer whose name, id or owner
    /// (`namespace/name`) contains this text; none for all of them.
    #[serde(default)]
    pub matching: Option<String>,
    /// Only so many calls; none for all until the fault is cleared.
    #[serde(default)]
    pub count: Option<u32>,
    /// Only so many of a hundred calls, at random; none for all of them.
    #[serde(default)]
    pub percent: Option<u8>,
    /// What happens to them.
    #[serde(flatten)]
    pub kind: FaultKind,
}

impl Fault {
    /// Strikes all calls until it is cleared.
    pub fn new(kind: FaultKind) -> Self {
        Self {
            verb: None,
            matching: None,
            count: None,
            percent: None,
            kind,
        }
    }

    /// Strikes only this call.
    pub fn on(self, verb: Verb) -> Self {
        Self {
            verb: Some(verb),
            ..self
        }
    }

    /// Strikes only calls for a load balancer whose name, id or owner
    /// (`namespace/name`) contains this text.
    pub fn matching(self, text: impl Into<String>) -> Self {
        Self {
            matching: Some(text.into()),
            ..self
        }
    }

    /// Strikes only so many calls.
    pub fn times(self, count: u32) -> Self {
        Self {
            count: Some(count),
            ..self
        }
    }

    /// Strikes only so many of a hundred calls, at random.
    pub fn percent(self, percent: u8) -> Self {
        Self {
            percent: Some(percent),
            ..self
        }
    }

    fn strikes(&self, verb: Verb, subject: &[String]) -> bool {
        self.verb.is_none_or(|own| own == verb)
            && self.matching.as_ref().is_none_or(|text| {
                subject
                    .iter()
                    .any(|candidate| candidate.contains(text.as_str()))
            })
            && self
                .percent
                .is_none_or(|percent| fastrand::u8(..100) < percent)
    }
}

/// How a call goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum FaultKind {
    /// It takes longer, then goes its way; adds to any other fault.
    Latency {
        /// Milliseconds before it is carried out.
        millis: u64,
    },
    /// It is never answered.
    Hang {
        /// Whether it is carried out first.
        #[serde(default)]
        after_effect: bool,
    },
    /// 429 and `Throttled`, not carried out.
    Throttle {
        /// Header `Retry-After`; none leaves it out.
        #[serde(default)]
        retry_after_seconds: Option<u64>,
        /// Write the header as a date.
        #[serde(default)]
        as_date: bool,
    },
    /// It fails and is not carried out.
    FailBefore(Failure),
    /// It is carried out, and the answer is a failure.
    FailAfter(Failure),
    /// It is carried out, and the connection closes without an answer.
    LoseReply,
    /// The caller sees it fail now, and it is carried out later.
    ExecuteLate {
        /// Milliseconds from the failure to the effect.
        delay_millis: u64,
        /// What the caller sees.
        #[serde(default)]
        reply: LateReply,
    },
    /// A list leaves out its first load balancers, without a sign of it.
    ListIncomplete { omit: usize },
    /// Lists and queries show what there was when the fault was set.
    Stale,
    /// It is carried out, and the answer is not JSON.
    GarbageBody,
    /// It is carried out, and the answer is valid JSON of at least this size.
    OversizedBody { bytes: usize },
    /// It is carried out, and the connection closes in the middle of the answer.
    CutBody,
    /// It is carried out, and the answer comes byte by byte, with this pause after each.
    Trickle { pause_millis: u64 },
    /// It is carried out, and the answer is that of this number in [`hostile`](super::hostile).
    Hostile { number: usize },
    /// It is carried out, and the answer lacks this field.
    OmitField {
        /// A top-level field of the answer, such as `lbId`.
        field: String,
    },
    /// It is carried out, and the answer says the same in other words.
    OtherWords,
    /// It is carried out, and the answer shows this load balancer instead.
    AnswerAnother { id: String },
    /// A list of back ends that contains this address is refused as invalid.
    RefuseBackEnd { address: String },
    /// 307 to this place, not carried out.
    Redirect {
        /// Header `Location`.
        location: String,
    },
}

/// An answer that reports a failure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Failure {
    /// Its `code`; none leaves it out.
    pub code: Option<Code>,
    /// Its HTTP status; none for the one that matches the code, or 200.
    pub status: Option<u16>,
    /// Header `Retry-After`; none leaves it out.
    pub retry_after_seconds: Option<u64>,
}

impl Failure {
    /// An answer with this code and the matching status.
    pub fn code(code: Code) -> Self {
        Self {
            code: Some(code),
            ..Self::default()
        }
    }

    /// An answer with this status and no code.
    pub fn status(status: u16) -> Self {
        Self {
            status: Some(status),
            ..Self::default()
        }
    }
}

/// What the caller sees of a call that is carried out late.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LateReply {
    /// A closed connection.
    #[default]
    Lost,
    /// No answer, ever.
    Hang,
    Fail(Failure),
}

impl FaultKind {
    /// As in the JSON form.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Latency { .. } => "latency",
            Self::Hang { .. } => "hang",
            Self::Throttle { .. } => "throttle",
            Self::FailBefore(_) => "failBefore",
            Self::FailAfter(_) => "failAfter",
            Self::LoseReply => "loseReply",
            Self::ExecuteLate { .. } => "executeLate",
            Self::ListIncomplete { .. } => "listIncomplete",
            Self::Stale => "stale",
            Self::GarbageBody => "garbageBody",
            Self::OversizedBody { .. } => "oversizedBody",
            Self::CutBody => "cutBody",
            Self::Trickle { .. } => "trickle",
            Self::Hostile { .. } => "hostile",
            Self::OmitField { .. } => "omitField",
            Self::OtherWords => "otherWords",
            Self::AnswerAnother { .. } => "answerAnother",
            Self::RefuseBackEnd { .. } => "refuseBackEnd",
            Self::Redirect { .. } => "redirect",
        }
    }

    /// Whether it means anything for this call.
    fn concerns(&self, verb: Verb) -> bool {
        match self {
            Self::ListIncomplete { .. } => verb == Verb::List,
            Self::Stale => matches!(verb, Verb::List | Verb::Query),
            Self::RefuseBackEnd { .. } => matches!(verb, Verb::Create | Verb::Update),
            Self::AnswerAnother { .. } => {
                matches!(verb, Verb::Query | Verb::Create | Verb::Update)
            }
            _ => true,
        }
    }
}

/// What strikes one call.
#[derive(Debug, Default)]
pub(super) struct Struck {
    /// To wait before anything else.
    pub(super) latency: Duration,
    /// What else goes wrong.
    pub(super) kind: Option<FaultKind>,
    /// What a stale answer is made from.
    pub(super) seen_before: Option<Shelf>,
}

/// The faults that are set, in the order in which they were.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Vec<Armed>>);

#[derive(Debug)]
struct Armed {
    fault: Fault,
    seen_before: Option<Shelf>,
}

impl Faults {
    /// Adds one; `shelf` is what there is now.
    pub(super) fn add(&self, fault: Fault, shelf: impl FnOnce() -> Shelf) {
        let seen_before = (fault.kind == FaultKind::Stale).then(shelf);
        self.0.lock().push(Armed { fault, seen_before });
    }

    pub(super) fn clear(&self) {
        self.0.lock().clear();
    }

    /// Those that are left, with the counts that are left.
    pub(super) fn all(&self) -> Vec<Fault> {
        let armed = self.0.lock();
        armed.iter().map(|armed| armed.fault.clone()).collect()
    }

    /// What strikes this call: every latency that fits, and the first other
    /// fault that fits.
    pub(super) fn strike(&self, verb: Verb, subject: &[String]) -> Struck {
        let mut struck = Struck::default();
        let mut armed = self.0.lock();
        for one in armed.iter_mut() {
            if !one.fault.strikes(verb, subject) || !one.fault.kind.concerns(verb) {
                continue;
            }
            match &one.fault.kind {
                FaultKind::Latency { millis } => {
                    struck.latency += Duration::from_millis(*millis);
                }
                _ if struck.kind.is_some() => continue,
                kind => {
                    struck.kind = Some(kind.clone());
                    struck.seen_before = one.seen_before.clone();
                }
            }
            one.fault.count = one.fault.count.map(|count| count.saturating_sub(1));
        }
        armed.retain(|one| one.fault.count != Some(0));
        struck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn struck(percent: u8) -> usize {
        let faults = Faults::default();
        let fault = Fault::new(FaultKind::LoseReply).percent(percent);
        faults.add(fault, || unreachable!("not stale"));
        let strikes = (0..1_000).map(|_| faults.strike(Verb::Create, &[]));
        strikes.filter(|struck| struck.kind.is_some()).count()
    }

    #[test]
    fn a_percentage_of_the_calls_is_struck() {
        assert_eq!((struck(0), struck(100)), (0, 1_000));
        // Four standard deviations to each side.
        assert!((145..=255).contains(&struck(20)), "not a fifth");
    }
}
