//! The step `apply` of a reconcile: performs the effects of an [`Execution`] in
//! this world, those of different lanes in every order, as `src/controller/apply.rs` and its rooms do at a real API
//! server and real clouds. The execution decides what follows from each.
//!
//! [`Execution`]: my_cloud_controller_manager::plan::execution::Execution

use crate::api_server::Refusal;
use crate::execution::{self, End, LaneNumber};
use crate::rules::Rule;
use crate::state::{At, Object, Run, State};
use crate::step::Step;
use crate::world::World;

/// The lane of writes to the Service.
const SERVICE: LaneNumber = 0;
const AT_SERVICE: At = At {
    left: None,
    lane: SERVICE,
};

impl World {
    /// Performs the effect in a lane, and its response arrives.
    pub fn step(&self, state: &mut State, number: usize, at: At) -> Option<()> {
        let mut run = state.replicas[number].run_at(at)?;
        let end = match run.step(at.lane) {
            Step::AddFinalizer | Step::Publish | Step::RemoveFinalizer { .. } => {
                self.write(state, number, &mut run, at.lane)?
            }
            Step::ConfirmLive => confirm_live(state, number, &mut run),
            Step::Create {
                cloud,
                uid,
                bandwidth,
            } => match self.create(state, cloud, uid, bandwidth) {
                Ok(created) => {
                    state.replicas[number].record(created);
                    End::Succeeded(Some(created))
                }
                Err(_) => End::Failed,
            },
            Step::Update { id, bandwidth } => match self.update(state, id, bandwidth) {
                Ok(updated) => {
                    state.replicas[number].record(updated);
                    End::Succeeded(Some(updated))
                }
                Err(_) => {
                    state.replicas[number].forget(id);
                    End::Failed
                }
            },
            Step::AwaitServing if execution::serves(run.execution) => End::Succeeded(None),
            Step::AwaitServing => End::Failed,
            Step::Release { id } => {
                state.replicas[number].forget(id);
                match state.by_id(id).filter(|found| found.is_ours) {
                    Some(_) => {
                        self.release(state, id);
                        End::Succeeded(None)
                    }
                    None => End::Failed,
                }
            }
            Step::Delete { id } => {
                state.violations.not_retained |= run.object.facts.spec.retains;
                self.delete(state, id);
                End::Succeeded(None)
            }
            Step::ConfirmGone { id } => match state.by_id(id) {
                None => {
                    state.replicas[number].forget(id);
                    End::Succeeded(None)
                }
                Some(still) => {
                    state.replicas[number].record(still);
                    End::Failed
                }
            },
            Step::CheckService => self.check_service(state, &run),
            Step::Undo { id } => {
                state.violations.recorded_undone |= run.has_recorded(id);
                // A query precedes it: another leader may have taken the owner off.
                if state.by_id(id).is_some_and(|found| found.is_ours) {
                    self.delete(state, id);
                }
                state.replicas[number].forget(id);
                End::Undone
            }
        };
        self.advance(state, number, run, at, end);
        Some(())
    }

    /// The reconcile goes on without the clouds whose responses are awaited.
    pub fn leave(&self, state: &mut State, number: usize) -> Option<()> {
        let replica = &mut state.replicas[number];
        let run = replica.run.take()?;
        replica.left.push(Run {
            execution: execution::leave(run.execution)?,
            ..run
        });
        Some(())
    }

    /// The response to an effect is lost. Whether its request arrives is another move.
    pub fn step_unanswered(&self, state: &mut State, number: usize, at: At) -> Option<()> {
        let run = state.replicas[number].run_at(at)?;
        let end = match run.step(at.lane) {
            Step::Undo { .. } => End::Undone,
            Step::Update { id, .. } => {
                state.replicas[number].forget(id);
                End::Failed
            }
            _ => End::Failed,
        };
        self.advance(state, number, run, at, end);
        Some(())
    }

    /// The patch of the finalizer succeeds, and the object is gone all the same.
    pub fn step_raced(&self, state: &mut State, number: usize) -> Option<()> {
        let mut run = state.replicas[number].run?;
        let patched = Self::raced_delete(state, run.patched(SERVICE)?);
        record(state, number, &mut run, patched);
        self.advance(state, number, run, AT_SERVICE, End::Succeeded(None));
        Some(())
    }

    /// Patches the Service.
    fn write(
        &self,
        state: &mut State,
        number: usize,
        run: &mut Run,
        lane: LaneNumber,
    ) -> Option<End> {
        let (step, to) = (run.step(lane), run.patched(lane)?);
        let response = if to == run.object.facts {
            Ok(run.object)
        } else {
            self.patch(state, run.object.version, to)
        };
        Some(match (step, response) {
            (_, Ok(written)) => {
                record(state, number, run, written);
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
                    record(state, number, run, live);
                }
                End::Failed
            }
        })
    }

    /// Goes on to the next effect. The Service is read in the same move in which
    /// its publication failed.
    fn advance(&self, state: &mut State, number: usize, mut run: Run, at: At, mut end: End) {
        let mut lane = at.lane;
        while let Some(execution) = execution::advance(run.execution, lane, end, self.broken) {
            run.execution = execution;
            let mut lanes = run.lanes();
            if lanes.all(|lane| run.step(lane) != Step::CheckService) {
                state.replicas[number].replace(at, Some(run));
                return;
            }
            (lane, end) = (SERVICE, self.check_service(state, &run));
        }
        state.replicas[number].replace(at, None);
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

fn record(state: &mut State, number: usize, run: &mut Run, object: Object) {
    run.object = object;
    state.replicas[number].own_write = Some(object);
}

fn confirm_live(state: &mut State, number: usize, run: &mut Run) -> End {
    let Some(live) = live(state, run) else {
        return End::Failed;
    };
    let is_unchanged = live.version == run.object.version;
    record(state, number, run, live);
    if is_unchanged {
        End::Succeeded(None)
    } else {
        End::Failed
    }
}
