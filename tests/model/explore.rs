//! A breadth-first search that also finds shortest traces and whether every
//! reachable state can still settle (AG EF), which stateright does not.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use stateright::{Expectation, Model, Property};

use crate::fingerprint::Fingerprints;
use crate::moves::Move;
use crate::progress::Progress;
use crate::properties::is_settled;
use crate::settling::NaturalMoves;
use crate::state::State;
use crate::world::World;

/// The result of a search.
#[derive(Debug, Default)]
pub struct Findings {
    /// The number of different states.
    pub states: usize,
    /// The length of the longest of the shortest traces.
    pub depth: usize,
    /// The broken properties, each with a shortest trace.
    pub broken: Vec<(&'static str, Vec<Move>)>,
    /// The properties that should hold in some state and never did.
    pub never_reached: Vec<&'static str>,
    /// The number of moves that were not followed beyond [`crate::world::MOST_CREATED`].
    pub at_bound: usize,
}

/// The predecessor of the first state.
const NONE: u32 = u32::MAX;
/// The property that is broken when a state can no longer settle.
pub const STUCK: &str = "can always settle";

struct Search<'a> {
    world: &'a World,
    properties: Vec<Property<World>>,
    fingerprints: Fingerprints,
    numbers: HashMap<u64, u32>,
    /// The state from which each state was first reached,
    from: Vec<u32>,
    /// and the index of the move that led to it.
    by: Vec<u8>,
    natural: NaturalMoves,
    settled: Vec<u32>,
    found: HashMap<&'static str, u32>,
    at_bound: usize,
}

/// Visits every reachable state; with `stop`, only until this property is broken.
pub fn explore(world: &World, stop: Option<&'static str>) -> Findings {
    let mut search = Search {
        world,
        properties: world.properties(),
        fingerprints: Fingerprints::default(),
        numbers: HashMap::new(),
        from: Vec::new(),
        by: Vec::new(),
        natural: NaturalMoves::default(),
        settled: Vec::new(),
        found: HashMap::new(),
        at_bound: 0,
    };
    let mut progress = Progress::of(world.scenario.name);
    let mut depth = 0;
    let mut level: Vec<(u32, State)> = Vec::new();
    for state in world.init_states() {
        level.extend(search.number(&state, NONE, 0).ok().map(|new| (new, state)));
    }
    while !level.is_empty() && !stop.is_some_and(|property| search.found.contains_key(property)) {
        let mut next_level = Vec::new();
        let mut open = level.len();
        for (number, state) in level {
            search.check(number, &state);
            search.expand(number, &state, &mut next_level);
            open -= 1;
            progress.report(search.from.len(), open, depth);
        }
        level = next_level;
        depth += 1;
    }
    search.findings(depth, level.is_empty())
}

impl Search<'_> {
    /// The number of a state: `Ok` if it is new.
    fn number(&mut self, state: &State, from: u32, by: u8) -> Result<u32, u32> {
        let next = u32::try_from(self.from.len()).unwrap_or(NONE);
        match self.numbers.entry(self.fingerprints.of(state)) {
            Entry::Occupied(known) => Err(*known.get()),
            Entry::Vacant(free) => {
                free.insert(next);
                self.from.push(from);
                self.by.push(by);
                Ok(next)
            }
        }
    }

    fn check(&mut self, number: u32, state: &State) {
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

    fn expand(&mut self, number: u32, state: &State, next_level: &mut Vec<(u32, State)>) {
        let mut moves = Vec::new();
        let mut natural = Vec::new();
        self.world.actions(state, &mut moves);
        for (by, event) in (0_u8..).zip(moves) {
            let Some(next) = self.world.next_state(state, event) else {
                continue;
            };
            if !self.world.within_boundary(&next) {
                self.at_bound += 1;
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
                natural.push(to);
            }
        }
        self.natural.push(number, &natural);
    }

    fn findings(self, depth: usize, is_whole: bool) -> Findings {
        let mut findings = Findings {
            states: self.from.len(),
            depth,
            at_bound: self.at_bound,
            ..Findings::default()
        };
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
        // Beyond a bound, or after an early end, it is unknown which states could settle.
        if is_whole
            && self.at_bound == 0
            && let Some(stuck) = self.natural.first_stuck(self.from.len(), &self.settled)
        {
            findings.broken.push((STUCK, self.trace(stuck)));
        }
        findings
    }

    fn trace(&self, number: u32) -> Vec<Move> {
        let mut way = Vec::new();
        let mut here = number as usize;
        while self.from[here] != NONE {
            way.push(self.by[here]);
            here = self.from[here] as usize;
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
