//! What a replica observes: the steps of a reconcile up to its plan, the lists
//! of the clouds and the sweep over them. Mirrors the order of effects in
//! `src/controller/observe.rs` and `src/controller/orphans/sweep.rs`; the
//! decisions are those of the shipped code (`crate::shipped`).

use crate::names;
use crate::rules::Rule;
use crate::shipped::{self, ObservedCloud};
use crate::state::{Balancer, CLOUDS, Facts, Id, Object, Phase, Run, State};
use crate::world::World;

impl World {
    /// Observes the Service, observes the clouds, and plans.
    pub fn start(&self, state: &mut State, number: usize, unreachable: Option<u8>) -> Option<()> {
        let object = state.replicas[number].newest()?;
        let uid = object.facts.uid;
        let listed = [0, 1].map(|cloud| state.replicas[number].find(cloud, uid).is_some());
        let lookup = shipped::lookup(object.facts);
        if !lookup.is_ours {
            return None;
        }
        let mut observed_clouds = [ObservedCloud::NotQueried; CLOUDS as usize];
        let mut was_unreachable = false;
        for cloud in 0..CLOUDS {
            let is_listed = listed[usize::from(cloud)] && self.keeps(Rule::QueryWhereListed);
            if lookup.clouds & (1 << cloud) != 0 || is_listed {
                if state.replicas[number].awaits(cloud) && self.keeps(Rule::OneCallAtATime) {
                    observed_clouds[usize::from(cloud)] = ObservedCloud::Unanswered;
                    continue;
                }
                let is_unreachable = unreachable == Some(cloud);
                let recorded = lookup.recorded[usize::from(cloud)];
                let seen = self.query(state, number, object.facts, cloud, recorded, is_unreachable);
                was_unreachable |= seen == ObservedCloud::Unreachable;
                observed_clouds[usize::from(cloud)] = match seen {
                    ObservedCloud::Unreachable if !self.keeps(Rule::UnreachableIsNotAbsent) => {
                        ObservedCloud::Absent
                    }
                    seen => seen,
                };
            }
        }
        if unreachable.is_some() && !was_unreachable {
            return None;
        }
        let planned = shipped::plan_for(object.facts, observed_clouds, self.broken);
        let execution = planned.execution?;
        state.replicas[number].run = Some(Run { object, execution });
        Some(())
    }

    /// Mirrors `CloudQuery::run` in `src/controller/observe/cloud_query.rs`.
    fn query(
        &self,
        state: &mut State,
        number: usize,
        facts: Facts,
        cloud: u8,
        recorded: Option<Id>,
        is_unreachable: bool,
    ) -> ObservedCloud {
        let is_ours = |found: Balancer| found.is_ours && found.id.uid == facts.uid;
        let replica = &mut state.replicas[number];
        let record = &facts.published.get().record;
        if !facts.finalizer && !record.has(&names::cloud_name(cloud)) {
            return ObservedCloud::Absent;
        }
        if let Some(found) = replica.find(cloud, facts.uid) {
            if found.phase == Phase::Active && is_ours(found) {
                return ObservedCloud::Present(found);
            }
            replica.forget(found.id);
        } else if !self.keeps(Rule::UnlistedIsNotAbsent) {
            return ObservedCloud::Absent;
        }
        if is_unreachable {
            return ObservedCloud::Unreachable;
        }
        if let Some(named) = state.by_name(cloud, facts.uid) {
            state.replicas[number].record(named);
            let is_proven = is_ours(named) || !self.keeps(Rule::OwnerOfName);
            return if is_proven {
                ObservedCloud::Present(named)
            } else {
                ObservedCloud::NameTaken
            };
        }
        match recorded.and_then(|id| state.by_id(id)) {
            Some(found) if is_ours(found) || !self.keeps(Rule::OwnerOfRecord) => {
                ObservedCloud::Present(found)
            }
            Some(_) | None => ObservedCloud::Absent,
        }
    }

    /// Lists one cloud and sweeps over the list: mirrors `Inventory::load` and
    /// `Sweep::run`, without the grace period.
    pub fn list(&self, state: &mut State, number: usize, cloud: u8, is_lacking: bool) {
        let mut listed: Vec<Balancer> = state.on(cloud).filter(|found| found.is_ours).collect();
        if is_lacking {
            listed.pop();
        }
        let replica = &mut state.replicas[number];
        replica.inventory.retain(|found| found.id.cloud != cloud);
        replica.inventory.extend(listed.iter().copied());
        let Some(watched) = replica.cache else {
            return;
        };
        for found in listed {
            if self.is_orphan(state, watched, found) {
                self.delete(state, found.id);
                state.replicas[number].forget(found.id);
            }
        }
    }

    /// Whether the sweep deletes a load balancer.
    pub fn is_orphan(&self, state: &State, watched: Option<Object>, found: Balancer) -> bool {
        // A Service that is no longer ours has no load balancers.
        let is_kept = |object: &Object| {
            shipped::lookup(object.facts).is_ours || !self.keeps(Rule::SweepSeesReleased)
        };
        let uid = |object: Object| object.facts.uid;
        let watched = watched.filter(is_kept);
        let live = state.service.filter(is_kept);
        let is_gone = live.is_none_or(|live| uid(live) != found.id.uid);
        self.sweeps
            && self.keeps(Rule::Sweep)
            && shipped::is_suspect(found, watched.map(uid))
            && (is_gone || !self.keeps(Rule::SweepReadsLive))
    }
}
