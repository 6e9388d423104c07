//! The protocol under a model checker.

mod api_server;
mod cloud;
mod explore;
mod names;
mod properties;
mod replica;
mod rules;
mod scenario;
mod script;
mod shared;
mod shipped;
mod state;
mod world;

use std::time::Instant;

use crate::explore::explore;
use crate::scenario::SCENARIOS;
use crate::world::World;

fn check(faults: u8, sweeps: bool) {
    for scenario in SCENARIOS {
        let started = Instant::now();
        let world = World { scenario, faults, broken: None, sweeps };
        let found = explore(&world, false);
        println!("{:30} F={faults} sweep={sweeps} {} states depth {} bound {} {:.1?}", scenario.name, found.states, found.depth, found.at_bound, started.elapsed());
        for (name, trace) in found.broken { println!("   BROKEN {name} in {}: {trace:?}", trace.len()); }
        for name in found.never_reached { println!("   NEVER {name}"); }
    }
}

#[test]
fn no_faults() { check(0, false); }
#[test]
fn one_fault() { check(1, true); }
