//! Step four of a reconcile: performs the effects of an `Execution` in this
//! world, as `src/controller/apply.rs` does at real clouds. What an effect
//! means for the rest of the plan is the shipped code's (`crate::shipped`).

use crate::api_server::Refusal;
use crate::rules::Rule;
use crate::shipped::{self, End};
use crate::state::{Object, Run, State};
use crate::step::Step;
use crate::world::World;

impl World {
    /// Step four: the next effect, performed and answered.
    pub fn step(&self, state: &mut State, number: usize) -> Option<()> {
        let mut run = state.replicas[number].run?;
        let end = match run.step() {
            Step::AddFinalizer | Step::Publish | Step::RemoveFinalizer { .. } => {
                self.write(state, number, &mut run)?
            }
            Step::ConfirmLive => confirm_live(state, number, &mut run),
            Step::Create {
                cloud,
                uid,
                bandwidth,
            } => match self.create(state, cloud, uid, bandwidth) {
                Ok(created) => {
                    state.replicas[number].learn(created);
                    End::Succeeded(Some(created))
                }
                Err(_) => End::Failed,
            },
            Step::Update { id, bandwidth } => match self.update(state, id, bandwidth) {
                Ok(updated) => {
                    state.replicas[number].learn(updated);
                    End::Succeeded(Some(updated))
                }
                Err(_) => {
                    state.replicas[number].forget(id);
                    End::Failed
                }
            },
            Step::AwaitServing if shipped::serves(run.execution) => End::Succeeded(None),
            Step::AwaitServing => End::Failed,
            Step::Delete { id } => {
                self.delete(state, id);
                End::Succeeded(None)
            }
            Step::ConfirmGone { id } => match state.by_id(id) {
                None => {
                    state.replicas[number].forget(id);
                    End::Succeeded(None)
                }
                Some(still) => {
                    state.replicas[number].learn(still);
                    End::Failed
                }
            },
            Step::CheckService => self.check_service(state, &run),
            Step::Undo { id } => {
                self.delete(state, id);
                state.replicas[number].forget(id);
                End::Undone
            }
        };
        self.advance(state, number, run, end);
        Some(())
    }

    /// The next effect got no response.
    pub fn step_unanswered(&self, state: &mut State, number: usize) -> Option<()> {
        let run = state.replicas[number].run?;
        let end = match run.step() {
            Step::Undo { .. } => End::Undone,
            Step::Update { id, .. } => {
                state.replicas[number].forget(id);
                End::Failed
            }
            _ => End::Failed,
        };
        self.advance(state, number, run, end);
        Some(())
    }

    /// The finalizer's patch is answered, and the object is gone.
    pub fn step_raced(&self, state: &mut State, number: usize) -> Option<()> {
        let mut run = state.replicas[number].run?;
        let answered = Self::raced_delete(state, run.patched()?);
        remember(state, number, &mut run, answered);
        self.advance(state, number, run, End::Succeeded(None));
        Some(())
    }

    /// A patch of the Service: mirrors `src/controller/apply/service.rs`.
    fn write(&self, state: &mut State, number: usize, run: &mut Run) -> Option<End> {
        let (step, to) = (run.step(), run.patched()?);
        let answer = if to == run.object.facts {
            Ok(run.object)
        } else {
            self.patch(state, run.object.version, to)
        };
        Some(match (step, answer) {
            (_, Ok(written)) => {
                remember(state, number, run, written);
                let is_too_late = step == Step::AddFinalizer && written.facts.deleting;
                if is_too_late {
                    End::Failed
                } else {
                    End::Succeeded(None)
                }
            }
            (Step::RemoveFinalizer { .. }, Err(Refusal::Gone)) => End::Succeeded(None),
            (_, Err(refusal)) => {
                let live = live(state, run);
                if let (Refusal::Conflict, Some(live)) = (refusal, live) {
                    remember(state, number, run, live);
                }
                End::Failed
            }
        })
    }

    /// Goes on to the next effect. The read of the Service after a publication
    /// that failed is no move of its own.
    fn advance(&self, state: &mut State, number: usize, mut run: Run, mut end: End) {
        while let Some(execution) = shipped::advance(run.execution, end, self.broken) {
            run.execution = execution;
            if run.step() != Step::CheckService {
                state.replicas[number].run = Some(run);
                return;
            }
            end = self.check_service(state, &run);
        }
        state.replicas[number].run = None;
    }

    fn check_service(&self, state: &State, run: &Run) -> End {
        let is_gone = live(state, run).is_none() && self.keeps(Rule::UndoWhenGone);
        End::ServiceChecked { is_gone }
    }
}

/// The live Service, if it is still the one of this run.
fn live(state: &State, run: &Run) -> Option<Object> {
    let live = state.service;
    live.filter(|live| live.facts.uid == run.object.facts.uid)
}

fn remember(state: &mut State, number: usize, run: &mut Run, object: Object) {
    run.object = object;
    state.replicas[number].own = Some(object);
}

fn confirm_live(state: &mut State, number: usize, run: &mut Run) -> End {
    let Some(live) = live(state, run) else {
        return End::Failed;
    };
    let is_unchanged = live.version == run.object.version;
    remember(state, number, run, live);
    if is_unchanged {
        End::Succeeded(None)
    } else {
        End::Failed
    }
}
