//! What a Service asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::Serialize;

use super::annotation::{self, Problem, Subject};
use super::load_balancer::{Listener, LoadBalancerSpec, Protocol};
use super::naming::{CloudName, ClusterId, Owner};
use super::service::{PortView, ServiceView};

/// What can be asked of a cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Capabilities {
    /// Everything.
    Full,
    /// One TCP port, spec and bandwidth.
    Basic,
}

/// The clouds that are configured, and what each can do.
pub type Clouds = BTreeMap<CloudName, Capabilities>;

/// What a Service asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Desired {
    /// Not ours, and never was: nothing is read or written for it.
    Unmanaged(NotOurs),
    /// Ours until now: its load balancers go, then our marks on it.
    Released(Release),
    /// Ours, but it cannot be carried out as written: everything stays as it
    /// is until somebody edits it.
    Invalid(Vec<Problem>),
    /// Ours.
    Managed(Box<Wanted>),
}

/// Why a Service is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum NotOurs {
    /// `spec.type` is not `LoadBalancer`.
    NotLoadBalancer,
    /// The annotation `enable` is not `true`.
    NotEnabled,
    /// `spec.loadBalancerClass` names another controller.
    ForeignClass,
    /// It is being deleted and we never touched it.
    Deleting,
}

/// Why a Service ceased to be ours, and whether its object outlives that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Release {
    /// The Service is being deleted.
    Deleted,
    /// The Service stays and is somebody else's business from now on.
    Stays(NotOurs),
}

/// What a managed Service asks for; with the Nodes' addresses it makes a
/// [`LoadBalancerSpec`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Wanted {
    /// Whose the load balancers are.
    pub owner: Owner,
    /// The clouds, one load balancer on each; at least one.
    pub clouds: BTreeSet<CloudName>,
    /// Everything but the back ends; its `nodes` are empty.
    template: LoadBalancerSpec,
}

impl Wanted {
    /// The load balancer to have, with these back ends.
    pub fn spec(&self, nodes: &BTreeSet<IpAddr>) -> LoadBalancerSpec {
        LoadBalancerSpec {
            nodes: nodes.clone(),
            ..self.template.clone()
        }
    }
}

/// Reads what a Service asks for.
pub fn desired(service: &ServiceView, cluster: &ClusterId, clouds: &Clouds) -> Desired {
    let not_ours = if !service.is_load_balancer {
        Some(NotOurs::NotLoadBalancer)
    } else if service.class.is_some() {
        Some(NotOurs::ForeignClass)
    } else if service
        .annotations
        .get(annotation::ENABLE)
        .is_none_or(|value| value != "true")
    {
        Some(NotOurs::NotEnabled)
    } else {
        None
    };
    match (service.finalizer, service.deleting, not_ours) {
        (true, true, _) => Desired::Released(Release::Deleted),
        (true, false, Some(reason)) => Desired::Released(Release::Stays(reason)),
        (false, _, Some(reason)) => Desired::Unmanaged(reason),
        (false, true, None) => Desired::Unmanaged(NotOurs::Deleting),
        (_, false, None) => wanted(service, cluster, clouds),
    }
}

/// The clouds to ask about a Service, beside those whose inventory has its name.
///
/// A Service on its way out may have lost the answer of its last create, which
/// is on no record. Its annotation then names the cloud; if that cannot be read
/// any more and there is no record at all, it may be any.
pub fn clouds_to_query(
    service: &ServiceView,
    desired: &Desired,
    clouds: &Clouds,
) -> BTreeSet<CloudName> {
    let mut asked: BTreeSet<CloudName> = service.record.clouds().cloned().collect();
    match desired {
        Desired::Unmanaged(_) | Desired::Invalid(_) => return BTreeSet::new(),
        Desired::Managed(wanted) => asked.extend(wanted.clouds.iter().cloned()),
        Desired::Released(_) => {
            let mut problems = Vec::new();
            let provider = service.annotations.get(annotation::PROVIDER);
            let named = chosen_clouds(provider.map(|value| value.trim()), clouds, &mut problems);
            if problems.is_empty() {
                asked.extend(named);
            } else if asked.is_empty() {
                asked.extend(clouds.keys().cloned());
            }
        }
    }
    asked
}

