//! The effects of the calls of one cloud, in order.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{DesiredHistory, Guarantee, Violation};
use crate::cloud::{CloudSimulator, Code, Effect, Event};

/// The effects of the calls of one cloud so far. It is for one cluster.
#[derive(Debug, Default)]
pub struct Ledger {
    /// The last call that was read.
    last: u64,
    /// The load balancer of each Service, with the time of its create.
    standing: BTreeMap<String, (String, Timestamp)>,
    /// Ids that were ever made.
    made: BTreeSet<String>,
    /// Ids that went without a call, with an instant just before, as events count.
    removed: BTreeMap<String, u64>,
    /// The highest term that had an effect.
    term: u64,
    /// Calls of a term that was over when they arrived: the cloud refused them.
    pub fenced: usize,
}

/// Owner of what a create asked for.
fn uid(create: &Event) -> Option<String> {
    Some(create.request["owner"]["uid"].as_str()?.to_owned())
}

/// When a call took effect.
fn took_effect(call: &Event) -> Timestamp {
    let effect = call.effect_micros.unwrap_or(call.started_micros);
    let after = i64::try_from(effect - call.started_micros).unwrap_or(i64::MAX);
    call.at + SignedDuration::from_micros(after)
}

impl Ledger {
    /// Reads on, to the last call that is over.
    ///
    /// # Errors
    /// A call violated a guarantee: it created a second load balancer of a
    /// Service, deleted one that the Service had asked for all the time, changed
    /// one that no call had created, left one without back ends, or took effect
    /// although its term was over.
    pub fn read(
        &mut self,
        cloud: &CloudSimulator,
        history: &DesiredHistory,
    ) -> Result<(), Violation> {
        let mut calls = cloud.events_after(self.last);
        let is_over = |call: &Event| call.effect.is_some() || call.finished_micros.is_some();
        let over = calls.iter().take_while(|call| is_over(call)).count();
        calls.truncate(over);
        self.last = calls.last().map_or(self.last, |call| call.sequence);
        calls.retain(|call| call.verb.is_mutation() && call.effect.is_some());
        calls.sort_by_key(|call| call.effect_micros);
        for call in &calls {
            self.enter(cloud.name(), call, history)
                .map_err(|mut violation| {
                    let (cloud, observation) = (cloud.name(), violation.observation);
                    violation.observation = format!("{cloud}: {observation}: {call:?}");
                    violation
                })?;
        }
        Ok(())
    }

    fn enter(
        &mut self,
        cloud: &str,
        call: &Event,
        history: &DesiredHistory,
    ) -> Result<(), Violation> {
        if let Some(Effect::Refused(code)) = call.effect {
            self.fenced += usize::from(code == Code::FailedPrecondition);
            return Ok(());
        }
        self.check_term(call)?;
        let id = call.id.clone().unwrap_or_default();
        match call.effect {
            Some(Effect::Created) => {
                check_back_ends(call)?;
                self.created(call, id)
            }
            Some(Effect::Updated) => {
                check_back_ends(call)?;
                self.check_made(&id)
            }
            Some(Effect::Deleted) => {
                self.check_made(&id)?;
                self.deleted(cloud, call, &id, history)
            }
            _ => Ok(()),
        }
    }

    fn check_term(&mut self, call: &Event) -> Result<(), Violation> {
        let observation = match call.fencing_token {
            None => "a write without a term".to_owned(),
            Some(term) if term < self.term => {
                format!("term {} had an effect before", self.term)
            }
            Some(term) => {
                self.term = term;
                return Ok(());
            }
        };
        Err(Violation::new(Guarantee::OneWriter, observation))
    }

    fn check_made(&self, id: &str) -> Result<(), Violation> {
        if self.made.contains(id) {
            return Ok(());
        }
        let observation = format!("no call has created {id}");
        Err(Violation::new(Guarantee::NoHijack, observation))
    }

    fn created(&mut self, call: &Event, id: String) -> Result<(), Violation> {
        let Some(owner) = uid(call) else {
            let observation = "a load balancer without an owner";
            return Err(Violation::new(Guarantee::NoLeak, observation));
        };
        self.made.insert(id.clone());
        let first = self.standing.insert(owner, (id, took_effect(call)));
        match first.filter(|(first, _)| !self.was_removed(first, call)) {
            None => Ok(()),
            Some((first, _)) => {
                let observation = format!("{first} of the same Service exists");
                Err(Violation::new(Guarantee::NoDuplicate, observation))
            }
        }
    }

    fn deleted(
        &mut self,
        cloud: &str,
        call: &Event,
        id: &str,
        history: &DesiredHistory,
    ) -> Result<(), Violation> {
        if self.was_removed(id, call) {
            return Ok(());
        }
        let mut standing = self.standing.iter();
        let found = standing.find(|(_, (standing, _))| standing == id);
        let Some((uid, made)) = found.map(|(uid, (_, made))| (uid.clone(), *made)) else {
            // Repeated, while the cloud was at it.
            return Ok(());
        };
        if history.named_throughout(&uid, cloud, made, took_effect(call)) {
            let observation = format!("Service {uid} has asked for it all the time since {made}");
            return Err(Violation::new(Guarantee::NoDuplicate, observation));
        }
        self.standing.remove(&uid);
        Ok(())
    }

    /// Notes that a load balancer was removed without a call, right after an
    /// instant of [`CloudSimulator::micros`]; before the calls after it are read.
    pub fn removed(&mut self, id: &str, micros: u64) {
        self.removed.insert(id.to_owned(), micros);
    }

