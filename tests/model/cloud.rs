//! The clouds: idempotent by name, with owners and ids, as in
//! `docs/cloud-api.openapi.yaml`. They check no fencing token.

use my_cloud_controller_manager::plan::record::Ingress;

use crate::names;
use crate::rules::Rule;
use crate::state::{Balancer, Id, Kind, Phase, State, Violations};
use crate::world::World;

/// A create or an update was refused.
#[derive(Debug)]
pub struct Refused;

impl World {
    /// A create arrives.
    pub fn create(
        &self,
        state: &mut State,
        cloud: u8,
        uid: u8,
        bandwidth: u8,
    ) -> Result<Balancer, Refused> {
        let is_idempotent = self.keeps(Rule::IdempotentByName);
        if let Some(found) = state.by_name(cloud, uid).filter(|_| is_idempotent) {
            let is_usable = found.is_ours && found.phase != Phase::Deleting;
            return is_usable.then_some(found).ok_or(Refused);
        }
        let count = &mut state.created[usize::from(cloud)][usize::from(uid)];
        let nth = *count;
        *count += 1;
        let created = Balancer {
            id: Id { cloud, uid, nth },
            is_ours: true,
            is_retained: false,
            bandwidth,
            phase: if self.scenario.is_slow {
                Phase::Provisioning
            } else {
                Phase::Active
            },
        };
        state.balancers.push(created);
        Ok(created)
    }

    /// An update arrives.
    pub fn update(&self, state: &mut State, id: Id, bandwidth: u8) -> Result<Balancer, Refused> {
        let found = state.balancers.iter_mut().find(|found| found.id == id);
        let found = found.ok_or(Refused)?;
        state.violations.hijack |= !found.is_ours;
        if found.phase == Phase::Deleting {
            return Err(Refused);
        }
        found.bandwidth = bandwidth;
        Ok(*found)
    }

    /// A delete arrives.
    pub fn delete(&self, state: &mut State, id: Id) {
        let Some(found) = state.by_id(id) else {
            return;
        };
        self.check_delete(state, found);
        if !self.scenario.is_slow {
            state.balancers.retain(|other| other.id != id);
        } else if let Some(found) = state.balancers.iter_mut().find(|other| other.id == id) {
            found.phase = Phase::Deleting;
        }
    }

    fn check_delete(&self, state: &mut State, found: Balancer) {
        let Violations {
            hijack,
            wrong_delete,
            gap,
            published_gone,
            not_retained: _,
            recorded_undone: _,
        } = &mut state.violations;
        *hijack |= !found.is_ours;
        let Some(live) = state.service.map(|live| live.facts) else {
            return;
        };
        let is_wanted =
            live.uid == found.id.uid && !live.deleting && live.spec.kind == Kind::LoadBalancer;
        // A delete that was sent while the user did not want it may arrive when it is wanted again.
        if !found.is_ours || !is_wanted || self.has_returned(state.edits) {
            return;
        }
        if live.spec.clouds & (1 << found.id.cloud) != 0 {
            *wrong_delete = true;
            return;
        }
        let published = &live.published.get().ingress;
        *published_gone |= published.contains(&Ingress::Ip(names::address(found.id)));
        let serves = |cloud: &u8| {
            state.balancers.iter().any(|other| {
                (other.id.cloud, other.id.uid) == (*cloud, live.uid) && other.phase == Phase::Active
            })
        };
        let wanted = (0..crate::state::CLOUDS).filter(|cloud| live.spec.clouds & (1 << cloud) != 0);
        *gap |= !wanted.into_iter().all(|cloud| serves(&cloud));
    }

    /// A release arrives: the owner is taken off, for the owner alone.
    pub fn release(&self, state: &mut State, id: Id) {
        let live = state.service.map(|live| live.facts);
        let is_wanted = live.is_some_and(|live| {
            live.uid == id.uid && !live.deleting && live.spec.kind == Kind::LoadBalancer
        });
        // As with a delete that was sent while the user did not want it.
        state.violations.wrong_delete |= is_wanted && !self.has_returned(state.edits);
        for found in state.balancers.iter_mut().filter(|found| found.id == id) {
            found.is_retained |= found.is_ours;
            found.is_ours = false;
        }
    }

    /// A slow cloud finishes providing or deleting one of its load balancers.
    pub fn progress(state: &mut State, id: Id) {
        match state.by_id(id).map(|found| found.phase) {
            Some(Phase::Provisioning) => {
                for found in state.balancers.iter_mut().filter(|found| found.id == id) {
                    found.phase = Phase::Active;
                }
            }
            Some(Phase::Deleting) => state.balancers.retain(|found| found.id != id),
            Some(Phase::Active) | None => {}
        }
    }
}
