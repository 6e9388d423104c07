//! The event log: every call of the API, with its phases. Tests assert on it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::refusal::Code;

/// As many of the latest events are kept.
const EVENT_LIMIT: usize = 100_000;

/// A call of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Make a load balancer.
    Create,
    Delete,
    Update,
    /// Take the owner off.
    Release,
    Query,
    List,
    Capabilities,
}

impl Verb {
    pub const ALL: [Self; 7] = [
        Self::Create,
        Self::Delete,
        Self::Update,
        Self::Release,
        Self::Query,
        Self::List,
        Self::Capabilities,
    ];

    /// As in the path of the call.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Update => "update",
            Self::Release => "release",
            Self::Query => "query",
            Self::List => "list",
            Self::Capabilities => "capabilities",
        }
    }

    /// Whether it is about one load balancer.
    pub fn is_about_one(self) -> bool {
        !matches!(self, Self::List | Self::Capabilities)
    }

    /// Whether it may change anything.
    pub fn is_mutation(self) -> bool {
        matches!(
            self,
            Self::Create | Self::Delete | Self::Update | Self::Release
        )
    }
}

/// What carrying out a call did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// A load balancer was made.
    Created,
    /// The load balancer to create was there before, and stayed as it was.
    Existed,
    /// The load balancer was set to what was asked for.
    Updated,
    /// The owner of the load balancer was taken off.
    Released,
    /// The load balancer was removed.
    Deleted,
    /// Something was read.
    Read,
    /// Nothing: the call was refused.
    Refused(Code),
}

/// How a call ended for its caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It has not ended.
    InFlight,
    /// An answer was sent.
    Answered {
        /// Its HTTP status.
        status: u16,
        /// Its `code`, whether a real one or a fault's.
        code: Option<Code>,
        /// Its `err`; empty for success.
        err: String,
    },
    /// The simulator closed the connection without an answer.
    ReplyLost,
    /// The caller went away before the answer.
    Abandoned,
}

/// One call of the API. Microseconds count from the simulator's start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// From 1, in the order of arrival.
    pub sequence: u64,
    /// When the call arrived.
    pub at: Timestamp,
    pub verb: Verb,
    /// Name of the load balancer, if it is known.
    pub name: Option<String>,
    /// Id of the load balancer, if it is known.
    pub id: Option<String>,
    /// The request body; a text that is not JSON as a string.
    pub request: Value,
    /// Header `Fencing-Token`.
    pub fencing_token: Option<u64>,
    /// Header `Idempotency-Key`.
    pub idempotency_key: Option<String>,
    /// Header `traceparent`.
    pub traceparent: Option<String>,
    /// Header `User-Agent`.
    pub user_agent: Option<String>,
    /// Whether there was a header `Authorization`; its value is not kept.
    pub has_authorization: bool,
    /// The fault that struck it, latency aside.
    pub fault: Option<String>,
    /// When it arrived.
    pub started_micros: u64,
    /// When it was carried out; none if it was not, or not yet.
    pub effect_micros: Option<u64>,
    /// What that did.
    pub effect: Option<Effect>,
    /// When it ended for the caller.
    pub finished_micros: Option<u64>,
    /// How it ended for the caller.
    pub outcome: Outcome,
}

impl Event {
    /// Whether both calls were under way at the same time.
    pub fn overlaps(&self, other: &Self) -> bool {
        let end = |event: &Self| event.finished_micros.unwrap_or(u64::MAX);
        self.started_micros < end(other) && other.started_micros < end(self)
    }

    /// Time from the arrival to the answer.
    pub fn took(&self) -> Option<Duration> {
        let finished = self.finished_micros?;
        Some(Duration::from_micros(finished - self.started_micros))
    }

    /// The code of the answer, if there was one.
    pub fn code(&self) -> Option<Code> {
        match &self.outcome {
            Outcome::Answered { code, .. } => *code,
            _ => None,
        }
    }
}

