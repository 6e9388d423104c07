//! The coverage of the stories: a law of several Services is only tested if
//! what it is about happens in them.

use std::collections::{BTreeMap, BTreeSet};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::several::{ROUNDS, holder_of_a_place, in_order};
use crate::stories::stories;
use crate::story::{Step, Story};
use crate::world::{End, World};

/// The number of stories: always the same ones.
const DRAWN: usize = 400;
/// One of so many stories must have each of these, on the way
const SELDOM: usize = 20;
const ON_THE_WAY: [(&str, Change); 3] = [
    ("made again beside what its predecessor left", is_made_again),
    ("a full cloud is left by one of several", is_left_when_full),
    ("the sweep finds something", is_swept),
];
/// or at the end.
const AT_THE_END: [(&str, Outcome); 3] = [
    ("several are served", are_served_together),
    ("refused where another has its setup", is_refused),
    ("a move waits for room", move_waits),
];

type Change = fn(&World, &Step, &World) -> bool;
type Outcome = fn(&World, &End) -> bool;

#[test]
fn what_the_laws_are_about_happens() -> Result<(), String> {
    let mut runner = TestRunner::deterministic();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for _ in 0..DRAWN {
        let drawn = stories().new_tree(&mut runner);
        let story = drawn.map_err(|reason| reason.to_string())?.current();
        for what in situations(&story)? {
            *counts.entry(what).or_default() += 1;
        }
    }
    let on_the_way = ON_THE_WAY.iter().map(|(what, _)| what);
    for what in on_the_way.chain(AT_THE_END.iter().map(|(what, _)| what)) {
        let count = counts.get(what).copied().unwrap_or_default();
        assert!(
            count * SELDOM >= DRAWN,
            "{what}: of {DRAWN} only in {counts:?}"
        );
    }
    println!("of {DRAWN} stories: {counts:#?}");
    Ok(())
}

fn situations(story: &Story) -> Result<BTreeSet<&'static str>, String> {
    let mut seen = BTreeSet::new();
    let mut world = World::before(story);
    for step in &story.steps {
        let before = world.clone();
        world.take_step(step)?;
        let happens = ON_THE_WAY
            .iter()
            .filter(|(_, is_so)| is_so(&before, step, &world));
        seen.extend(happens.map(|(what, _)| *what));
    }
    let end = world.settle(&in_order(), ROUNDS)?;
    let is_so = AT_THE_END.iter().filter(|(_, is_so)| is_so(&world, &end));
    seen.extend(is_so.map(|(what, _)| *what));
    Ok(seen)
}

fn is_made_again(before: &World, _: &Step, after: &World) -> bool {
    let mut load_balancers = after
        .clouds
        .values()
        .flat_map(|cloud| cloud.load_balancers.values());
    let is_left = |owner| after.living(owner).is_none();
    after.owners.len() > before.owners.len()
        && load_balancers.any(|found| after.owner_of(found).is_some_and(is_left))
}

fn is_left_when_full(before: &World, step: &Step, after: &World) -> bool {
    let is_left = before.clouds.iter().any(|(name, cloud)| {
        let left = cloud.load_balancers.len() > after.clouds[name].load_balancers.len();
        cloud.is_full() && left && cloud.load_balancers.len() > 1
    });
    is_left && !matches!(step, Step::Quota(..))
}

fn is_swept(before: &World, step: &Step, after: &World) -> bool {
    matches!(step, Step::Sweep) && before.clouds != after.clouds
}

fn are_served_together(world: &World, _: &End) -> bool {
    let services = world.services.values();
    services
        .filter(|service| !service.record.is_empty())
        .count()
        > 1
}

fn is_refused(world: &World, end: &End) -> bool {
    holder_of_a_place(world, end).is_some()
}

fn move_waits(world: &World, end: &End) -> bool {
    world.services.iter().any(|(key, service)| {
        let refused = end.get(key).is_some_and(|round| !round.refused.is_empty());
        refused && !service.record.is_empty()
    })
}
