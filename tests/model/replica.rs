//! What a replica knows, and what the step that it is at asks for: mirrors
//! `src/controller/own_writes.rs`, `src/cloud/inventory.rs` and what
//! `src/controller/apply.rs` writes.

use my_cloud_controller_manager::plan::record::Publication;

use crate::shipped;
use crate::state::{Balancer, Facts, Id, Object, Replica, Request, Run, State};
use crate::step::Step;

impl Replica {
    /// Mirrors `OwnWrites::newest`; what the watch overtook is dropped already.
    pub fn newest(&self) -> Option<Object> {
        self.own.or(self.cache.flatten())
    }

    pub fn known(&self, cloud: u8, uid: u8) -> Option<Balancer> {
        let mut all = self.inventory.iter();
        all.find(|found| (found.id.cloud, found.id.uid) == (cloud, uid))
            .copied()
    }

    pub fn learn(&mut self, found: Balancer) {
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
    /// The next effect.
    pub fn step(&self) -> Step {
        shipped::step(self.execution)
    }

    /// The change that the next step requests, if it is one.
    pub fn request(&self) -> Option<Request> {
        match self.step() {
            Step::AddFinalizer | Step::Publish | Step::RemoveFinalizer { .. } => {
                let to = self.patched()?;
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
            Step::Delete { id } | Step::Undo { id } => Some(Request::Delete { id }),
            Step::ConfirmLive
            | Step::AwaitServing
            | Step::ConfirmGone { .. }
            | Step::CheckService => None,
        }
    }

    /// Whether the next step sends a request that changes nothing.
    pub fn reads(&self) -> bool {
        matches!(self.step(), Step::ConfirmLive | Step::ConfirmGone { .. })
    }

    /// Whether the next step puts the finalizer on a Service that has none.
    pub fn puts_finalizer_on(&self, state: &State) -> bool {
        self.step() == Step::AddFinalizer
            && state.service == Some(self.object)
            && !self.object.facts.finalizer
    }

    /// What the next step makes of the Service.
    pub fn patched(&self) -> Option<Facts> {
        let facts = self.object.facts;
        Some(match self.step() {
            Step::AddFinalizer => Facts {
                finalizer: true,
                ..facts
            },
            Step::Publish => Facts {
                says: shipped::says(self.execution),
                ..facts
            },
            Step::RemoveFinalizer { clear_status } => {
                let kept = facts.says.get().ingress.clone();
                let ingress = if clear_status { Vec::new() } else { kept };
                Facts {
                    finalizer: false,
                    says: shipped::publication(Publication {
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
