//! Step four of a reconcile: mirrors the order of effects in
//! `src/controller/apply.rs`. Whatever decides something is the shipped code
//! (`crate::shipped`).

use crate::api_server::Refusal;
use crate::rules::Rule;
use crate::script::Step;
use crate::shipped;
use crate::state::{Balancer, Object, Run, State};
use crate::world::World;

/// How a step ended.
enum End {
    /// Done, with what the cloud answered if it did.
    Done(Option<Balancer>),
    /// Failed, for its cloud or altogether.
    Failed,
}

impl World {
    /// Step four: the next action, done and answered.
    pub fn step(&self, state: &mut State, number: usize) -> Option<()> {
        let mut run = state.replicas[number].run?;
        if run.undoing {
            self.undo_one(state, number, &mut run, true);
            state.replicas[number].run = run.skip_held_up(self);
            return Some(());
        }
        let end = match run.step()? {
            Step::AddFinalizer | Step::Publish | Step::RemoveFinalizer { .. } => {
                return self.write(state, number, run);
            }
            Step::ConfirmLive => confirm_live(state, number, &mut run),
            Step::Create {
                cloud,
                uid,
                bandwidth,
            } => match self.create(state, cloud, uid, bandwidth) {
                Ok(created) => {
                    run.created[usize::from(cloud)] = Some(created.id);
                    state.replicas[number].learn(created);
                    End::Done(Some(created))
                }
                Err(_) => End::Failed,
            },
            Step::Update { id, bandwidth } => match self.update(state, id, bandwidth) {
                Ok(updated) => {
                    state.replicas[number].learn(updated);
                    End::Done(Some(updated))
                }
                Err(_) => {
                    state.replicas[number].forget(id);
                    End::Failed
                }
            },
            Step::AwaitServing if shipped::serves(run.observed, run.script, run.next) => {
                End::Done(None)
            }
            Step::AwaitServing => End::Failed,
            Step::Delete { id } => {
                self.delete(state, id);
                End::Done(None)
            }
            Step::ConfirmGone { id } => match state.by_id(id) {
                None => {
                    state.replicas[number].forget(id);
                    End::Done(None)
                }
                Some(still) => {
                    state.replicas[number].learn(still);
                    End::Failed
                }
            },
        };
        state.replicas[number].run = self.after(run, end);
        Some(())
    }

    /// The next action got no answer.
    pub fn step_unanswered(&self, state: &mut State, number: usize) -> Option<()> {
        let mut run = state.replicas[number].run?;
        if run.undoing {
            self.undo_one(state, number, &mut run, false);
            state.replicas[number].run = run.skip_held_up(self);
            return Some(());
        }
        match run.step()? {
            Step::Publish => {
                state.replicas[number].run = self.undo_if_gone(state, run);
                return Some(());
            }
            Step::Update { id, .. } => state.replicas[number].forget(id),
            _ => {}
        }
        state.replicas[number].run = self.after(run, End::Failed);
        Some(())
    }

    /// The finalizer's patch is answered, and the object is gone.
    pub fn step_raced(&self, state: &mut State, number: usize) -> Option<()> {
        let mut run = state.replicas[number].run?;
        let answered = Self::raced_delete(state, run.patched()?);
        remember(state, number, &mut run, answered);
        state.replicas[number].run = self.after(run, End::Done(None));
        Some(())
    }

    /// A patch of the Service: mirrors `Run::patch` and the steps that use it.
    fn write(&self, state: &mut State, number: usize, mut run: Run) -> Option<()> {
        let (step, to) = (run.step()?, run.patched()?);
        let answer = if to == run.object.facts {
            Ok(run.object)
        } else {
            self.patch(state, run.object.version, to)
        };
        let end = match (step, answer) {
            (_, Ok(written)) => {
                remember(state, number, &mut run, written);
                if step == Step::Publish {
                    run.created = Default::default();
                }
                let is_too_late = step == Step::AddFinalizer && written.facts.deleting;
                if is_too_late {
                    End::Failed
                } else {
                    End::Done(None)
                }
            }
            (Step::RemoveFinalizer { .. }, Err(Refusal::Gone)) => End::Done(None),
            (_, Err(refusal)) => {
                let live = state
                    .service
                    .filter(|live| live.facts.uid == run.object.facts.uid);
                if let (Refusal::Conflict, Some(live)) = (refusal, live) {
                    remember(state, number, &mut run, live);
                }
                if step == Step::Publish {
                    state.replicas[number].run = self.undo_if_gone(state, run);
                    return Some(());
                }
                End::Failed
            }
        };
        state.replicas[number].run = self.after(run, end);
        Some(())
    }

    /// Mirrors the loop of `apply`.
    fn after(&self, mut run: Run, end: End) -> Option<Run> {
        match end {
            End::Done(found) => {
                run.observed = shipped::record_outcome(run.observed, run.script, run.next, found);
            }
            End::Failed => run.failed |= 1 << run.step()?.cloud()?,
        }
        run.next += 1;
        run.skip_held_up(self)
    }

    /// Mirrors `Run::undo_creates_if_gone`.
    fn undo_if_gone(&self, state: &State, mut run: Run) -> Option<Run> {
        let is_gone = state
            .service
            .is_none_or(|live| live.facts.uid != run.object.facts.uid);
        if !is_gone || !self.keeps(Rule::UndoWhenGone) {
            return None;
        }
        run.undoing = true;
        run.skip_held_up(self)
    }

    fn undo_one(&self, state: &mut State, number: usize, run: &mut Run, is_answered: bool) {
        let Some(id) = run.created.iter_mut().find_map(Option::take) else {
            return;
        };
        if is_answered {
            self.delete(state, id);
            state.replicas[number].forget(id);
        }
    }
}

fn remember(state: &mut State, number: usize, run: &mut Run, object: Object) {
    run.object = object;
    state.replicas[number].own = Some(object);
}

fn confirm_live(state: &mut State, number: usize, run: &mut Run) -> End {
    let same = state
        .service
        .filter(|live| live.facts.uid == run.object.facts.uid);
    let Some(live) = same else {
        return End::Failed;
    };
    let is_unchanged = live.version == run.object.version;
    remember(state, number, run, live);
    if is_unchanged {
        End::Done(None)
    } else {
        End::Failed
    }
}
