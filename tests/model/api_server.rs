//! kube-apiserver for one Service: resourceVersions, finalizers, and the edits of
//! the user.

use my_cloud_controller_manager::plan::record::Publication;

use crate::names;
use crate::rules::Rule;
use crate::scenario::Edit;
use crate::shipped;
use crate::state::{Facts, Kind, Object, Spec, State};
use crate::world::{FORGED, World};

/// Why a patch was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The Service does not exist.
    Gone,
    /// The Service is not in the state that the patch was computed from.
    Conflict,
}

impl World {
    /// A Service as its user creates it.
    pub fn fresh(&self, uid: u8) -> Facts {
        Facts {
            uid,
            deleting: false,
            finalizer: false,
            spec: self.scenario.spec,
            published: shipped::intern(Publication::default()),
        }
    }

    /// A patch to `to` arrives that was computed from version `from`.
    pub fn patch(&self, state: &mut State, from: u8, to: Facts) -> Result<Object, Refusal> {
        let live = state.service.ok_or(Refusal::Gone)?;
        let facts = if live.version == from {
            to
        } else if self.keeps(Rule::Precondition) {
            return Err(Refusal::Conflict);
        } else {
            Facts {
                finalizer: to.finalizer,
                published: to.published,
                ..live.facts
            }
        };
        Ok(store(state, facts))
    }

    /// The user makes an edit, if it is possible now.
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
                published: shipped::intern(Publication {
                    record: [(names::cloud_name(0), names::load_balancer_id(FORGED))]
                        .into_iter()
                        .collect(),
                    ingress: live.facts.published.get().ingress.clone(),
                    modes: live.facts.published.get().modes.clone(),
                }),
                ..live.facts
            },
            (_, Some(live)) => Facts {
                spec: rewrite(live.facts.spec, edit),
                ..live.facts
            },
        };
        store(state, facts);
        state.edits += 1;
        Some(())
    }

    /// A DELETE races the patch that adds our finalizer: the response is that of
    /// a patch that won, and the object is gone all the same. Seen on
    /// kube-apiserver v1.37.2.
    pub fn raced_delete(state: &mut State, to: Facts) -> Object {
        let patched = store(state, to);
        state.earlier = state.service.take();
        state.edits += 1;
        state.uncertain = true;
        patched
    }
}

fn rewrite(spec: Spec, edit: Edit) -> Spec {
    match edit {
        Edit::Leave(kind) => Spec { kind, ..spec },
        Edit::Return => Spec {
            kind: Kind::LoadBalancer,
            ..spec
        },
        Edit::Clouds(clouds) => Spec { clouds, ..spec },
        Edit::Bandwidth => Spec {
            bandwidth: 1,
            ..spec
        },
        Edit::Forge | Edit::Delete | Edit::Recreate => spec,
    }
}

/// Stores a new version; an object that is being deleted disappears with its last finalizer.
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
