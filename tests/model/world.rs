//! What can happen, and what follows from it.

use stateright::{Model, Property};

use crate::cloud::Refused;
use crate::moves::Move;
use crate::properties;
use crate::rules::Rule;
use crate::scenario::{Edit, Planted, Scenario};
use crate::state::{Balancer, CLOUDS, Crimes, Id, Object, Phase, Replica, Request, State};

/// Somebody else's load balancer that a forged record names.
pub const FORGED: Id = Id {
    cloud: 0,
    uid: 9,
    nth: 0,
};

/// Load balancers of one name that a cloud makes at most: the rules make far
/// fewer, a broken rule may make them for ever.
pub const MOST_MADE: u8 = 4;

/// One story with so many faults, and one rule broken or none.
#[derive(Clone, Copy, Debug)]
pub struct World {
    pub scenario: Scenario,
    pub faults: u8,
    pub broken: Option<Rule>,
    /// Whether the sweep runs. Without a fault it must not be needed.
    pub sweeps: bool,
}

impl World {
    /// Whether a rule is kept.
    pub fn keeps(&self, rule: Rule) -> bool {
        self.broken != Some(rule)
    }

    /// Whether the user wants again what he did not want for a while.
    pub fn has_returned(&self, edits: u8) -> bool {
        self.scenario.edits[..usize::from(edits)].contains(&Edit::Return)
    }

    fn arrive(&self, state: &mut State, request: Request) {
        match request {
            Request::Create {
                cloud,
                uid,
                bandwidth,
            } => {
                let _: Result<Balancer, Refused> = self.create(state, cloud, uid, bandwidth);
            }
            Request::Update { id, bandwidth } => {
                let _: Result<Balancer, Refused> = self.update(state, id, bandwidth);
            }
            Request::Delete { id } => self.delete(state, id),
            Request::Patch { from, to } => {
                let _: Result<Object, _> = self.patch(state, from, to);
            }
        }
    }

    fn replica_moves(&self, state: &State, number: usize, moves: &mut Vec<Move>) {
        let (replica, other) = (&state.replicas[number], &state.replicas[1 - number]);
        let may_fail = state.faults > 0;
        if replica.cache != Some(state.service) {
            moves.push(Move::Watch(number));
            if may_fail && state.earlier != state.service && replica.cache != Some(state.earlier) {
                moves.push(Move::OldList(number));
            }
        }
        if may_fail && *replica != Replica::default() {
            moves.push(Move::Crash(number));
        }
        if !replica.leads {
            if may_fail || !other.leads {
                moves.push(Move::Elect(number));
            }
            return;
        }
        if other.leads {
            moves.push(Move::StepDown(number));
        }
        for cloud in 0..CLOUDS {
            moves.push(Move::List(number, cloud));
            if may_fail && state.on(cloud).any(|found| found.is_ours) {
                moves.push(Move::ListLacking(number, cloud));
            }
        }
        let Some(run) = &replica.run else {
            moves.push(Move::Start(number));
            if may_fail {
                moves.extend((0..CLOUDS).map(|cloud| Move::StartWithout(number, cloud)));
            }
            return;
        };
        moves.push(Move::Step(number));
        let request = run.request();
        if request.is_some() && other.leads {
            moves.push(Move::StepDownAfterSending(number));
        }
        if may_fail && request.is_some() {
            moves.extend([
                Move::CrashAfterSending(number),
                Move::StepUnanswered(number),
            ]);
            if !matches!(request, Some(Request::Patch { .. })) {
                moves.push(Move::StepTwice(number));
            }
        }
        if may_fail && run.reads() {
            moves.push(Move::StepUnread(number));
        }
        let next_edit = self.scenario.edits.get(usize::from(state.edits));
        if next_edit == Some(&Edit::Delete) && run.puts_finalizer_on(state) {
            moves.push(Move::RacedDelete(number));
        }
    }

