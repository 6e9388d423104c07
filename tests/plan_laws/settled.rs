//! What a world must be like when nothing is left to do.

use std::net::IpAddr;

use my_cloud_controller_manager::plan::load_balancer::{LoadBalancer, State};
use my_cloud_controller_manager::plan::naming::{CloudName, LoadBalancerId};
use my_cloud_controller_manager::plan::record::Ingress;
use my_cloud_controller_manager::plan::{Desired, NotOurs, Plan, Waiting, Wanted};

use crate::cloud::Cloud;
use crate::expected::owner;
use crate::world::World;

/// # Errors
/// What is wrong with it.
pub fn expect_settled(world: &World, end: &Plan) -> Result<(), String> {
    let wrong = |what: String| Err(format!("{what}; waiting for {:?}", end.waiting));
    for reason in &end.waiting {
        if !is_true(world, reason) {
            return wrong(format!("{reason:?} is no reason to wait"));
        }
    }
    match world.desired() {
        None | Some(Desired::Unmanaged(_) | Desired::Invalid(_)) => Ok(()),
        Some(Desired::Released(_)) => {
            if end.waiting.is_empty() {
                return wrong("the finalizer is still there".into());
            }
            match world.answering().find(|(_, cloud)| !cloud.ours.is_empty()) {
                Some((cloud, _)) => wrong(format!("{cloud} still has a load balancer")),
                None => Ok(()),
            }
        }
        Some(Desired::Managed(wanted)) => managed(world, &wanted, end).or_else(wrong),
    }
}

/// Whether what a plan waits for is so.
fn is_true(world: &World, reason: &Waiting) -> bool {
    let is_in = |cloud: &CloudName, life: &State| {
        let ours = world.clouds.get(cloud).and_then(|cloud| cloud.ours.first());
        ours.is_some_and(|ours| ours.state == *life)
    };
    match reason {
        Waiting::NotOurs(NotOurs::Deleting) | Waiting::NotOurs(_) | Waiting::Invalid(_) => true,
        Waiting::CloudUnreachable(cloud) => world.clouds[cloud].silent,
        Waiting::CloudNotConfigured(cloud) => !world.answering().any(|(name, _)| name == cloud),
        Waiting::NameTaken(cloud) => world.clouds[cloud].name_taken,
        Waiting::CloudError(cloud, message) => is_in(cloud, &State::Error(message.clone())),
        Waiting::NodesUnconfirmed => !world.is_sure_of_nodes(),
        // Time went by.
        Waiting::Provisioning(_) | Waiting::Deleting(_) => false,
    }
}

fn managed(world: &World, wanted: &Wanted, end: &Plan) -> Result<(), String> {
    let service = world.service.as_ref().ok_or("the Service is gone")?;
    if service.deleting {
        return Err("the Service waits for us to let it go".into());
    }
    if !service.finalizer {
        return Err("there is no finalizer".into());
    }
    let mut all_serve = true;
    let mut addresses: Vec<IpAddr> = Vec::new();
    for cloud in &wanted.clouds {
        match on_wanted(world, wanted, cloud)? {
            Some(ours) if ours.state == State::Active => addresses.extend(&ours.addresses.ips),
            _ => all_serve = false,
        }
    }
    let leftover = world
        .answering()
        .find(|(name, cloud)| !wanted.clouds.contains(*name) && !cloud.ours.is_empty());
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
    if !all_serve && end.waiting.is_empty() {
        return Err("it does not serve, and nobody is told why".into());
    }
    world.answering().try_for_each(|(name, cloud)| {
        let (recorded, there) = (service.record.get(name), id_of(cloud));
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
    wanted: &Wanted,
    name: &CloudName,
) -> Result<Option<&'a LoadBalancer>, String> {
    let cloud = &world.clouds[name];
    if cloud.silent || cloud.name_taken {
        return Ok(None);
    }
    let [ours] = cloud.ours.as_slice() else {
        return Err(format!("{name} has {} load balancers", cloud.ours.len()));
    };
    let expected = wanted.spec(&world.backends.addresses);
    let as_wanted = if world.is_sure_of_nodes() {
        ours.spec == expected
    } else {
        ours.spec_with_nodes(&world.backends.addresses) == expected
    };
    if ours.name != owner().load_balancer_name() || !as_wanted {
        return Err(format!("{name} has something else than wanted"));
    }
    Ok(Some(ours))
}

fn id_of(cloud: &Cloud) -> Option<&LoadBalancerId> {
    cloud.ours.first().map(|ours| &ours.id)
}
