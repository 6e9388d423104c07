//! Each rule broken once: what the model says to that.

use crate::explore::explore;
use crate::rules::Rule;
use crate::scenario::SCENARIOS;
use crate::world::World;

#[test]
#[ignore = "survey"]
fn survey() {
    for rule in Rule::ALL {
        for faults in [0, 1] {
            for sweeps in [false, true] {
                if !sweeps && faults > 0 {
                    continue;
                }
                for scenario in SCENARIOS {
                    if faults > 0 && scenario.is_slow {
                        continue;
                    }
                    let world = World {
                        scenario,
                        faults,
                        broken: Some(rule),
                        sweeps,
                    };
                    let found = explore(&world, faults > 0);
                    for (property, trace) in &found.broken {
                        println!(
                            "{rule:?} | F={faults} sweep={sweeps} | {} | {property} | {} | {}",
                            scenario.name,
                            trace.len(),
                            found.states
                        );
                    }
                }
            }
        }
    }
}
