//! The protocol under a model checker: the shipped `plan()` and its `Execution`
//! in a small world, in which everything happens in every order and a bounded
//! number of faults occurs.
//!
//! | files | content |
//! |---|---|
//! | `scenario` | the scenarios: the edits of the user, and how the clouds behave |
//! | `state`, `normal_form` | a state of the world, and which states count as one |
//! | `moves`, `world` | the moves that are possible in a state, and what follows from each |
//! | `api_server`, `cloud` | how the API server and the clouds respond |
//! | `replica`, `observe`, `apply` | how a replica of the controller observes and acts |
//! | `shipped`, `execution` | **the border to the code under test**: all of its decisions |
//! | `names`, `step` | conversion between the shipped types and the world's numbers |
//! | `shared`, `memo` | handles of shipped values, and memoized results |
//! | `properties` | what must hold in every state |
//! | `explore`, `fingerprint`, `settling` | the search through all states |
//! | `progress`, `trace` | output |
//! | `rules`, `mutants` | the rules of the protocol, each broken to see a property fail |
//!
//! Start with `scenario`, `state`, `moves` and `properties`. Bounds, sizes and
//! limits are in `docs/verification/model.md`.

mod api_server;
mod apply;
mod cloud;
mod execution;
mod explore;
mod fingerprint;
mod memo;
mod moves;
mod mutants;
mod names;
mod normal_form;
mod observe;
mod progress;
mod properties;
mod replica;
mod rules;
mod scenario;
mod settling;
mod shared;
mod shipped;
mod state;
mod step;
mod trace;
mod world;

use std::time::Instant;

use stateright::{Checker, Model};

use crate::explore::explore;
use crate::progress::processor_time;
use crate::scenario::{SCENARIOS, Scenario};
use crate::world::World;

/// The scenario of which `make model` takes longest.
const LARGEST: &str = "moved between slow clouds";

impl Scenario {
    /// Whether even one fault takes so long that it is for `make model`.
    fn is_large(&self) -> bool {
        self.name == LARGEST || self.leaves
    }
}

fn check(scenario: Scenario, faults: u8, sweeps: bool) {
    let (started, used) = (Instant::now(), processor_time());
    let world = World {
        scenario,
        faults,
        broken: None,
        sweeps,
    };
    let found = explore(&world, None);
    println!(
        "{:30} faults {faults}: {:>10} states, depth {:>3}, {:7.1} s, {:7.1} s of a processor",
        scenario.name,
        found.states,
        found.depth,
        started.elapsed().as_secs_f64(),
        (processor_time() - used).as_secs_f64()
    );
    for (property, trace) in &found.broken {
        println!("broken: {property}, after {} moves", trace.len());
        world.print(trace);
    }
    let name = scenario.name;
    assert!(found.broken.is_empty(), "{name}: broken, see the trace");
    assert!(found.never_reached.is_empty(), "{name}: never reached");
    assert_eq!(found.at_bound, 0, "{name}: the bound hides states");
}

#[test]
fn without_a_fault_nothing_goes_wrong_even_without_a_sweep() {
    for scenario in SCENARIOS {
        check(scenario, 0, false);
    }
}

/// One of two tests, for two cores.
#[test]
fn one_fault_is_survived_when_the_service_moves() {
    for scenario in SCENARIOS.into_iter().filter(Scenario::moves) {
        if !scenario.is_large() {
            check(scenario, 1, true);
        }
    }
}

#[test]
fn one_fault_is_survived_when_the_service_stays() {
    for scenario in SCENARIOS.into_iter().filter(|one| !one.moves()) {
        if !scenario.is_large() {
            check(scenario, 1, true);
        }
    }
}

/// Another checker finds the same number of states: ours visits all of them.
#[test]
fn stateright_counts_the_same_states() {
    for scenario in SCENARIOS {
        let world = World {
            scenario,
            faults: 0,
            broken: None,
            sweeps: true,
        };
        let checker = world.checker().spawn_bfs().join();
        checker.assert_properties();
        let counted = checker.unique_state_count();
        assert_eq!(counted, explore(&world, None).states, "{}", scenario.name);
    }
}

/// For `make model`: takes minutes and gigabytes. One of two tests, for two cores.
#[test]
#[ignore = "make model"]
fn two_faults_are_survived() {
    for scenario in SCENARIOS {
        check(scenario, if scenario.is_large() { 1 } else { 2 }, true);
    }
}

#[test]
#[ignore = "make model"]
fn two_faults_are_survived_by_a_move_between_slow_clouds() {
    for scenario in SCENARIOS.into_iter().filter(|one| one.name == LARGEST) {
        check(scenario, 2, true);
    }
}
