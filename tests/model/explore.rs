//! A breadth-first search of our own: shortest traces, and whether every
//! reachable state can still settle (AG EF), neither of which stateright gives.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{DefaultHasher, Hash, Hasher};

use stateright::{Expectation, Model, Property};

use crate::moves::Move;
use crate::properties::is_settled;
use crate::state::State;
use crate::world::World;

/// What was found.
#[derive(Debug, Default)]
pub struct Findings {
    /// Different states.
    pub states: usize,
    /// The longest of the shortest ways to a state.
    pub depth: usize,
    /// The broken properties, each with a shortest trace to it.
    pub broken: Vec<(&'static str, Vec<Move>)>,
    /// What was to be reached at some time and never was.
    pub never_reached: Vec<&'static str>,
    /// States at the bound of load balancers made, not looked beyond.
    pub at_bound: usize,
}

/// How a state was first reached: from which, and by the how-manieth move.
#[derive(Clone, Copy)]
struct Origin {
    from: u32,
    by: u16,
}

const NONE: u32 = u32::MAX;
/// What is broken when a state cannot settle any more.
pub const STUCK: &str = "can always settle";

struct Search<'a> {
    world: &'a World,
    properties: Vec<Property<World>>,
    numbers: HashMap<u64, u32>,
    origins: Vec<Origin>,
    /// From, to: moves that need neither a fault nor the user.
    natural: Vec<(u32, u32)>,
    settled: Vec<u32>,
    found: HashMap<&'static str, u32>,
}

/// Looks at every state that can be reached; with `stop`, only until this property is found broken.
pub fn explore(world: &World, stop: Option<&'static str>) -> Findings {
    let mut search = Search {
        world,
        properties: world.properties(),
        numbers: HashMap::new(),
        origins: Vec::new(),
        natural: Vec::new(),
        settled: Vec::new(),
        found: HashMap::new(),
    };
    let mut findings = Findings::default();
    let mut level: Vec<(u32, State)> = Vec::new();
    for state in world.init_states() {
        level.extend(search.number(&state, NONE, 0).ok().map(|new| (new, state)));
    }
    while !level.is_empty() && !stop.is_some_and(|property| search.found.contains_key(property)) {
        let mut next_level = Vec::new();
        for (number, state) in level {
            search.judge(number, &state);
            search.expand(number, &state, &mut next_level, &mut findings.at_bound);
        }
        level = next_level;
        findings.depth += 1;
    }
    findings.states = search.origins.len();
    let is_whole = level.is_empty();
    search.report(&mut findings, is_whole);
    findings
}

impl Search<'_> {
    /// The number of a state: `Ok` if it is new.
    fn number(&mut self, state: &State, from: u32, by: u16) -> Result<u32, u32> {
        let mut hasher = DefaultHasher::new();
        state.hash(&mut hasher);
        let next = u32::try_from(self.origins.len()).unwrap_or(NONE);
        match self.numbers.entry(hasher.finish()) {
            Entry::Occupied(known) => Err(*known.get()),
            Entry::Vacant(free) => {
                free.insert(next);
                self.origins.push(Origin { from, by });
                Ok(next)
            }
        }
    }

    fn judge(&mut self, number: u32, state: &State) {
        for property in &self.properties {
            if self.found.contains_key(property.name) {
                continue;
            }
            let holds = (property.condition)(self.world, state);
            let is_always = matches!(property.expectation, Expectation::Always);
            if holds != is_always {
                self.found.insert(property.name, number);
            }
        }
        if is_settled(self.world, state) {
            self.settled.push(number);
        }
    }

    fn expand(
        &mut self,
        number: u32,
        state: &State,
        next_level: &mut Vec<(u32, State)>,
        at_bound: &mut usize,
    ) {
        let mut moves = Vec::new();
        self.world.actions(state, &mut moves);
        for (by, event) in (0_u16..).zip(moves) {
            let Some(next) = self.world.next_state(state, event) else {
                continue;
            };
            if !self.world.within_boundary(&next) {
                *at_bound += 1;
                continue;
            }
            let is_natural = next.faults == state.faults && next.edits == state.edits;
            let to = match self.number(&next, number, by) {
                Ok(new) => {
                    next_level.push((new, next));
                    new
                }
                Err(known) => known,
            };
            if is_natural {
                self.natural.push((number, to));
            }
        }
    }

    fn report(mut self, findings: &mut Findings, is_whole: bool) {
        for property in &self.properties {
            let found = self.found.get(property.name).copied();
            match (&property.expectation, found) {
                (Expectation::Always, Some(number)) => {
                    findings.broken.push((property.name, self.trace(number)));
                }
                (Expectation::Sometimes, None) => findings.never_reached.push(property.name),
                _ => {}
            }
        }
        // Beyond a bound, or after an early end, nobody knows what could settle.
        if is_whole
            && findings.at_bound == 0
            && let Some(stuck) = self.first_stuck()
        {
            findings.broken.push((STUCK, self.trace(stuck)));
        }
    }

    /// The first state from which no natural moves lead to a settled one.
    fn first_stuck(&mut self) -> Option<u32> {
        self.natural.sort_unstable_by_key(|(_, to)| *to);
        let into = |to: u32| {
            let start = self.natural.partition_point(|(_, other)| *other < to);
            let all = self.natural[start..].iter();
            all.take_while(move |(_, other)| *other == to)
                .map(|(from, _)| *from)
        };
        let mut can_settle = vec![false; self.origins.len()];
        let mut open = self.settled.clone();
        while let Some(number) = open.pop() {
            let seen = &mut can_settle[number as usize];
            if !std::mem::replace(seen, true) {
                open.extend(into(number).filter(|from| !can_settle[*from as usize]));
            }
        }
        let stuck = can_settle.iter().position(|can| !can)?;
        u32::try_from(stuck).ok()
    }

    fn trace(&self, number: u32) -> Vec<Move> {
        let mut way = Vec::new();
        let mut here = number;
        while let Some(Origin { from, by }) = self.origins.get(here as usize).copied()
            && from != NONE
        {
            way.push(by);
            here = from;
        }
        let mut state = self.world.init_states().swap_remove(0);
        let mut trace = Vec::new();
        for by in way.into_iter().rev() {
            let mut moves = Vec::new();
            self.world.actions(&state, &mut moves);
            let event = moves[usize::from(by)];
            trace.push(event);
            state = self.world.next_state(&state, event).unwrap_or(state);
        }
        trace
    }
}