fn wanted(service: &ServiceView, cluster: &ClusterId, clouds: &Clouds) -> Desired {
    let mut problems = Vec::new();
    let value = |name: &str| service.annotations.get(name).map(|value| value.trim());
    let chosen = chosen_clouds(value(annotation::PROVIDER), clouds, &mut problems);
    let mut keep = |problem: Problem| problems.push(problem);
    let spec = annotation::parse_spec(value(annotation::LB_SPEC).unwrap_or("standard"));
    let bandwidth = annotation::parse_bandwidth(value(annotation::LB_BANDWIDTH).unwrap_or("5M"));
    let algorithm =
        annotation::parse_algorithm(value(annotation::ALGORITHM).unwrap_or("round-robin"));
    let listeners: Vec<Listener> = service
        .ports
        .iter()
        .enumerate()
        .filter_map(|(index, port)| listener(index, port).map_err(&mut keep).ok())
        .collect();
    let template = LoadBalancerSpec {
        nodes: BTreeSet::new(),
        listeners,
        spec: spec.map_err(&mut keep).unwrap_or_default(),
        bandwidth: bandwidth.map_err(&mut keep).unwrap_or_default(),
        algorithm: algorithm.map_err(&mut keep).unwrap_or_default(),
        source_ranges: sorted(&service.source_ranges),
        client_affinity_seconds: service.client_affinity_seconds,
    };
    for cloud in &chosen {
        if clouds.get(cloud) == Some(&Capabilities::Basic) {
            problems.extend(beyond_basic(cloud, &template));
        }
    }
    if !problems.is_empty() {
        return Desired::Invalid(problems);
    }
    Desired::Managed(Box::new(Wanted {
        owner: service.owner(cluster),
        clouds: chosen,
        template,
    }))
}

fn sorted(ranges: &[String]) -> Vec<String> {
    let ranges: BTreeSet<String> = ranges.iter().map(|range| range.trim().to_owned()).collect();
    ranges.into_iter().collect()
}

fn chosen_clouds(
    value: Option<&str>,
    clouds: &Clouds,
    problems: &mut Vec<Problem>,
) -> BTreeSet<CloudName> {
    let allowed: Vec<&str> = clouds.keys().map(CloudName::as_str).collect();
    let rule = format!(
        "it must be one or more of {}, separated by commas",
        allowed.join(", ")
    );
    let example = format!("{:?}", allowed.first().copied().unwrap_or("cloud1"));
    let chosen: BTreeSet<CloudName> = value
        .unwrap_or_default()
        .split(',')
        .map(|name| CloudName::new(name.trim()))
        .collect();
    if !chosen.iter().all(|cloud| clouds.contains_key(cloud)) {
        problems.push(Problem::annotation(
            annotation::PROVIDER,
            value,
            &rule,
            &example,
        ));
    }
    chosen
}

fn listener(index: usize, port: &PortView) -> Result<Listener, Problem> {
    let problem = |field: &str, value: Option<String>, rule: &str, example: &str| Problem {
        subject: Subject::Field(format!("spec.ports[{index}].{field}")),
        value,
        rule: rule.into(),
        example: example.into(),
    };
    let protocol = match port.protocol.as_str() {
        "TCP" => Protocol::Tcp,
        "UDP" => Protocol::Udp,
        other => {
            let rule = "the clouds forward TCP and UDP only";
            return Err(problem("protocol", Some(other.to_owned()), rule, "\"TCP\""));
        }
    };
    let Some(node_port) = port.node_port else {
        let rule = "a load balancer reaches its back ends by node port, so the Service must not \
                    have allocateLoadBalancerNodePorts: false";
        return Err(problem("nodePort", None, rule, "30080"));
    };
    Ok(Listener {
        name: port.name.clone(),
        protocol,
        port: port.port,
        node_port,
    })
}

/// The first thing in a spec that a cloud of the basic profile cannot do.
fn beyond_basic(cloud: &CloudName, spec: &LoadBalancerSpec) -> Option<Problem> {
    let (field, value) = if spec.listeners.len() > 1 {
        ("spec.ports", format!("{} ports", spec.listeners.len()))
    } else if spec
        .listeners
        .iter()
        .any(|listener| listener.protocol != Protocol::Tcp)
    {
        ("spec.ports[0].protocol", "UDP".into())
    } else if !spec.source_ranges.is_empty() {
        (
            "spec.loadBalancerSourceRanges",
            spec.source_ranges.join(","),
        )
    } else if spec.client_affinity_seconds.is_some() {
        ("spec.sessionAffinity", "ClientIP".into())
    } else if spec.algorithm != Default::default() {
        let value = format!("{:?}", spec.algorithm);
        let rule = format!("{cloud} (profile basic) knows round-robin only");
        return Some(Problem::annotation(
            annotation::ALGORITHM,
            Some(&value),
            &rule,
            "\"round-robin\"",
        ));
    } else {
        return None;
    };
    Some(Problem {
        subject: Subject::Field(field.into()),
        value: Some(value),
        rule: format!("{cloud} (profile basic) offers one TCP port and no more"),
        example: "another cloud, or one TCP port for each Service".into(),
    })
}
