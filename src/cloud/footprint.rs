//! What a load balancer occupies in memory. Every field is named here, so that a new one is
//! counted before it compiles.

use std::mem::size_of;
use std::net::IpAddr;

use super::bounds;
use crate::plan::health_check::{HealthCheck, Probe};
use crate::plan::load_balancer::{Addresses, Listener, LoadBalancer, LoadBalancerSpec, State};
use crate::plan::naming::Owner;

/// An error if a load balancer occupies more than a cloud may make this program keep.
pub(super) fn check(found: &LoadBalancer) -> Result<(), String> {
    let most = bounds::BACK_ENDS;
    if found.spec.nodes.len() > most {
        return Err(format!("the load balancer has more than {most} back ends"));
    }
    let most = bounds::LOAD_BALANCER;
    if beside_back_ends(found) > most {
        return Err(format!(
            "the load balancer has more than {most} bytes beside its back ends"
        ));
    }
    Ok(())
}

/// The bytes of the addresses of its back ends, which several load balancers may share.
pub(super) fn back_ends(found: &LoadBalancer) -> usize {
    found.spec.nodes.len() * size_of::<IpAddr>()
}

/// The bytes of all the rest.
pub(super) fn beside_back_ends(found: &LoadBalancer) -> usize {
    let LoadBalancer {
        id,
        name,
        owner,
        spec,
        is_understood: _,
        has_other_back_ends: _,
        addresses,
        state,
    } = found;
    let state = match state {
        State::Error(message) => message.len(),
        State::Provisioning | State::Active | State::Deleting => 0,
    };
    size_of::<LoadBalancer>()
        + id.as_str().len()
        + name.as_str().len()
        + owner.as_ref().map_or(0, of_owner)
        + of_spec(spec)
        + of_addresses(addresses)
        + state
}

fn of_owner(owner: &Owner) -> usize {
    let Owner {
        // One text for all load balancers of a list.
        cluster: _,
        namespace,
        name,
        uid,
    } = owner;
    namespace.len() + name.len() + uid.as_str().len()
}

fn of_spec(spec: &LoadBalancerSpec) -> usize {
    let LoadBalancerSpec {
        nodes: _,
        listeners,
        spec,
        bandwidth,
        algorithm: _,
        source_ranges,
        client_affinity_seconds: _,
        // Two at most.
        address_families: _,
    } = spec;
    let listeners: usize = listeners.iter().map(of_listener).sum();
    listeners + spec.len() + bandwidth.len() + of_texts(source_ranges)
}

fn of_listener(listener: &Listener) -> usize {
    let Listener {
        name,
        protocol: _,
        port: _,
        node_port: _,
        health_check,
    } = listener;
    let path = match health_check {
        HealthCheck::Unspecified | HealthCheck::Off => 0,
        HealthCheck::On { probe, timing: _ } => match probe {
            Probe::Tcp { port: _ } => 0,
            Probe::Http { port: _, path } => path.len(),
        },
    };
    size_of::<Listener>() + name.len() + path
}

fn of_addresses(addresses: &Addresses) -> usize {
    let Addresses {
        ips,
        hostname,
        refused,
    } = addresses;
    let texts = [hostname, refused].into_iter().flatten();
    let texts: usize = texts.map(String::len).sum();
    ips.len() * size_of::<IpAddr>() + texts
}

fn of_texts(texts: &[String]) -> usize {
    let bytes = texts.iter().map(|text| size_of::<String>() + text.len());
    bytes.sum()
}
