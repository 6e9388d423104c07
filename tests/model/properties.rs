//! The properties that must hold. They are written without the shipped `plan()`,
//! except where they are about it.

use my_cloud_controller_manager::plan::ip_mode::IpMode;
use my_cloud_controller_manager::plan::record::{Ingress, Publication};
use stateright::Property;

use crate::names;
use crate::scenario::{BOTH, Planted};
use crate::shipped::{self, ObservedCloud};
use crate::state::{Balancer, CLOUDS, Facts, Id, Kind, Phase, Replica, State};
use crate::step::Step;
use crate::world::World;

/// All properties.
pub fn all() -> Vec<Property<World>> {
    vec![
        Property::always("one load balancer of a Service on a cloud", one_each),
        Property::always("no wrong delete", |_, state: &State| {
            !state.violations.wrong_delete
        }),
        Property::always("no hijack", no_hijack),
        Property::always("no gap in a move", |_, state: &State| !state.violations.gap),
        Property::always("no published address goes in a move", |_, state: &State| {
            !state.violations.published_gone
        }),
        Property::always("what is retained is not deleted", |_, state: &State| {
            !state.violations.not_retained
        }),
        Property::sometimes(
            "settled with a load balancer that is retained",
            |world, state| {
                !world.scenario.spec.retains
                    || (is_settled(world, state)
                        && state.balancers.iter().any(|found| found.is_retained))
            },
        ),
        Property::always("only unrecorded creates are undone", |_, state: &State| {
            !state.violations.recorded_undone
        }),
        Property::always("a load balancer has a Service", has_service),
        Property::always("nothing to do only when all is done", rest_is_right),
        Property::always("settled without a leak", settled_is_right),
        Property::sometimes(
            "one cloud is published before another has answered",
            |world, state: &State| {
                world.scenario.spec.clouds != BOTH || state.replicas.iter().any(is_ahead)
            },
        ),
        Property::sometimes("settled with a load balancer", |world, state| {
            is_settled(world, state) && state.balancers.iter().any(|found| found.is_ours)
        }),
    ]
}

/// Whether a replica has published one load balancer while it creates the other.
fn is_ahead(replica: &Replica) -> bool {
    replica.run.is_some_and(|run| {
        let creates = |lane| matches!(run.step(lane), Step::Create { .. });
        run.lanes().any(creates) && !run.object.facts.published.get().ingress.is_empty()
    })
}

fn one_each(_: &World, state: &State) -> bool {
    let mut names = state
        .balancers
        .iter()
        .map(|found| (found.id.cloud, found.id.uid));
    let mut last = None;
    // They are sorted, so two of one name are neighbours.
    names.all(|name| last.replace(name) != Some(name))
}

fn no_hijack(world: &World, state: &State) -> bool {
    let is_theirs = |found: &&Balancer| !found.is_ours && !found.is_retained;
    let theirs = state.balancers.iter().filter(is_theirs);
    let planted = usize::from(world.scenario.planted != Planted::Nothing);
    !state.violations.hijack && theirs.count() == planted
}

/// The finalizer alone keeps any load balancer from outliving its Service, at
/// any moment, whatever crashes, is unreachable or shows old states. It does not
/// cover a request whose response was lost, nor a cloud that the user took out of
/// the record: `clouds_to_query` relies on the list of that cloud. For these cases
/// there is "settled without a leak".
fn has_service(world: &World, state: &State) -> bool {
    let owner = state.service.map(|live| live.facts);
    let has_fault = state.faults < world.faults;
    state.uncertain
        || (has_fault && world.scenario.hides_a_cloud())
        || state.balancers.iter().all(|found| {
            !found.is_ours
                || owner.is_some_and(|owner| owner.uid == found.id.uid && owner.finalizer)
        })
}

/// If a plan from complete knowledge is empty and waits for nothing, the clouds
/// and the Service are converged.
fn rest_is_right(world: &World, state: &State) -> bool {
    !is_at_rest(world, state)
        || state
            .service
            .is_none_or(|live| is_converged(state, live.facts))
}

