//! The state of a world in which nothing is left to do.

use std::collections::BTreeSet;
use std::net::IpAddr;

use my_cloud_controller_manager::plan::load_balancer::{LoadBalancer, State};
use my_cloud_controller_manager::plan::naming::{CloudName, ServiceKey};
use my_cloud_controller_manager::plan::record::Ingress;
use my_cloud_controller_manager::plan::service::ServiceView;
use my_cloud_controller_manager::plan::{Desired, Waiting, Wanted};

use crate::expected::{clouds_of, cluster, spec_of};
use crate::world::{End, Round, World};

impl World {
    /// Rounds without a fault for all Services, in this order, time between them,
    /// and a sweep at the end; until nothing changes.
    ///
    /// # Errors
    /// Something was still to do after so many rounds, or an invariant did not hold.
    pub fn converge(&mut self, order: &[ServiceKey], rounds: usize) -> Result<End, String> {
        let mut done = Vec::new();
        loop {
            self.time_goes_by();
            let before = self.clone();
            let mut end = End::new();
            for key in order {
                end.insert(key.clone(), self.round(key, None)?);
            }
            // Only what a full cloud refuses is tried again and again.
            let is_quiet =
                |round: &Round| round.plan.actions.is_empty() || !round.refused.is_empty();
            if end.values().all(is_quiet) && *self == before {
                self.sweep()?;
                if *self == before {
                    return Ok(end);
                }
            }
            done.push(end.into_values().map(|round| round.plan.actions));
            if done.len() > rounds {
                let done: Vec<Vec<_>> = done.into_iter().map(Iterator::collect).collect();
                return Err(format!("no end after {rounds} rounds: {done:#?}"));
            }
        }
    }
}

/// # Errors
/// The expectation that is not met.
pub fn expect_settled(world: &World, end: &End) -> Result<(), String> {
    for (key, service) in &world.services {
        let round = end.get(key).ok_or("no round")?;
        expect_service(world, service, round).map_err(|what| {
            let (waiting, refused) = (&round.plan.waiting, &round.refused);
            format!("{key}: {what}; waiting for {waiting:?}, refused by {refused:?}")
        })?;
    }
    nothing_is_left(world)
}

/// Nothing of a Service that is gone, or that is no longer ours.
fn nothing_is_left(world: &World) -> Result<(), String> {
    for (name, cloud) in world.reachable() {
        for found in cloud.load_balancers.values() {
            let Some(owner) = world.owner_of(found) else {
                continue;
            };
            let is_kept = world
                .living(owner)
                .is_some_and(|service| world.keeps(service));
            // Without an owner an orphan is not recognized.
            let is_lost = cloud.forgetful && world.torn.contains(&owner.uid);
            if !is_kept && !is_lost {
                return Err(format!(
                    "{name} still has {found:?}, which no Service wants"
                ));
            }
        }
    }
    Ok(())
}

fn expect_service(world: &World, service: &ServiceView, round: &Round) -> Result<(), String> {
    for reason in &round.plan.waiting {
        if !is_true(world, service, reason) {
            return Err(format!("{reason:?} is no reason to wait"));
        }
    }
    for cloud in &round.refused {
        if !world.clouds[cloud].is_full() {
            return Err(format!("{cloud} has room"));
        }
    }
    match world.desired(service) {
        Desired::Unmanaged(_) | Desired::Paused => Ok(()),
        Desired::Invalid(_) if service.finalizer => follows_the_nodes(world, service, |_| true),
        Desired::Invalid(_) => Ok(()),
        Desired::Released(..) if round.plan.waiting.is_empty() => {
            Err("the finalizer is still there".into())
        }
        Desired::Released(..) => {
            let owner = service.owner(&cluster());
            let mut reachable = world.reachable();
            match reachable.find(|(_, cloud)| cloud.of(&owner).next().is_some()) {
                Some((cloud, _)) => Err(format!("{cloud} still has a load balancer")),
                None => Ok(()),
            }
        }
        Desired::Managed(wanted) => managed(world, service, &wanted, round),
    }
}

/// Whether the reason for which a plan waits is true.
fn is_true(world: &World, service: &ServiceView, reason: &Waiting) -> bool {
    let owner = service.owner(&cluster());
    let is_in = |cloud: &CloudName, life: &State| {
        let ours = world
            .clouds
            .get(cloud)
            .and_then(|cloud| cloud.of(&owner).next());
        ours.is_some_and(|ours| ours.state == *life)
    };
    match reason {
        Waiting::NotOurs(_)
        | Waiting::Invalid(_)
        | Waiting::Paused
        | Waiting::CannotRetain(_)
        | Waiting::Untold(..)
        | Waiting::Refused(..) => true,
        // All that the simulated clouds show is known.
        Waiting::NotUnderstood(_) => false,
        Waiting::CloudUnreachable(cloud) | Waiting::Unanswered(cloud) => {
            world.clouds[cloud].unreachable
        }
        Waiting::CloudNotConfigured(cloud) => !world.reachable().any(|(name, _)| name == cloud),
        Waiting::NameTaken(cloud) => world.clouds[cloud].is_name_taken(&owner),
        Waiting::CloudError(cloud, message) => is_in(cloud, &State::Error(message.clone())),
        // Each cloud of the worlds has addresses of its own.
        Waiting::ShownTwice { .. } => false,
        Waiting::NoEligibleNodes => world.backends.addresses.is_empty(),
        // Time went by.
        Waiting::Provisioning(_) | Waiting::Deleting(_) => false,
        // A plan waits for neither: they come from applying and from pacing it.
        Waiting::StillDeleting(..) | Waiting::RepairSlot(_) => false,
    }
}

