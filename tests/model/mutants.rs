//! Each rule is broken once, and a property must notice it: a model that checks
//! nothing would pass without these.

use crate::explore::{STUCK, explore};
use crate::rules::Rule;
use crate::scenario::SCENARIOS;
use crate::world::World;

const GONE: &str = "a load balancer has a Service";
const LEAK: &str = "settled without a leak";
const WRONG: &str = "no wrong delete";
const REST: &str = "nothing to do only when all is done";

struct Mutant {
    rule: Rule,
    scenario: &'static str,
    faults: u8,
    sweeps: bool,
    /// The property that catches it.
    property: &'static str,
}

const fn mutant(
    rule: Rule,
    scenario: &'static str,
    faults: u8,
    sweeps: bool,
    property: &'static str,
) -> Mutant {
    Mutant {
        rule,
        scenario,
        faults,
        sweeps,
        property,
    }
}

const DELETED: &str = "deleted and recreated";
const SLOW: &str = "deleted on a slow cloud";
const AWAY: &str = "type changed away";
const MOVED: &str = "moved to another cloud";
const TAKEN: &str = "name taken by somebody else";
const EDITED: &str = "edited and deleted";

const MUTANTS: [Mutant; 20] = [
    mutant(Rule::FinalizerFirst, DELETED, 0, true, GONE),
    mutant(Rule::LiveBeforeCreate, DELETED, 1, true, GONE),
    mutant(Rule::ConfirmGone, SLOW, 0, true, GONE),
    mutant(Rule::FinalizerStaysOnFailure, SLOW, 0, true, GONE),
    mutant(Rule::MakeBeforeBreak, MOVED, 0, true, "no gap in a move"),
    mutant(
        Rule::WithdrawnFirst,
        "two clouds, then one",
        0,
        true,
        "no published address goes in a move",
    ),
    mutant(
        Rule::OneCallAtATime,
        "deleted while a cloud is left behind",
        0,
        true,
        GONE,
    ),
    mutant(Rule::UndoWhenGone, DELETED, 0, false, LEAK),
    mutant(Rule::UnlistedIsNotAbsent, DELETED, 1, true, GONE),
    mutant(Rule::UnreachableIsNotAbsent, SLOW, 1, true, GONE),
    mutant(Rule::OwnerOfName, TAKEN, 0, true, "no hijack"),
    mutant(Rule::OwnerOfRecord, "record forged", 0, true, "no hijack"),
    mutant(
        Rule::QueryWhereListed,
        "record forged for another cloud",
        0,
        true,
        GONE,
    ),
    mutant(Rule::SweepSeesReleased, AWAY, 1, true, LEAK),
    mutant(Rule::Sweep, DELETED, 1, true, LEAK),
    mutant(Rule::SweepReadsLive, DELETED, 1, true, WRONG),
    mutant(Rule::Precondition, DELETED, 0, true, GONE),
    mutant(
        Rule::IdempotentByName,
        DELETED,
        1,
        true,
        "one load balancer of a Service on a cloud",
    ),
    mutant(Rule::EditsAreDone, EDITED, 0, true, STUCK),
    mutant(Rule::EditsAreWork, EDITED, 0, true, REST),
];

#[test]
fn every_broken_rule_is_noticed() {
    for Mutant {
        rule,
        scenario: name,
        faults,
        sweeps,
        property,
    } in MUTANTS
    {
        for scenario in SCENARIOS.into_iter().filter(|other| other.name == name) {
            let world = World {
                scenario,
                faults,
                broken: Some(rule),
                sweeps,
            };
            let found = explore(&world, Some(property));
            let caught = found.broken.iter().find(|(broken, _)| *broken == property);
            let Some((_, trace)) = caught else {
                panic!("{rule:?} broken in {name:?} with {faults} faults, and no property noticed");
            };
            // Only a search of all states can find this one, so no other property stopped it.
            if property == STUCK {
                assert_eq!(found.broken.len(), 1, "{rule:?}: {:?}", found.broken);
            }
            println!(
                "{rule:?} | {name}, {faults} | {property} | {} | {trace:?}",
                trace.len()
            );
        }
    }
}
