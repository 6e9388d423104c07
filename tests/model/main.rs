//! The protocol under a model checker: the shipped `plan()` and what it is
//! carried out with, in a small world where everything happens in every order
//! and a bounded number of things goes wrong.
//!
//! Read in this order: `scenario` (what the user does), `state`, `world` (what
//! can happen), `api_server`, `cloud`, `replica`, `observe`, `apply` (what
//! follows), `properties` (what must hold), `explore` (every order), `rules` (what is broken on
//! purpose). `shipped` is the border to the code under test.
//!
//! `docs/verification/model.md` has bounds, sizes and what this does not cover.

mod api_server;
mod apply;
mod cloud;
mod explore;
mod fingerprint;
mod moves;
mod mutants;
mod names;
mod observe;
mod progress;
mod properties;
mod replica;
mod rules;
mod scenario;
mod script;
mod settling;
mod shared;
mod shipped;
mod state;
mod trace;
mod world;

use std::time::Instant;

use stateright::{Checker, Model};

use crate::explore::explore;
use crate::progress::processor_time;
use crate::scenario::{SCENARIOS, Scenario};
use crate::world::World;

/// The story whose size with one fault is for `make model`.
const LARGE: &str = "moved between slow clouds";

fn check(scenario: Scenario, faults: u8, sweeps: bool) {
    let (started, had) = (Instant::now(), processor_time());
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
        (processor_time() - had).as_secs_f64()
    );
    for (property, trace) in &found.broken {
        println!("broken: {property}, after {} moves", trace.len());
        world.tell(trace);
    }
    let name = scenario.name;
    assert!(found.broken.is_empty(), "{name}: broken, see the trace");
    assert!(found.never_reached.is_empty(), "{name}: nothing ever works");
    assert_eq!(found.at_bound, 0, "{name}: the bound hides something");
}

#[test]
fn without_a_fault_nothing_goes_wrong_even_without_a_sweep() {
    for scenario in SCENARIOS {
        check(scenario, 0, false);
    }
}

/// Two tests, for two cores.
#[test]
fn one_fault_is_survived_when_the_service_moves() {
    for scenario in SCENARIOS.into_iter().filter(Scenario::moves) {
        if scenario.name != LARGE {
            check(scenario, 1, true);
        }
    }
}

#[test]
fn one_fault_is_survived_when_the_service_stays() {
    for scenario in SCENARIOS.into_iter().filter(|one| !one.moves()) {
        check(scenario, 1, true);
    }
}

/// The same states by another checker: that ours looks at all of them.
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

/// For `make model`: minutes, and gigabytes. Two tests, for two cores.
#[test]
#[ignore = "make model"]
fn two_faults_are_survived() {
    for scenario in SCENARIOS {
        let is_large = scenario.name == LARGE;
        check(scenario, if is_large { 1 } else { 2 }, true);
    }
}

#[test]
#[ignore = "make model"]
fn two_faults_are_survived_by_a_move_between_slow_clouds() {
    for scenario in SCENARIOS.into_iter().filter(|one| one.name == LARGE) {
        check(scenario, 2, true);
    }
}
