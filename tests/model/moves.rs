//! The moves of the world: what can happen in a state.

use crate::execution;
use crate::scenario::Edit;
use crate::state::{At, CLOUDS, Id, Phase, Replica, Request, State};
use crate::world::World;

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// The user makes the next edit.
    Edit(Edit),
    /// The user's DELETE races this replica's finalizer patch and wins.
    RacedDelete(usize),
    /// The watch catches up.
    Watch(usize),
    /// Fault: a new list of the watch shows the Service as it was before its last change.
    OldList(usize),
    /// A replica acquires the Lease. Fault: while another still believes that it leads.
    Elect(usize),
    /// One of two leaders loses the Lease: its process ends.
    StepDown(usize),
    /// The same; the requests that it has just sent may arrive later.
    StepDownAfterSending(usize),
    /// Fault: the process crashes and starts again.
    Crash(usize),
    /// Fault: the same; the requests that it has just sent may arrive later.
    CrashAfterSending(usize),
    /// A leader observes and plans.
    Start(usize),
    /// Fault: the same, and a cloud is unreachable.
    StartWithout(usize, u8),
    /// A leader goes on without the clouds whose responses are awaited.
    Leave(usize),
    /// A leader's step in a lane is performed, and its response arrives.
    Step(usize, At),
    /// Fault: the response to a request is lost; the request may arrive later or never.
    StepUnanswered(usize, At),
    /// Fault: a request is performed and answered, and may arrive a second time.
    StepTwice(usize, At),
    /// Fault: a read fails.
    StepUnread(usize, At),
    /// A leader lists a cloud, and sweeps.
    List(usize, u8),
    /// Fault: the list lacks the newest load balancer.
    ListLacking(usize, u8),
    /// A request whose sender no longer waits arrives.
    Arrive(usize),
    /// A request is lost.
    Lose(usize),
    /// A slow cloud finishes providing or deleting a load balancer.
    Progress(Id),
}

impl World {
    /// The moves that are possible in a state.
    pub fn possible_moves(&self, state: &State, moves: &mut Vec<Move>) {
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
        if replica.run.is_none() {
            moves.push(Move::Start(number));
            if may_fail {
                moves.extend((0..CLOUDS).map(|cloud| Move::StartWithout(number, cloud)));
            }
        }
        let has_sent = replica.requests().next().is_some();
        if has_sent && other.leads {
            moves.push(Move::StepDownAfterSending(number));
        }
        if may_fail && has_sent {
            moves.push(Move::CrashAfterSending(number));
        }
        for (at, run) in replica.under_way() {
            moves.push(Move::Step(number, at));
            let request = run.request(at.lane);
            if may_fail && request.is_some() {
                moves.push(Move::StepUnanswered(number, at));
                if !matches!(request, Some(Request::Patch { .. })) {
                    moves.push(Move::StepTwice(number, at));
                }
            }
            if may_fail && run.reads(at.lane) {
                moves.push(Move::StepUnread(number, at));
            }
        }
        let Some(run) = &replica.run else {
            return;
        };
        if self.scenario.leaves && execution::leave(run.execution).is_some() {
            moves.push(Move::Leave(number));
        }
        let next_edit = self.scenario.edits.get(usize::from(state.edits));
        if next_edit == Some(&Edit::Delete) && run.adds_finalizer(state) {
            moves.push(Move::RacedDelete(number));
        }
    }

    /// Whether a move is one of the faults, whose number is bounded.
    pub fn is_fault(state: &State, event: Move) -> bool {
        match event {
            Move::OldList(_)
            | Move::Crash(_)
            | Move::CrashAfterSending(_)
            | Move::StartWithout(..)
            | Move::StepUnanswered(..)
            | Move::StepTwice(..)
            | Move::StepUnread(..)
            | Move::ListLacking(..) => true,
            Move::Elect(number) => state.replicas[1 - number].leads,
            _ => false,
        }
    }

    /// Whether the finalizer alone no longer guards every load balancer after a move.
    pub fn is_uncertain_after(state: &State, event: Move) -> bool {
        match event {
            Move::CrashAfterSending(_) | Move::StepUnanswered(..) | Move::StepTwice(..) => true,
            Move::Elect(number) => state.replicas[1 - number].leads,
            _ => false,
        }
    }
}