/// When nothing can happen by itself, the clouds have exactly the load balancers
/// that the live Service wants, and it publishes them.
fn settled_is_right(world: &World, state: &State) -> bool {
    if !is_settled(world, state) {
        return true;
    }
    let wanted = state.service.map_or(0, |live| wanted_clouds(live.facts));
    let owner = state.service.map(|live| live.facts.uid);
    state
        .balancers
        .iter()
        .filter(|found| found.is_ours)
        .all(|found| Some(found.id.uid) == owner && wanted & (1 << found.id.cloud) != 0)
        && rest_is_right(world, state)
}

/// Whether no request is on its way, and one replica leads, has observed
/// everything and has nothing to do.
pub fn is_settled(world: &World, state: &State) -> bool {
    let is_quiet = state.requests.is_empty()
        && state
            .replicas
            .iter()
            .all(|replica| replica.run.is_none() && replica.left.is_empty())
        && state
            .balancers
            .iter()
            .all(|found| found.phase == Phase::Active);
    let mut leaders = state.replicas.iter().filter(|replica| replica.leads);
    let (Some(leader), None) = (leaders.next(), leaders.next()) else {
        return false;
    };
    is_quiet
        && leader.cache == Some(state.service)
        && leader
            .inventory
            .iter()
            .eq(state.balancers.iter().filter(|found| found.is_ours))
        && !state
            .balancers
            .iter()
            .any(|found| world.is_orphan(state, state.service, *found))
        && is_at_rest(world, state)
}

/// Whether the shipped plan has nothing to do when it observes everything.
fn is_at_rest(world: &World, state: &State) -> bool {
    let Some(live) = state.service else {
        return true;
    };
    let listed = [0, 1].map(|cloud| state.by_name(cloud, live.facts.uid));
    let lookup = shipped::lookup(live.facts);
    if !lookup.is_ours {
        return true;
    }
    let seen = |cloud: u8| match listed[usize::from(cloud)] {
        Some(found) if found.is_ours => ObservedCloud::Present(found),
        Some(_) => ObservedCloud::NameTaken,
        None if lookup.clouds & (1 << cloud) != 0 => ObservedCloud::Absent,
        None => ObservedCloud::NotQueried,
    };
    shipped::plan_for(live.facts, [0, 1].map(seen), world.broken).is_at_rest
}

fn wanted_clouds(facts: Facts) -> u8 {
    let is_wanted = facts.spec.kind == Kind::LoadBalancer && !facts.deleting;
    if is_wanted { facts.spec.clouds } else { 0 }
}

/// Whether a Service has the load balancers that it wants, and no others:
/// written without `plan()`.
fn is_converged(state: &State, facts: Facts) -> bool {
    let wanted = wanted_clouds(facts);
    if wanted == 0 {
        // Annotations that a user forged on a Service that is not ours stay.
        return !facts.finalizer && !facts.deleting;
    }
    let mut ids: Vec<Id> = Vec::new();
    for cloud in 0..CLOUDS {
        let is_wanted = wanted & (1 << cloud) != 0;
        match state.by_name(cloud, facts.uid) {
            Some(found) if found.is_ours => {
                let is_right = found.bandwidth == facts.spec.bandwidth;
                if !is_wanted || !is_right || found.phase != Phase::Active {
                    return false;
                }
                ids.push(found.id);
            }
            // A stranger has our name: the move waits, and everything stays where it is.
            Some(_) if is_wanted => return facts.finalizer,
            Some(_) => {}
            None if is_wanted => return false,
            None => {}
        }
    }
    let name = |id: &Id| (names::cloud_name(id.cloud), names::load_balancer_id(*id));
    let expected = Publication {
        record: ids.iter().map(name).collect(),
        ingress: ids
            .iter()
            .map(|id| Ingress::Ip(names::address(*id)))
            .collect(),
        modes: ids
            .iter()
            .map(|id| (names::address(*id), IpMode::Vip))
            .collect(),
    };
    facts.finalizer && *facts.published.get() == expected
}