    /// Whether it had been removed without a call when this call took effect.
    fn was_removed(&self, id: &str, call: &Event) -> bool {
        let removed = self.removed.get(id);
        removed.is_some_and(|removed| call.effect_micros.is_some_and(|effect| *removed <= effect))
    }
}

fn check_back_ends(call: &Event) -> Result<(), Violation> {
    let back_ends = call.request["nodes"].as_array();
    if back_ends.is_some_and(|back_ends| !back_ends.is_empty()) {
        return Ok(());
    }
    let observation = "a load balancer without back ends";
    Err(Violation::new(Guarantee::NeverEmpty, observation))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A call that took effect at this second, in this term.
    fn call(second: i64, term: u64, effect: Effect, id: &str) -> Event {
        let call = json!({
            "sequence": 1, "at": Timestamp::from_second(second).unwrap(), "verb": "create",
            "name": "web", "id": id, "request": {"owner": {"uid": "u"}, "nodes": ["10.0.0.1"]}, "fencingToken": term,
            "hasAuthorization": false, "startedMicros": second * 1_000_000,
            "effectMicros": second * 1_000_000, "effect": effect,
            "outcome": "inFlight",
        });
        serde_json::from_value(call).unwrap()
    }

    fn history() -> DesiredHistory {
        let history = DesiredHistory::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        history.record("u", &["cloud1".to_owned()].into(), at(10), at(11));
        history.record("u", &BTreeSet::new(), at(50), at(51));
        history
    }

    /// Whether it may happen that these follow each other.
    fn may_be<const N: usize>(calls: [(i64, u64, Effect, &str); N]) -> bool {
        may_follow(Ledger::default(), calls)
    }

    fn may_follow<const N: usize>(
        mut ledger: Ledger,
        calls: [(i64, u64, Effect, &str); N],
    ) -> bool {
        let history = history();
        let entered = calls
            .map(|(second, term, effect, id)| call(second, term, effect, id))
            .map(|call| ledger.enter("cloud1", &call, &history).is_ok());
        assert!(
            entered[..N - 1].iter().all(|fine| *fine),
            "only the last call may violate a guarantee"
        );
        entered[N - 1]
    }

    #[test]
    fn a_violation_is_noticed() {
        use Effect::{Created, Deleted, Existed, Refused, Updated};
        let made = (20, 7, Created, "lb-1");
        assert!(may_be([made, (30, 7, Existed, "lb-1")]));
        assert!(!may_be([made, (30, 7, Created, "lb-2")]), "two at a time");
        assert!(may_be([made, (60, 7, Deleted, "lb-1")]));
        assert!(may_be([
            made,
            (60, 7, Deleted, "lb-1"),
            (61, 7, Created, "lb-2")
        ]));
        assert!(may_be([
            made,
            (60, 7, Deleted, "lb-1"),
            (61, 7, Deleted, "lb-1")
        ]));
        assert!(
            !may_be([made, (30, 7, Deleted, "lb-1")]),
            "the Service asks for it"
        );
        assert!(
            !may_be([made, (60, 7, Deleted, "lb-9")]),
            "no call created it"
        );
        assert!(may_be([made, (30, 8, Updated, "lb-1")]));
        assert!(
            !may_be([made, (30, 8, Updated, "lb-9")]),
            "no call created it"
        );
        assert!(!may_be([made, (30, 6, Updated, "lb-1")]), "an older term");
        let refused = Refused(Code::FailedPrecondition);
        assert!(may_be([made, (30, 6, refused, "lb-1")]));
    }

    #[test]
    fn a_violation_names_its_guarantee() {
        let created = call(20, 7, Effect::Created, "lb-1");
        let without = |pointer: &str| {
            let mut call = created.clone();
            *call.request.pointer_mut(pointer).unwrap() = json!(null);
            call
        };
        let no_term = Event {
            fencing_token: None,
            ..created.clone()
        };
        let cases = [
            (no_term, Guarantee::OneWriter),
            (without("/owner"), Guarantee::NoLeak),
            (without("/nodes"), Guarantee::NeverEmpty),
            (call(20, 7, Effect::Deleted, "lb-9"), Guarantee::NoHijack),
        ];
        for (call, expected) in cases {
            let entered = Ledger::default().enter("cloud1", &call, &history());
            assert_eq!(entered.unwrap_err().guarantee, expected, "{call:?}");
        }
    }

    #[test]
    fn a_load_balancer_that_was_removed_without_a_call_stands_until_then() {
        use Effect::{Created, Deleted};
        let removed = || {
            let mut ledger = Ledger::default();
            ledger.removed("lb-1", 30_000_000);
            ledger
        };
        let made = (20, 7, Created, "lb-1");
        let remade = (31, 7, Created, "lb-2");
        assert!(may_follow(removed(), [made, remade]));
        assert!(
            !may_follow(removed(), [made, (29, 7, Created, "lb-2")]),
            "while it stood"
        );
        assert!(
            !may_follow(removed(), [made, (29, 7, Deleted, "lb-1")]),
            "the Service asks for it"
        );
        assert!(may_follow(removed(), [made, (31, 7, Deleted, "lb-1")]));
        assert!(
            !may_follow(removed(), [made, remade, (32, 7, Created, "lb-3")]),
            "only the first went"
        );
        assert!(
            !may_follow(removed(), [made, remade, (40, 7, Deleted, "lb-2")]),
            "the Service asks for the second too"
        );
    }
}
