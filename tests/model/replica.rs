//! The memory of a replica, and the request of its next step. Mirrors
//! `src/controller/memory/mutation_cache.rs`, `src/cloud/inventory.rs` and the
//! patches of `src/controller/apply/service.rs`.

use my_cloud_controller_manager::plan::record::Publication;

use crate::execution::{self, LaneNumber};
use crate::names;
use crate::shipped;
use crate::state::{Balancer, Facts, Id, Object, Replica, Request, Run, State};
use crate::step::Step;

impl Replica {
    /// Mirrors `MutationCache::newest`; a write that the watch has shown is dropped already.
    pub fn newest(&self) -> Option<Object> {
        self.own_write.or(self.cache.flatten())
    }

    pub fn find(&self, cloud: u8, uid: u8) -> Option<Balancer> {
        let mut all = self.inventory.iter();
        all.find(|found| (found.id.cloud, found.id.uid) == (cloud, uid))
            .copied()
    }

    /// The requests of all effects that are under way.
    pub fn requests(&self) -> impl Iterator<Item = Request> {
        self.under_way()
            .filter_map(|(at, run)| run.request(at.lane))
    }

    /// Whether an effect that was left behind is under way at a cloud.
    pub fn awaits(&self, cloud: u8) -> bool {
        let mut left = self.under_way().filter(|(at, _)| at.left.is_some());
        left.any(|(at, _)| at.lane == cloud + 1)
    }

    pub fn record(&mut self, found: Balancer) {
        let name = |id: Id| (id.cloud, id.uid);
        self.inventory
            .retain(|other| name(other.id) != name(found.id));
        self.inventory.push(found);
    }

    pub fn forget(&mut self, id: Id) {
        self.inventory.retain(|found| found.id != id);
    }
}

impl Run {
    /// The lanes in which an effect is under way.
    pub fn lanes(&self) -> impl Iterator<Item = LaneNumber> + use<> {
        execution::lanes(self.execution)
    }

    /// The effect that is under way in a lane.
    pub fn step(&self, lane: LaneNumber) -> Step {
        execution::step(self.execution, lane)
    }

    /// The request of a step, if it would change something.
    pub fn request(&self, lane: LaneNumber) -> Option<Request> {
        match self.step(lane) {
            Step::AddFinalizer | Step::Publish | Step::RemoveFinalizer { .. } => {
                let to = self.patched(lane)?;
                (to != self.object.facts).then_some(Request::Patch {
                    from: self.object.version,
                    to,
                })
            }
            Step::Create {
                cloud,
                uid,
                bandwidth,
            } => Some(Request::Create {
                cloud,
                uid,
                bandwidth,
            }),
            Step::Update { id, bandwidth } => Some(Request::Update { id, bandwidth }),
            Step::Delete { id } => Some(Request::Delete { id }),
            Step::Undo { id } => Some(Request::Undo { id }),
            Step::Release { id } => Some(Request::Release { id }),
            Step::ConfirmLive
            | Step::AwaitServing
            | Step::ConfirmGone { .. }
            | Step::CheckService => None,
        }
    }

    /// Whether a step is a read.
    pub fn reads(&self, lane: LaneNumber) -> bool {
        matches!(
            self.step(lane),
            Step::ConfirmLive | Step::ConfirmGone { .. }
        )
    }

    /// Whether the finalizer is being added to a Service without one.
    pub fn adds_finalizer(&self, state: &State) -> bool {
        let mut lanes = self.lanes();
        lanes.any(|lane| self.step(lane) == Step::AddFinalizer)
            && state.service == Some(self.object)
            && !self.object.facts.finalizer
    }

    /// Whether the record of the Service has a load balancer.
    pub fn has_recorded(&self, id: Id) -> bool {
        let record = &self.object.facts.published.get().record;
        record.get(&names::cloud_name(id.cloud)) == Some(&names::load_balancer_id(id))
    }

    /// The Service as a step would leave it.
    pub fn patched(&self, lane: LaneNumber) -> Option<Facts> {
        let facts = self.object.facts;
        Some(match self.step(lane) {
            Step::AddFinalizer => Facts {
                finalizer: true,
                published: execution::announcement(self.execution, facts.published),
                ..facts
            },
            Step::Publish => Facts {
                published: execution::publication(self.execution),
                ..facts
            },
            Step::RemoveFinalizer { clear_status } => {
                let kept = facts.published.get().ingress.clone();
                let ingress = if clear_status { Vec::new() } else { kept };
                Facts {
                    finalizer: false,
                    published: shipped::intern(Publication {
                        ingress,
                        ..Publication::default()
                    }),
                    ..facts
                }
            }
            _ => return None,
        })
    }
}
