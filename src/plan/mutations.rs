//! The actions on one load balancer, with the requests that they send.

use super::action::{Action, CreateRequest, Released, Urgency, Waiting};
use super::backends::backends;
use super::desired::Disposal;
use super::existing;
use super::load_balancer::{LoadBalancer, LoadBalancerSpec, State};
use super::naming::{CloudName, Owner};
use super::node_addresses::NodeAddresses;
use super::observed::Observed;
use super::wanted::Wanted;

/// The actions on a load balancer of a released Service.
///
/// # Errors
/// The reason for which it stays as it is.
pub(super) fn dispose(
    cloud: &CloudName,
    found: &LoadBalancer,
    disposal: &Disposal,
) -> Result<Vec<Action>, Waiting> {
    if let Some(owner) = found.existing_owner() {
        return Ok(detach(cloud, found, owner));
    }
    match disposal {
        // Nothing keeps what is going already.
        _ if found.state == State::Deleting => Ok(delete(cloud, found)),
        Disposal::Delete => Ok(delete(cloud, found)),
        Disposal::Retain { able } if able.contains(cloud) => Ok(vec![Action::Release {
            cloud: cloud.clone(),
            id: found.id.clone(),
            what: Released::Own,
        }]),
        Disposal::Retain { .. } => Err(Waiting::CannotRetain(cloud.clone())),
        Disposal::Unclear(problem) => Err(Waiting::Invalid(vec![problem.clone()])),
    }
}

pub(super) fn request(wanted: &Wanted, spec: LoadBalancerSpec) -> CreateRequest {
    CreateRequest {
        name: wanted.owner.load_balancer_name(),
        owner: wanted.owner.clone(),
        spec,
    }
}

/// The update that puts our owner and our listeners on a load balancer that others made.
pub(super) fn attach(
    wanted: &Wanted,
    cloud: &CloudName,
    found: &LoadBalancer,
    observed: &Observed,
) -> Option<Action> {
    if found.state == State::Deleting {
        return None;
    }
    let nodes = backends(observed, found, wanted.is_dual_for(found, cloud));
    let spec = wanted.spec_of(found, cloud, &nodes);
    Some(Action::Update {
        cloud: cloud.clone(),
        id: found.id.clone(),
        request: request_for(found, wanted.owner.clone().on_existing(), spec),
        // Whoever is not attached changes nothing.
        fallbacks: Vec::new(),
        urgency: Urgency::User,
    })
}

/// The actions that take our listeners and then our owner off a load balancer that others made.
pub fn detach(cloud: &CloudName, found: &LoadBalancer, owner: &Owner) -> Vec<Action> {
    let (cloud, id) = (cloud.clone(), found.id.clone());
    let spec = existing::without_ours(found, owner).filter(|_| found.state != State::Deleting);
    let update = spec.map(|spec| Action::Update {
        cloud: cloud.clone(),
        id: id.clone(),
        request: request_for(found, owner.clone(), spec),
        fallbacks: Vec::new(),
        urgency: Urgency::User,
    });
    let keeps_listeners = found.state != State::Deleting && !found.is_whole();
    let what = Released::OfOthers { keeps_listeners };
    let release = Action::Release { cloud, id, what };
    update.into_iter().chain([release]).collect()
}

pub(super) fn request_for(
    found: &LoadBalancer,
    owner: Owner,
    spec: LoadBalancerSpec,
) -> CreateRequest {
    // One of ours as it was given, though the cloud may show it in capitals.
    let given = owner.load_balancer_name();
    let name = match given == found.name {
        true => given,
        false => found.name.clone(),
    };
    CreateRequest { name, owner, spec }
}

pub(super) fn create(wanted: &Wanted, cloud: &CloudName, observed: &Observed) -> Action {
    Action::Create {
        cloud: cloud.clone(),
        request: {
            let nodes = observed.backends.addresses_for(wanted.is_dual(cloud));
            request(wanted, wanted.spec(cloud, nodes))
        },
    }
}

pub(super) fn update(
    wanted: &Wanted,
    cloud: &CloudName,
    found: &LoadBalancer,
    nodes: &NodeAddresses,
) -> Option<Action> {
    if found.state == State::Deleting {
        return None;
    }
    let spec = wanted.spec_beside(found, cloud, nodes);
    if found.meets(&spec) {
        return None;
    }
    let only_nodes = found.is_understood && spec.is_met_by(&found.spec_with_nodes(nodes));
    let urgency = if only_nodes {
        Urgency::Background
    } else {
        Urgency::User
    };
    let mut fallbacks = Vec::new();
    if !only_nodes && found.spec.nodes != *nodes {
        fallbacks.extend(request_with_nodes(&wanted.owner, found, nodes));
    }
    fallbacks.extend(without_gone_nodes(&wanted.owner, found, nodes));
    Some(Action::Update {
        cloud: cloud.clone(),
        id: found.id.clone(),
        request: {
            let spec = wanted.spec_of(found, cloud, nodes);
            match found.existing_owner() {
                Some(owner) => request_for(found, owner.clone(), spec),
                None => request(wanted, spec),
            }
        },
        fallbacks,
        urgency,
    })
}

/// Whether the cloud is not carrying out the same update of a load balancer already.
pub(super) fn is_new(update: &Action, found: &LoadBalancer, observed: &Observed) -> bool {
    match update {
        Action::Update { cloud, request, .. } => {
            !observed.is_under_way(cloud, found, &request.spec)
        }
        _ => true,
    }
}

/// The request for what a load balancer has, with other back ends; `None` if it has values
/// that are not known here, which the request would take from it.
pub(super) fn request_with_nodes(
    owner: &Owner,
    found: &LoadBalancer,
    nodes: &NodeAddresses,
) -> Option<CreateRequest> {
    let attached = found.existing_owner();
    let loses_nothing = match attached {
        Some(_) => found.is_whole(),
        None => found.is_understood,
    };
    let owner = attached.unwrap_or(owner);
    let spec = || found.spec_with_nodes(nodes);
    loses_nothing.then(|| request_for(found, owner.clone(), spec()))
}

/// The request that only takes out the Nodes that are gone. A cloud that cannot take one
/// of the new Nodes rejects the whole list. `None` if that would change nothing, or would
/// leave no back end.
pub(super) fn without_gone_nodes(
    owner: &Owner,
    found: &LoadBalancer,
    nodes: &NodeAddresses,
) -> Option<CreateRequest> {
    let known = found.spec.nodes.iter().copied();
    let left: NodeAddresses = known.filter(|node| nodes.contains(node)).collect();
    let is_of_use = !left.is_empty() && left.len() < found.spec.nodes.len() && left != *nodes;
    request_with_nodes(owner, found, &left).filter(|_| is_of_use)
}

/// Whether an action updates more than back ends. Planned from an old state of the
/// Service, it would undo a later edit.
pub fn is_edit(action: &Action) -> bool {
    let Action::Update { urgency, .. } = action else {
        return false;
    };
    *urgency == Urgency::User
}

/// The actions that delete a load balancer; without the delete itself if the cloud
/// is deleting it already.
pub(super) fn delete(cloud: &CloudName, found: &LoadBalancer) -> Vec<Action> {
    let (cloud, id) = (cloud.clone(), found.id.clone());
    let mut actions = Vec::new();
    if found.state != State::Deleting {
        actions.push(Action::Delete {
            cloud: cloud.clone(),
            id: id.clone(),
        });
    }
    actions.push(Action::ConfirmGone { cloud, id });
    actions
}
