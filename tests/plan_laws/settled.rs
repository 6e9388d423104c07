//! What a world must be like when nothing is left to do.

use std::collections::BTreeSet;
use std::net::IpAddr;

use my_cloud_controller_manager::plan::load_balancer::{LoadBalancer, State};
use my_cloud_controller_manager::plan::naming::{CloudName, ServiceKey};
use my_cloud_controller_manager::plan::record::Ingress;
use my_cloud_controller_manager::plan::service::ServiceView;
use my_cloud_controller_manager::plan::{Desired, NotOurs, Waiting, Wanted};

use crate::expected::{asked_for, asked_of, cluster};
use crate::world::{End, Round, World};

impl World {
    /// Rounds without trouble for all Services, in this order, some time between
    /// them, and at the end of all a sweep; until nothing is done any more.
    ///
    /// # Errors
    /// There still was something to do after so many rounds, or what must
    /// never be was.
    pub fn settle(&mut self, order: &[ServiceKey], rounds: usize) -> Result<End, String> {
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
/// What is wrong with it.
pub fn expect_settled(world: &World, end: &End) -> Result<(), String> {
    for (key, service) in &world.services {
        let round = end.get(key).ok_or("nobody looked")?;
        expect_service(world, service, round).map_err(|what| {
            let (waiting, refused) = (&round.plan.waiting, &round.refused);
            format!("{key}: {what}; waiting for {waiting:?}, refused by {refused:?}")
        })?;
    }
    nothing_is_left(world)
}

/// Nothing of a Service that is gone, or that is no longer ours.
fn nothing_is_left(world: &World) -> Result<(), String> {
    for (name, cloud) in world.answering() {
        for found in cloud.load_balancers.values() {
            let Some(owner) = world.owner_of(found) else {
                continue;
            };
            let is_kept = world
                .living(owner)
                .is_some_and(|service| world.keeps(service));
            // Without an owner it cannot be told what is an orphan.
            let is_lost = cloud.forgetful && world.torn.contains(&owner.uid);
            if !is_kept && !is_lost {
                return Err(format!("{name} still has {found:?}, which nobody wants"));
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
        Desired::Unmanaged(_) | Desired::Invalid(_) => Ok(()),
        Desired::Released(_) if round.plan.waiting.is_empty() => {
            Err("the finalizer is still there".into())
        }
        Desired::Released(_) => {
            let owner = service.owner(&cluster());
            let mut answering = world.answering();
            match answering.find(|(_, cloud)| cloud.of(&owner).next().is_some()) {
                Some((cloud, _)) => Err(format!("{cloud} still has a load balancer")),
                None => Ok(()),
            }
        }
        Desired::Managed(wanted) => managed(world, service, &wanted, round),
    }
}

/// Whether what a plan waits for is so.
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
        Waiting::NotOurs(NotOurs::Deleting) | Waiting::NotOurs(_) | Waiting::Invalid(_) => true,
        Waiting::CloudUnreachable(cloud) => world.clouds[cloud].silent,
        Waiting::CloudNotConfigured(cloud) => !world.answering().any(|(name, _)| name == cloud),
        Waiting::NameTaken(cloud) => world.clouds[cloud].is_name_taken(&owner),
        Waiting::CloudError(cloud, message) => is_in(cloud, &State::Error(message.clone())),
        Waiting::NodesUnconfirmed => !world.is_sure_of_nodes(),
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
        return Err("the Service waits for us to let it go".into());
    }
    if !service.finalizer {
        return Err("there is no finalizer".into());
    }
    if wanted.clouds != asked_of(service) {
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
    let leftover = world.answering().find(|(name, cloud)| {
        !wanted.clouds.contains(*name) && cloud.of(&wanted.owner).next().is_some()
    });
    if let Some((cloud, _)) = leftover
        && all_serve
    {
        return Err(format!(
            "{cloud} still has a load balancer that nobody wants"
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
        return Err("it does not serve, and nobody is told why".into());
    }
    world.answering().try_for_each(|(name, cloud)| {
        let there = cloud.of(&wanted.owner).next().map(|ours| &ours.id);
        let recorded = service.record.get(name);
        if recorded == there {
            Ok(())
        } else {
            Err(format!(
                "{recorded:?} is on record for {name}, which has {there:?}"
            ))
        }
    })
}

/// The load balancer on a cloud that is wanted, if it can be had there.
fn on_wanted<'a>(
    world: &'a World,
    service: &ServiceView,
    name: &CloudName,
    refused: &BTreeSet<CloudName>,
) -> Result<Option<&'a LoadBalancer>, String> {
    let (cloud, owner) = (&world.clouds[name], service.owner(&cluster()));
    if cloud.silent || cloud.is_name_taken(&owner) || refused.contains(name) {
        return Ok(None);
    }
    let all: Vec<&LoadBalancer> = cloud.of(&owner).collect();
    let [ours] = all[..] else {
        return Err(format!("{name} has {} load balancers", all.len()));
    };
    let expected = cloud.kept(&asked_for(service, &world.backends.addresses));
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
