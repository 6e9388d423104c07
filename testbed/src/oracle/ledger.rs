//! What the calls of one cloud did, one after the other.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};

use super::Wishes;
use crate::cloud::{CloudSimulator, Code, Effect, Event};

/// What the calls of one cloud did so far. It is for one cluster.
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
    /// Something happened that must not: a second load balancer of a Service
    /// while the first stood; a delete of what was wanted all the time since it
    /// was made, or of what was never made; an effect of a term that was over.
    pub fn read(&mut self, cloud: &CloudSimulator, wishes: &Wishes) -> Result<()> {
        let mut calls = cloud.events_after(self.last);
        let is_over = |call: &Event| call.effect.is_some() || call.finished_micros.is_some();
        let over = calls.iter().take_while(|call| is_over(call)).count();
        calls.truncate(over);
        self.last = calls.last().map_or(self.last, |call| call.sequence);
        calls.retain(|call| call.verb.is_mutation() && call.effect.is_some());
        calls.sort_by_key(|call| call.effect_micros);
        for call in &calls {
            self.enter(cloud.name(), call, wishes)
                .with_context(|| format!("{}: {call:?}", cloud.name()))?;
        }
        Ok(())
    }

    fn enter(&mut self, cloud: &str, call: &Event, wishes: &Wishes) -> Result<()> {
        if let Some(Effect::Refused(code)) = call.effect {
            self.fenced += usize::from(code == Code::FailedPrecondition);
            return Ok(());
        }
        let term = call.fencing_token.context("a write without a term")?;
        ensure!(term >= self.term, "term {} had an effect before", self.term);
        self.term = term;
        let id = call.id.clone().context("an id")?;
        match call.effect {
            Some(Effect::Created) => {
                let uid = uid(call).context("an owner")?;
                let first = self.standing.insert(uid, (id.clone(), took_effect(call)));
                let first = first.filter(|(first, _)| !self.was_removed(first, call));
                ensure!(first.is_none(), "{first:?} stands");
                self.made.insert(id);
            }
            Some(Effect::Deleted) => {
                ensure!(self.made.contains(&id), "it was never made by a call");
                if self.was_removed(&id, call) {
                    return Ok(());
                }
                let of = self
                    .standing
                    .iter()
                    .find(|(_, (standing, _))| *standing == id);
                let Some((uid, (_, made))) = of.map(|(uid, found)| (uid.clone(), found.clone()))
                else {
                    // Again, while the cloud was at it.
                    return Ok(());
                };
                let held = wishes.held(&uid, cloud, made, took_effect(call));
                ensure!(!held, "{uid} has wanted it all the time since {made}");
                self.standing.remove(&uid);
            }
            _ => {}
        }
        Ok(())
    }

    /// A load balancer went without a call, right after an instant that
    /// [`CloudSimulator::micros`] gave. Say so before what came after it is read.
    pub fn removed(&mut self, id: &str, micros: u64) {
        self.removed.insert(id.to_owned(), micros);
    }

    /// Whether it was gone, by somebody else's hand, when this call took effect.
    fn was_removed(&self, id: &str, call: &Event) -> bool {
        let removed = self.removed.get(id);
        removed.is_some_and(|removed| call.effect_micros.is_some_and(|effect| *removed <= effect))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A call that took effect at this second, in this term.
    fn call(second: i64, term: u64, effect: Effect, id: &str) -> Event {
        let call = json!({
            "sequence": 1, "at": Timestamp::from_second(second).unwrap(), "verb": "create",
            "name": "web", "id": id, "request": {"owner": {"uid": "u"}}, "fencingToken": term,
            "hasAuthorization": false, "startedMicros": second * 1_000_000,
            "effectMicros": second * 1_000_000, "effect": effect,
            "outcome": "inFlight",
        });
        serde_json::from_value(call).unwrap()
    }

    fn wishes() -> Wishes {
        let wishes = Wishes::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        wishes.change("u", &["cloud1".to_owned()].into(), at(10), at(11));
        wishes.change("u", &BTreeSet::new(), at(50), at(51));
        wishes
    }

    /// Whether it may happen that these follow each other.
    fn may_be<const N: usize>(calls: [(i64, u64, Effect, &str); N]) -> bool {
        may_follow(Ledger::default(), calls)
    }

    fn may_follow<const N: usize>(
        mut ledger: Ledger,
        calls: [(i64, u64, Effect, &str); N],
    ) -> bool {
        let wishes = wishes();
        let entered = calls
            .map(|(second, term, effect, id)| call(second, term, effect, id))
            .map(|call| ledger.enter("cloud1", &call, &wishes).is_ok());
        assert!(
            entered[..N - 1].iter().all(|fine| *fine),
            "only the last is judged"
        );
        entered[N - 1]
    }

    #[test]
    fn what_must_not_happen_is_noticed() {
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
        assert!(!may_be([made, (30, 7, Deleted, "lb-1")]), "it was wanted");
        assert!(!may_be([made, (60, 7, Deleted, "lb-9")]), "somebody else's");
        assert!(may_be([made, (30, 8, Updated, "lb-1")]));
        assert!(!may_be([made, (30, 6, Updated, "lb-1")]), "an older term");
        let refused = Refused(Code::FailedPrecondition);
        assert!(may_be([made, (30, 6, refused, "lb-1")]));
    }

    #[test]
    fn what_somebody_removed_stands_until_then() {
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
            "it was wanted"
        );
        assert!(may_follow(removed(), [made, (31, 7, Deleted, "lb-1")]));
        assert!(
            !may_follow(removed(), [made, remade, (32, 7, Created, "lb-3")]),
            "only the first went"
        );
        assert!(
            !may_follow(removed(), [made, remade, (40, 7, Deleted, "lb-2")]),
            "the second is wanted too"
        );
    }
}
