//! A replica: mirrors the order of effects in `src/controller/observe.rs`,
//! `src/controller/apply.rs` and `src/controller/sweep.rs`. Whatever decides
//! something is the shipped code (`crate::shipped`).

use my_cloud_controller_manager::plan::record::Publication;

use crate::api_server::Refusal;
use crate::rules::Rule;
use crate::script::Step;
use crate::shipped::{self, Sight};
use crate::state::{Balancer, CLOUDS, Facts, Id, Object, Phase, Replica, Request, Run, State};
use crate::world::World;

/// How a step ended.
enum End {
    /// Done, with what the cloud answered if it did.
    Done(Option<Balancer>),
    /// Failed, for its cloud or altogether.
    Failed,
}

impl Replica {
    /// Mirrors `OwnWrites::newest`; what the watch overtook is dropped already.
    fn newest(&self) -> Option<Object> {
        self.own.or(self.cache.flatten())
    }

    fn known(&self, cloud: u8, uid: u8) -> Option<Balancer> {
        let mut all = self.inventory.iter();
        all.find(|found| (found.id.cloud, found.id.uid) == (cloud, uid))
            .copied()
    }

    fn learn(&mut self, found: Balancer) {
        let name = |id: Id| (id.cloud, id.uid);
        self.inventory
            .retain(|other| name(other.id) != name(found.id));
        self.inventory.push(found);
    }

    fn forget(&mut self, id: Id) {
        self.inventory.retain(|found| found.id != id);
    }
}

impl Run {
    fn step(&self) -> Option<Step> {
        self.script.get().steps.get(usize::from(self.next)).copied()
    }

    /// The change that the next step asks somebody for, if it does.
    pub fn request(&self) -> Option<Request> {
        if self.undoing {
            let id = self.created.iter().flatten().next();
            return id.map(|id| Request::Delete { id: *id });
        }
        match self.step()? {
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
            Step::Delete { id } => Some(Request::Delete { id }),
            Step::ConfirmLive | Step::AwaitServing | Step::ConfirmGone { .. } => None,
        }
    }

    /// Whether the next step asks somebody and changes nothing.
    pub fn reads(&self) -> bool {
        let step = self.step();
        !self.undoing && matches!(step, Some(Step::ConfirmLive | Step::ConfirmGone { .. }))
    }

    /// Whether the next step puts the finalizer on a Service that has none.
    pub fn puts_finalizer_on(&self, state: &State) -> bool {
        self.step() == Some(Step::AddFinalizer)
            && state.service == Some(self.object)
            && !self.object.facts.finalizer
    }

    /// What the next step makes of the Service.
    fn patched(&self) -> Option<Facts> {
        let facts = self.object.facts;
        Some(match self.step()? {
            Step::AddFinalizer => Facts {
                finalizer: true,
                ..facts
            },
            Step::Publish => Facts {
                says: shipped::says(self.observed, self.script, self.next),
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

    /// Skips what an earlier failure stands in the way of; gives nothing at the end.
    fn skip_held_up(mut self, world: &World) -> Option<Self> {
        if self.undoing {
            return self.created.iter().any(Option::is_some).then_some(self);
        }
        loop {
            let step = self.step()?;
            let is_held_up = match step {
                Step::RemoveFinalizer { .. } => {
                    self.failed != 0 && world.keeps(Rule::FinalizerStaysOnFailure)
                }
                _ => step
                    .cloud()
                    .is_some_and(|cloud| self.failed & (1 << cloud) != 0),
            };
            if !is_held_up {
                return Some(self);
            }
            self.next += 1;
        }
    }
}

impl World {
    /// Steps one to three: observe the Service, observe the clouds, plan.
    pub fn start(&self, state: &mut State, number: usize, silent: Option<u8>) -> Option<()> {
        let object = state.replicas[number].newest()?;
        let uid = object.facts.uid;
        let listed = [0, 1].map(|cloud| state.replicas[number].known(cloud, uid).is_some());
        let is_listed = listed.contains(&true) && self.keeps(Rule::ReleaseWhatIsListed);
        let asks = shipped::asks(object.facts, is_listed);
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
        let (observed, script) = shipped::plan_for(object.facts, is_listed, sights, self.broken);
        if script.get().steps.is_empty() {
            return None;
        }
        let run = Run {
            object,
            observed,
            script,
            next: 0,
            failed: 0,
            created: [None; CLOUDS as usize],
            undoing: false,
        };
        state.replicas[number].run = run.skip_held_up(self);
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
        let is_listed = replica.known(cloud, facts.uid).is_some();
        if !facts.finalizer
            && recorded.is_none()
            && !(is_listed && self.keeps(Rule::ReleaseWhatIsListed))
        {
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
        let uid = |object: Object| object.facts.uid;
        let is_gone = state.service.is_none_or(|live| uid(live) != found.id.uid);
        self.sweeps
            && self.keeps(Rule::Sweep)
            && shipped::is_suspect(found, shown.map(uid))
            && (is_gone || !self.keeps(Rule::SweepReadsLive))
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
