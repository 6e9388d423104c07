//! Steps one to three of a reconcile, the lists and the sweep: mirrors the
//! order of effects in `src/controller/observe.rs`, `inventories.rs` and
//! `sweep.rs`. Whatever decides something is the shipped code (`crate::shipped`).

use crate::rules::Rule;
use crate::shipped::{self, Sight};
use crate::state::{Balancer, CLOUDS, Facts, Id, Object, Phase, Run, State};
use crate::world::World;

impl World {
    /// Steps one to three: observe the Service, observe the clouds, plan.
    pub fn start(&self, state: &mut State, number: usize, silent: Option<u8>) -> Option<()> {
        let object = state.replicas[number].newest()?;
        let uid = object.facts.uid;
        let listed = [0, 1].map(|cloud| state.replicas[number].known(cloud, uid).is_some());
        let asks = shipped::asks(object.facts);
        if !asks.is_ours {
            return None;
        }
        let mut sights = [Sight::NotAsked; CLOUDS as usize];
        let mut was_silent = false;
        for cloud in 0..CLOUDS {
            let is_listed = listed[usize::from(cloud)] && self.keeps(Rule::AskWhereListed);
            if asks.clouds & (1 << cloud) != 0 || is_listed {
                let is_silent = silent == Some(cloud);
                let recorded = asks.recorded[usize::from(cloud)];
                let sight = self.look(state, number, object.facts, cloud, recorded, is_silent);
                was_silent |= sight == Sight::Unreachable;
                sights[usize::from(cloud)] = match sight {
                    Sight::Unreachable if !self.keeps(Rule::SilenceProvesNothing) => Sight::Absent,
                    sight => sight,
                };
            }
        }
        if silent.is_some() && !was_silent {
            return None;
        }
        let planned = shipped::plan_for(object.facts, sights, self.broken);
        state.replicas[number].run = Some(Run {
            object,
            execution: planned.execution?,
            plan: planned.plan,
        });
        Some(())
    }

    /// Mirrors `Look::view` in `src/controller/observe.rs`.
    fn look(
        &self,
        state: &mut State,
        number: usize,
        facts: Facts,
        cloud: u8,
        recorded: Option<Id>,
        is_silent: bool,
    ) -> Sight {
        let is_ours = |found: Balancer| found.is_ours && found.id.uid == facts.uid;
        let replica = &mut state.replicas[number];
        if !facts.finalizer && recorded.is_none() {
            return Sight::Absent;
        }
        if let Some(known) = replica.known(cloud, facts.uid) {
            if known.phase == Phase::Active && is_ours(known) {
                return Sight::Present(known);
            }
            replica.forget(known.id);
        } else if !self.keeps(Rule::ListProvesNothing) {
            return Sight::Absent;
        }
        if is_silent {
            return Sight::Unreachable;
        }
        if let Some(named) = state.by_name(cloud, facts.uid) {
            state.replicas[number].learn(named);
            let is_proven = is_ours(named) || !self.keeps(Rule::OwnerOfName);
            return if is_proven {
                Sight::Present(named)
            } else {
                Sight::NameTaken
            };
        }
        match recorded.and_then(|id| state.by_id(id)) {
            Some(found) if is_ours(found) || !self.keeps(Rule::OwnerOfRecord) => {
                Sight::Present(found)
            }
            Some(_) | None => Sight::Absent,
        }
    }

    /// A list of one cloud, and the sweep over it: mirrors `CloudInHand::list`
    /// and `Sweep::look`, without the grace period.
    pub fn list(&self, state: &mut State, number: usize, cloud: u8, is_lacking: bool) {
        let mut listed: Vec<Balancer> = state.on(cloud).filter(|found| found.is_ours).collect();
        if is_lacking {
            listed.pop();
        }
        let replica = &mut state.replicas[number];
        replica.inventory.retain(|found| found.id.cloud != cloud);
        replica.inventory.extend(listed.iter().copied());
        let Some(shown) = replica.cache else {
            return;
        };
        for found in listed {
            if self.is_orphan(state, shown, found) {
                self.delete(state, found.id);
                state.replicas[number].forget(found.id);
            }
        }
    }

    /// Whether the sweep deletes a load balancer.
    pub fn is_orphan(&self, state: &State, shown: Option<Object>, found: Balancer) -> bool {
        // Mirrors `keeps` in `sweep.rs`: a Service that is not ours any more has none.
        let is_kept = |object: &Object| {
            shipped::asks(object.facts).is_ours || !self.keeps(Rule::SweepSeesReleased)
        };
        let uid = |object: Object| object.facts.uid;
        let shown = shown.filter(is_kept);
        let live = state.service.filter(is_kept);
        let is_gone = live.is_none_or(|live| uid(live) != found.id.uid);
        self.sweeps
            && self.keeps(Rule::Sweep)
            && shipped::is_suspect(found, shown.map(uid))
            && (is_gone || !self.keeps(Rule::SweepReadsLive))
    }
}