/// The largest number of these calls that were under way at one moment.
pub fn most_in_flight(events: &[Event]) -> usize {
    let starts = events.iter().map(|event| (event.started_micros, 1));
    let ends = events
        .iter()
        .filter_map(|event| Some((event.finished_micros?, -1)));
    let mut changes: Vec<(u64, isize)> = starts.chain(ends).collect();
    // At the same moment the end comes first: such calls do not overlap.
    changes.sort_unstable();
    let mut under_way = 0;
    let mut most = 0;
    for (_, change) in changes {
        under_way += change;
        most = most.max(under_way);
    }
    usize::try_from(most).unwrap_or_default()
}

/// The fields of a call when it arrives.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    pub(super) verb: Verb,
    pub(super) name: Option<String>,
    pub(super) id: Option<String>,
    pub(super) request: Value,
    pub(super) fencing_token: Option<u64>,
    pub(super) idempotency_key: Option<String>,
    pub(super) traceparent: Option<String>,
    pub(super) user_agent: Option<String>,
    pub(super) has_authorization: bool,
}

#[derive(Debug)]
pub(super) struct EventLog {
    start: Instant,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    last: u64,
    events: VecDeque<Event>,
}

impl EventLog {
    pub(super) fn new() -> Self {
        Self {
            start: Instant::now(),
            kept: Mutex::default(),
        }
    }

    /// Notes that a call arrived, and gives its sequence number.
    pub(super) fn arrived(&self, arrival: Arrival) -> u64 {
        let mut kept = self.kept.lock();
        let started_micros = self.now();
        kept.last += 1;
        let sequence = kept.last;
        kept.events.push_back(Event {
            sequence,
            at: Timestamp::now(),
            verb: arrival.verb,
            name: arrival.name,
            id: arrival.id,
            request: arrival.request,
            fencing_token: arrival.fencing_token,
            idempotency_key: arrival.idempotency_key,
            traceparent: arrival.traceparent,
            user_agent: arrival.user_agent,
            has_authorization: arrival.has_authorization,
            fault: None,
            started_micros,
            effect_micros: None,
            effect: None,
            finished_micros: None,
            outcome: Outcome::InFlight,
        });
        if kept.events.len() > EVENT_LIMIT {
            kept.events.pop_front();
        }
        sequence
    }

    /// Notes the fault that strikes a call.
    pub(super) fn struck(&self, sequence: u64, fault: &str) {
        self.change(sequence, |event, _| event.fault = Some(fault.to_owned()));
    }

    /// Notes that a call was carried out, and on which load balancer.
    pub(super) fn carried_out(&self, sequence: u64, effect: Effect, on: Option<(&str, &str)>) {
        self.change(sequence, |event, now| {
            event.effect_micros = Some(now);
            event.effect = Some(effect);
            if let Some((id, name)) = on {
                event.id = Some(id.to_owned());
                event.name = Some(name.to_owned());
            }
        });
    }

    /// Notes how a call ended for its caller; only the first end counts.
    pub(super) fn ended(&self, sequence: u64, outcome: Outcome) {
        self.change(sequence, |event, now| {
            if event.outcome == Outcome::InFlight {
                event.finished_micros = Some(now);
                event.outcome = outcome;
            }
        });
    }

    /// The latest sequence number.
    pub(super) fn last(&self) -> u64 {
        self.kept.lock().last
    }

    /// The events after this sequence number.
    pub(super) fn after(&self, sequence: u64) -> Vec<Event> {
        let kept = self.kept.lock();
        let from = kept
            .events
            .partition_point(|event| event.sequence <= sequence);
        kept.events.range(from..).cloned().collect()
    }

    fn change(&self, sequence: u64, apply: impl FnOnce(&mut Event, u64)) {
        let mut kept = self.kept.lock();
        let now = self.now();
        let found = kept
            .events
            .binary_search_by_key(&sequence, |event| event.sequence);
        if let Some(event) = found.ok().and_then(|index| kept.events.get_mut(index)) {
            apply(event, now);
        }
    }

    /// Microseconds since the start.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}