fn managed(
    world: &World,
    service: &ServiceView,
    wanted: &Wanted,
    round: &Round,
) -> Result<(), String> {
    if service.deleting {
        return Err("the Service is deleted and still has our finalizer".into());
    }
    if !service.finalizer {
        return Err("there is no finalizer".into());
    }
    if wanted.clouds != clouds_of(service) {
        return Err(format!("{:?} is understood", wanted.clouds));
    }
    let mut all_serve = true;
    let mut addresses: Vec<IpAddr> = Vec::new();
    for cloud in &wanted.clouds {
        match on_wanted(world, service, cloud, &round.refused)? {
            Some(ours) if ours.state == State::Active => addresses.extend(&ours.addresses.ips),
            _ => all_serve = false,
        }
    }
    let leftover = world.reachable().find(|(name, cloud)| {
        !wanted.clouds.contains(*name) && cloud.of(&wanted.owner).next().is_some()
    });
    if !all_serve {
        follows_the_nodes(world, service, |cloud| !wanted.clouds.contains(cloud))?;
    }
    if let Some((cloud, _)) = leftover
        && all_serve
        && world.is_sure_of_nodes()
    {
        return Err(format!(
            "{cloud} still has a load balancer that no Service wants"
        ));
    }
    let published = service.published.iter();
    let published: Vec<&IpAddr> = published
        .filter_map(|entry| match entry {
            Ingress::Ip(ip) => Some(ip),
            Ingress::Hostname(_) => None,
        })
        .collect();
    if all_serve && published != addresses.iter().collect::<Vec<_>>() {
        return Err(format!(
            "{published:?} is published instead of {addresses:?}"
        ));
    }
    if !all_serve && round.plan.waiting.is_empty() && round.refused.is_empty() {
        return Err("it does not serve, and no reason is given".into());
    }
    world.reachable().try_for_each(|(name, cloud)| {
        let there = cloud.of(&wanted.owner).next().map(|ours| &ours.id);
        let recorded = service.record.get(name);
        // The id of a lost load balancer stays while its address does.
        let is_lost = there.is_none() && !all_serve && !service.published.is_empty();
        if recorded == there || is_lost {
            Ok(())
        } else {
            Err(format!(
                "{recorded:?} is on record for {name}, which has {there:?}"
            ))
        }
    })
}

/// Whether the load balancers on these clouds have the Nodes as back ends.
fn follows_the_nodes(
    world: &World,
    service: &ServiceView,
    is_meant: impl Fn(&CloudName) -> bool,
) -> Result<(), String> {
    let (owner, nodes) = (service.owner(&cluster()), &world.backends.addresses);
    if !world.is_sure_of_nodes() {
        return Ok(());
    }
    for (name, cloud) in world.reachable().filter(|(name, _)| is_meant(name)) {
        let found = cloud.of(&owner).next();
        if let Some(found) = found.filter(|found| found.spec.nodes != *nodes) {
            return Err(format!("{name} has other back ends: {found:?}"));
        }
    }
    Ok(())
}

/// The load balancer on a cloud that is wanted, if it can be had there.
fn on_wanted<'a>(
    world: &'a World,
    service: &ServiceView,
    name: &CloudName,
    refused: &BTreeSet<CloudName>,
) -> Result<Option<&'a LoadBalancer>, String> {
    let (cloud, owner) = (&world.clouds[name], service.owner(&cluster()));
    if cloud.unreachable || cloud.is_name_taken(&owner) || refused.contains(name) {
        return Ok(None);
    }
    let all: Vec<&LoadBalancer> = cloud.of(&owner).collect();
    let [ours] = all[..] else {
        return Err(format!("{name} has {} load balancers", all.len()));
    };
    let expected = cloud.kept(&spec_of(service, &world.backends.addresses));
    let as_wanted = if world.is_sure_of_nodes() {
        ours.spec == expected
    } else {
        ours.spec_with_nodes(&world.backends.addresses) == expected
    };
    if ours.name != owner.load_balancer_name() || !as_wanted {
        return Err(format!("{name} has something else than wanted"));
    }
    Ok(Some(ours))
}
