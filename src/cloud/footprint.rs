//! What a load balancer occupies in memory. Every field is named here, so that a new one is
//! counted before it compiles.

use std::mem::size_of;
use std::net::IpAddr;

use super::bounds;
use crate::plan::health_check::{HealthCheck, Probe};
use crate::plan::load_balancer::{Addresses, Listener, LoadBalancer, LoadBalancerSpec, State};
use crate::plan::naming::Owner;
use crate::plan::tags::Tags;

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
    outline(found) + of_spec(&found.spec)
}

/// The bytes of all but the spec.
pub(super) fn outline(found: &LoadBalancer) -> usize {
    let LoadBalancer {
        id,
        name,
        owner,
        spec: _,
        is_understood: _,
        has_other_back_ends: _,
        opaque_listener: _,
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

/// The bytes of a spec beside its back ends.
pub(super) fn of_spec(spec: &LoadBalancerSpec) -> usize {
    let LoadBalancerSpec {
        nodes: _,
        listeners,
        spec,
        bandwidth,
        algorithm: _,
        source_ranges,
        client_affinity_seconds: _,
        internal: _,
        idle_timeout: _,
        tags,
        addresses,
        // Two at most.
        address_families: _,
    } = spec;
    let listeners: usize = listeners.iter().map(of_listener).sum();
    listeners
        + spec.len()
        + bandwidth.len()
        + of_texts(source_ranges)
        + tags.as_ref().map_or(0, of_tags)
        + addresses.len() * size_of::<IpAddr>()
}

fn of_listener(listener: &Listener) -> usize {
    let Listener {
        name,
        protocol: _,
        port: _,
        node_port: _,
        health_check,
        proxy_protocol: _,
        app_protocol,
    } = listener;
    let path = match health_check {
        HealthCheck::Unspecified | HealthCheck::Off => 0,
        HealthCheck::On { probe, timing: _ } => match probe {
            Probe::Tcp { port: _ } => 0,
            Probe::Http { port: _, path } => path.len(),
        },
    };
    size_of::<Listener>() + name.len() + path + app_protocol.as_ref().map_or(0, String::len)
}

fn of_tags(tags: &Tags) -> usize {
    let texts = tags.iter();
    let bytes = texts.map(|(key, value)| 2 * size_of::<String>() + key.len() + value.len());
    bytes.sum()
}

fn of_addresses(addresses: &Addresses) -> usize {
    let Addresses {
        ips,
        modes,
        hostnames,
        refused,
    } = addresses;
    let refused = refused.as_ref().map_or(0, String::len);
    ips.len() * size_of::<IpAddr>() + modes.footprint() + of_texts(hostnames) + refused
}

fn of_texts(texts: &[String]) -> usize {
    let bytes = texts.iter().map(|text| size_of::<String>() + text.len());
    bytes.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::health_check::Timing;
    use crate::plan::load_balancer::Protocol;
    use crate::plan::naming::LoadBalancerName;
    use crate::plan::proxy_protocol::ProxyProtocol;
    use crate::plan::service_size::{PORTS, SOURCE_RANGES};

    /// As many tags as a Service or the configuration may have.
    fn tags(prefix: &str) -> Tags {
        let tag = |index| format!("{prefix}{index:062}={}", "v".repeat(128));
        let tags: Vec<String> = (0..20).map(tag).collect();
        Tags::parse(&tags.join(",")).expect("tags")
    }

    #[test]
    fn the_largest_load_balancer_that_a_service_may_ask_for_is_within_the_bound() {
        let listener = Listener {
            // The longest that the API server takes.
            name: "n".repeat(63),
            protocol: Protocol::Tcp,
            port: 80,
            node_port: 30080,
            health_check: HealthCheck::On {
                probe: Probe::Http {
                    port: 30080,
                    path: "/".repeat(255),
                },
                timing: Timing {
                    interval_seconds: 5,
                    timeout_seconds: 3,
                    healthy_threshold: 2,
                    unhealthy_threshold: 3,
                },
            },
            proxy_protocol: Some(ProxyProtocol::V2),
            app_protocol: Some(format!("{}/{}", "d".repeat(253), "p".repeat(63))),
        };
        let mut found = LoadBalancer::plain("lb-1", LoadBalancerName::new("web"), None);
        found.spec.listeners = vec![listener; PORTS];
        found.spec.source_ranges =
            vec!["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128".into(); SOURCE_RANGES];
        found.spec.tags = Some(tags("a").or(&tags("b")));
        assert_eq!(check(&found), Ok(()));
        let bytes = beside_back_ends(&found);
        assert!(
            bytes > bounds::LOAD_BALANCER * 3 / 4,
            "{bytes}: all is counted"
        );
    }
}
