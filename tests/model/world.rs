//! The world of one scenario: its first state, and what follows from each move.

use stateright::{Model, Property};

use crate::cloud::Refused;
use crate::moves::Move;
use crate::properties;
use crate::rules::Rule;
use crate::scenario::{Edit, Planted, Scenario};
use crate::state::{Balancer, CLOUDS, Id, Object, Phase, Replica, Request, State, Violations};

/// A stranger's load balancer that a forged record names.
pub const FORGED: Id = Id {
    cloud: 0,
    uid: 9,
    nth: 0,
};

/// Bound on the load balancers of one name that a cloud creates: the rules
/// create far fewer, a broken rule may create them without end.
pub const MOST_CREATED: u8 = 4;

/// A scenario with a number of faults, and one broken rule or none.
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

    /// Whether the user wants a load balancer again that was unwanted for a while.
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
            Request::Delete { id } | Request::Undo { id } => self.delete(state, id),
            Request::Release { id } => self.release(state, id),
            Request::Patch { from, to } => {
                let _: Result<Object, _> = self.patch(state, from, to);
            }
        }
    }

    fn perform(&self, state: &mut State, event: Move) -> Option<()> {
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
                let replica = std::mem::take(&mut state.replicas[number]);
                let sent = replica.requests().filter(|request| is_sent(state, request));
                let sent: Vec<Request> = sent.collect();
                state.requests.extend(sent);
            }
            Move::Start(number) => self.start(state, number, None)?,
            Move::StartWithout(number, cloud) => self.start(state, number, Some(cloud))?,
            Move::Leave(number) => self.leave(state, number)?,
            Move::Step(number, at) => self.step(state, number, at)?,
            Move::StepUnanswered(number, at) => {
                let request = state.replicas[number].run_at(at)?.request(at.lane)?;
                let request = Some(request).filter(|request| is_sent(state, request))?;
                self.step_unanswered(state, number, at)?;
                state.requests.push(request);
            }
            Move::StepTwice(number, at) => {
                let request = state.replicas[number].run_at(at)?.request(at.lane)?;
                let request = Some(request).filter(|request| is_sent(state, request))?;
                self.step(state, number, at)?;
                state.requests.push(request);
            }
            Move::StepUnread(number, at) => self.step_unanswered(state, number, at)?,
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
}

/// Whether a request is sent in this state.
fn is_sent(state: &State, request: &Request) -> bool {
    match request {
        Request::Undo { id } => state.by_id(*id).is_some_and(|found| found.is_ours),
        _ => true,
    }
}

impl Model for World {
    type State = State;
    type Action = Move;

    fn init_states(&self) -> Vec<State> {
        let planted = |id| Balancer {
            id,
            is_ours: false,
            is_retained: false,
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
                // One more than the cloud will ever create itself.
                Planted::UnderOurName => vec![planted(Id {
                    cloud: 0,
                    uid: 0,
                    nth: MOST_CREATED + 1,
                })],
                Planted::Elsewhere => vec![planted(FORGED)],
            },
            created: [[0; 2]; CLOUDS as usize],
            requests: Vec::new(),
            replicas: Default::default(),
            faults: self.faults,
            edits: 0,
            uncertain: false,
            violations: Violations::default(),
        };
        state.normalise(self);
        vec![state]
    }

    fn actions(&self, state: &State, moves: &mut Vec<Move>) {
        self.possible_moves(state, moves);
    }

    fn next_state(&self, last: &State, event: Move) -> Option<State> {
        let mut state = last.clone();
        self.perform(&mut state, event)?;
        state.faults -= u8::from(Self::is_fault(last, event));
        state.uncertain |= Self::is_uncertain_after(last, event);
        state.normalise(self);
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }

    fn within_boundary(&self, state: &State) -> bool {
        state
            .created
            .iter()
            .flatten()
            .all(|created| *created <= MOST_CREATED)
    }
}
