//! The laws of whole runs of several Services, which share clouds and the room
//! on them.

use std::collections::BTreeMap;

use my_cloud_controller_manager::plan::load_balancer::LoadBalancer;
use my_cloud_controller_manager::plan::naming::{CloudName, ServiceKey};
use my_cloud_controller_manager::plan::service::ServiceView;
use proptest::prelude::*;

use crate::expected::cluster;
use crate::fault::FaultKind;
use crate::settled::expect_settled;
use crate::stories::{orders, stories, stories_without_quota};
use crate::story::{Edit, Slot, Step, Story, key};
use crate::world::{End, World};
use crate::{CASES, config};

/// Cases for each law: a story is longer than a scene.
const STORIES: u32 = CASES / 2;
/// Rounds from any start to the end: each place that is freed may free another.
pub const ROUNDS: usize = 12;

proptest! {
    #![proptest_config(config(STORIES))]

    #[test]
    fn each_service_has_its_own_or_its_cloud_is_full(story in stories()) {
        let mut world = live(&story)?;
        settle(&mut world, &in_order())?;
        // And without any obstacle, each has its own.
        for cloud in world.clouds.values_mut() {
            (cloud.unreachable, cloud.quota) = (false, None);
        }
        let end = settle(&mut world, &in_order())?;
        for (key, round) in &end {
            prop_assert!(round.refused.is_empty(), "{key}: {:?}", round.refused);
        }
    }

    #[test]
    fn a_place_that_is_freed_is_taken(story in stories(), order in orders()) {
        let mut world = live(&story)?;
        for cloud in world.clouds.values_mut() {
            cloud.unreachable = false;
        }
        let end = settle(&mut world, &in_order())?;
        let Some((full, leaves)) = holder_of_a_place(&world, &end) else {
            return Ok(());
        };
        world.edit(Edit::Delete(leaves));
        let order: Vec<ServiceKey> = order.into_iter().map(key).collect();
        let end = settle(&mut world, &order)?;
        prop_assert!(!world.services.contains_key(&key(leaves)), "it holds its setup");
        let still_refused = end.values().any(|round| round.refused.contains(&full));
        prop_assert!(world.clouds[&full].is_full() || !still_refused);
    }

    #[test]
    fn the_order_of_the_services_does_not_matter(
        story in stories_without_quota(),
        order in orders(),
    ) {
        let mut world = live(&story)?;
        let mut other = world.clone();
        settle(&mut world, &in_order())?;
        let order: Vec<ServiceKey> = order.into_iter().map(key).collect();
        settle(&mut other, &order)?;
        prop_assert_eq!(world, other);
    }

    #[test]
    fn a_service_does_not_notice_the_others(
        story in stories_without_quota(),
        slot in 0..4_usize,
    ) {
        let story = story.without_copies();
        let mut among_others = live(&story)?;
        settle(&mut among_others, &in_order())?;
        let mut alone = live(&story.without_others(slot))?;
        settle(&mut alone, &in_order())?;
        prop_assert_eq!(all_of(&among_others, slot), all_of(&alone, slot));
    }
}

fn live(story: &Story) -> Result<World, TestCaseError> {
    let mut world = World::before(story);
    for step in &story.steps {
        world.take_step(step).map_err(TestCaseError::fail)?;
    }
    Ok(world)
}

fn settle(world: &mut World, order: &[ServiceKey]) -> Result<End, TestCaseError> {
    let end = world.settle(order, ROUNDS);
    let end = end.map_err(TestCaseError::fail)?;
    expect_settled(world, &end).map_err(TestCaseError::fail)?;
    Ok(end)
}

pub fn in_order() -> Vec<ServiceKey> {
    (0..4).map(key).collect()
}

/// A cloud that refuses a create, and a Service that has a load balancer there.
pub fn holder_of_a_place(world: &World, end: &End) -> Option<(CloudName, Slot)> {
    let full = end.values().flat_map(|round| &round.refused).next()?;
    let holds = |slot: &Slot| {
        let service = world.services.get(&key(*slot));
        service.is_some_and(|service| {
            let owner = service.owner(&cluster());
            world.clouds[full].of(&owner).next().is_some()
        })
    };
    Some((full.clone(), (0..4).find(holds)?))
}

impl Story {
    /// The story without the other Services.
    fn without_others(&self, slot: Slot) -> Self {
        self.only(|step| match step {
            Step::User(edit) => edit.slot() == slot,
            Step::Reconcile(reconciled, _) => *reconciled == slot,
            _ => true,
        })
    }

    /// The story without edits that copy from one Service to another.
    fn without_copies(&self) -> Self {
        let is_copy = |edit: Edit| matches!(edit, Edit::Copy(..));
        self.only(|step| match step {
            Step::User(edit) => !is_copy(*edit),
            Step::Reconcile(_, Some(fault)) => {
                !matches!(fault.kind, FaultKind::Meanwhile(edit) if is_copy(edit))
            }
            _ => true,
        })
    }

    fn only(&self, belongs: impl Fn(&Step) -> bool) -> Self {
        let steps = self.steps.iter().copied();
        Self {
            steps: steps.filter(belongs).collect(),
            ..self.clone()
        }
    }
}

type Footprint = (Option<ServiceView>, BTreeMap<CloudName, Vec<LoadBalancer>>);

/// A Service and all load balancers of every Service that had its key.
fn all_of(world: &World, slot: Slot) -> Footprint {
    let key = key(slot);
    let is_of_it = |found: &&LoadBalancer| {
        let owner = world.owner_of(found);
        owner.is_some_and(|owner| owner.namespace == key.namespace && owner.name == key.name)
    };
    let clouds = world.clouds.iter().map(|(name, cloud)| {
        let found = cloud.load_balancers.values().filter(is_of_it);
        (name.clone(), found.cloned().collect())
    });
    (world.services.get(&key).cloned(), clouds.collect())
}
