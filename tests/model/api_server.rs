//! kube-apiserver for one Service: resourceVersions, finalizers, and what the
//! user does.

use my_cloud_controller_manager::plan::record::Publication;

use crate::names;
use crate::rules::Rule;
use crate::scenario::Edit;
use crate::shipped;
use crate::state::{Facts, Kind, Object, State, Wish};
use crate::world::{FORGED, World};

/// Why a patch was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no Service of this name.
    Gone,
    /// It is not in the state that the patch was computed from.
    Conflict,
}

impl World {
    /// A Service as its user makes it.
    pub fn fresh(&self, uid: u8) -> Facts {
        Facts {
            uid,
            deleting: false,
            finalizer: false,
            wish: self.scenario.wish,
            says: shipped::publication(Publication::default()),
        }
    }

    /// A patch arrives: computed from version `from`, meant to make it `to`.
    pub fn patch(&self, state: &mut State, from: u8, to: Facts) -> Result<Object, Refusal> {
        let live = state.service.ok_or(Refusal::Gone)?;
        let facts = if live.version == from {
            to
        } else if self.keeps(Rule::Precondition) {
            return Err(Refusal::Conflict);
        } else {
            Facts {
                finalizer: to.finalizer,
                says: to.says,
                ..live.facts
            }
        };
        Ok(store(state, facts))
    }

    /// The user does the next thing, if it can be done now.
    pub fn edit(&self, state: &mut State, edit: Edit) -> Option<()> {
        let facts = match (edit, state.service) {
            (Edit::Recreate, None) => self.fresh(1),
            (Edit::Recreate, Some(_)) | (_, None) => return None,
            (_, Some(live)) if live.facts.deleting => return None,
            (Edit::Delete, Some(live)) => Facts {
                deleting: true,
                ..live.facts
            },
            (Edit::Forge, Some(live)) => Facts {
                says: shipped::publication(Publication {
                    record: [(names::cloud_name(0), names::load_balancer_id(FORGED))]
                        .into_iter()
                        .collect(),
                    ingress: live.facts.says.get().ingress.clone(),
                }),
                ..live.facts
            },
            (_, Some(live)) => Facts {
                wish: rewrite(live.facts.wish, edit),
                ..live.facts
            },
        };
        store(state, facts);
        state.edits += 1;
        Some(())
    }

    /// A DELETE races the patch that puts our finalizer on: the patch is
    /// answered as if it had won, and the object is gone all the same. Seen on
    /// kube-apiserver v1.37.2.
    pub fn raced_delete(state: &mut State, to: Facts) -> Object {
        let answered = store(state, to);
        state.earlier = state.service.take();
        state.edits += 1;
        state.doubt = true;
        answered
    }
}

fn rewrite(wish: Wish, edit: Edit) -> Wish {
    match edit {
        Edit::Leave(kind) => Wish { kind, ..wish },
        Edit::Return => Wish {
            kind: Kind::LoadBalancer,
            ..wish
        },
        Edit::Clouds(clouds) => Wish { clouds, ..wish },
        Edit::Bandwidth => Wish {
            bandwidth: 1,
            ..wish
        },
        Edit::Forge | Edit::Delete | Edit::Recreate => wish,
    }
}

/// Stores a new version; an object that is being deleted goes with its last finalizer.
fn store(state: &mut State, facts: Facts) -> Object {
    let stored = Object {
        version: state.newest_version() + 1,
        facts,
    };
    let is_gone = facts.deleting && !facts.finalizer;
    state.earlier = state.service;
    state.service = (!is_gone).then_some(stored);
    stored
}