    fn happen(&self, state: &mut State, event: Move) -> Option<()> {
        match event {
            Move::Edit(edit) => self.edit(state, edit)?,
            Move::RacedDelete(number) => self.step_raced(state, number)?,
            Move::Watch(number) => state.replicas[number].cache = Some(state.service),
            Move::OldList(number) => state.replicas[number].cache = Some(state.earlier),
            Move::Elect(number) => state.replicas[number].leads = true,
            Move::StepDown(number) | Move::Crash(number) => {
                state.replicas[number] = Replica::default();
            }
            Move::StepDownAfterSending(number) | Move::CrashAfterSending(number) => {
                let request = state.replicas[number].run?.request()?;
                state.requests.push(request);
                state.replicas[number] = Replica::default();
            }
            Move::Start(number) => self.start(state, number, None)?,
            Move::StartWithout(number, cloud) => self.start(state, number, Some(cloud))?,
            Move::Step(number) => self.step(state, number)?,
            Move::StepUnanswered(number) => {
                let request = state.replicas[number].run?.request()?;
                self.step_unanswered(state, number)?;
                state.requests.push(request);
            }
            Move::StepTwice(number) => {
                let request = state.replicas[number].run?.request()?;
                self.step(state, number)?;
                state.requests.push(request);
            }
            Move::StepUnread(number) => self.step_unanswered(state, number)?,
            Move::List(number, cloud) => self.list(state, number, cloud, false),
            Move::ListLacking(number, cloud) => self.list(state, number, cloud, true),
            Move::Arrive(which) => {
                let request = state.requests.remove(which);
                self.arrive(state, request);
            }
            Move::Lose(which) => {
                state.requests.remove(which);
            }
            Move::Progress(id) => Self::progress(state, id),
        }
        Some(())
    }

    /// Whether a move is one of the faults, which are counted.
    fn is_fault(state: &State, event: Move) -> bool {
        match event {
            Move::OldList(_)
            | Move::Crash(_)
            | Move::CrashAfterSending(_)
            | Move::StartWithout(..)
            | Move::StepUnanswered(_)
            | Move::StepTwice(_)
            | Move::StepUnread(_)
            | Move::ListLacking(..) => true,
            Move::Elect(number) => state.replicas[1 - number].leads,
            _ => false,
        }
    }
}

impl World {
    /// Whether after this more than the finalizer is needed to lose nothing.
    fn raises_doubt(state: &State, event: Move) -> bool {
        match event {
            Move::CrashAfterSending(_) | Move::StepUnanswered(_) | Move::StepTwice(_) => true,
            Move::Elect(number) => state.replicas[1 - number].leads,
            _ => false,
        }
    }
}

impl Model for World {
    type State = State;
    type Action = Move;

    fn init_states(&self) -> Vec<State> {
        let planted = |id| Balancer {
            id,
            is_ours: false,
            bandwidth: 0,
            phase: Phase::Active,
        };
        let mut state = State {
            service: Some(Object {
                version: 0,
                facts: self.fresh(0),
            }),
            earlier: None,
            balancers: match self.scenario.planted {
                Planted::Nothing => Vec::new(),
                // One more than the cloud will ever make itself.
                Planted::UnderOurName => vec![planted(Id {
                    cloud: 0,
                    uid: 0,
                    nth: MOST_MADE + 1,
                })],
                Planted::Elsewhere => vec![planted(FORGED)],
            },
            made: [[0; 2]; CLOUDS as usize],
            requests: Vec::new(),
            replicas: Default::default(),
            faults: self.faults,
            edits: 0,
            doubt: false,
            crimes: Crimes::default(),
        };
        state.normalise(self);
        vec![state]
    }

    fn actions(&self, state: &State, moves: &mut Vec<Move>) {
        if let Some(edit) = self.scenario.edits.get(usize::from(state.edits)) {
            moves.push(Move::Edit(*edit));
        }
        for number in 0..2 {
            // Two equal replicas are one.
            if number == 0 || state.replicas[0] != state.replicas[1] {
                self.replica_moves(state, number, moves);
            }
        }
        for which in 0..state.requests.len() {
            moves.extend([Move::Arrive(which), Move::Lose(which)]);
        }
        let changing = state.balancers.iter();
        let changing = changing.filter(|found| found.phase != Phase::Active);
        moves.extend(changing.map(|found| Move::Progress(found.id)));
    }

    fn next_state(&self, last: &State, event: Move) -> Option<State> {
        let mut state = last.clone();
        self.happen(&mut state, event)?;
        state.faults -= u8::from(Self::is_fault(last, event));
        state.doubt |= Self::raises_doubt(last, event);
        state.normalise(self);
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }

    fn within_boundary(&self, state: &State) -> bool {
        state.made.iter().flatten().all(|made| *made <= MOST_MADE)
    }
}
