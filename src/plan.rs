//! The core: plans the actions for one Service, as a pure function.
//!
//! Nothing here waits, reads a clock, logs, or depends on Kubernetes or HTTP. The
//! same `plan` runs in the controller and under the property tests.
//!
//! Read in this order: [`service`] (the input), [`desired`], [`observed`],
//! [`action`] (the output), [`plan`], then [`execution`] (the order of effects).
//! [`orphan`] is the rule of the sweep; [`excerpt`] shortens values that messages repeat.

pub mod action;
pub mod annotation;
pub mod desired;
pub mod excerpt;
pub mod execution;
pub mod load_balancer;
pub mod naming;
pub mod node_addresses;
pub mod observed;
pub mod orphan;
pub mod record;
pub mod service;

use std::collections::BTreeSet;

pub use action::{Action, CreateRequest, Outcome, Plan, Urgency, Waiting};
pub use desired::{Clouds, Desired, NotOurs, Release, Wanted, clouds_to_query, desired};
pub use observed::{Backends, CloudView, Observed};

use load_balancer::{LoadBalancer, State};
use naming::CloudName;
use node_addresses::NodeAddresses;

/// Plans the actions that bring the clouds and the Service to the desired state.
/// Total and deterministic: once the actions are performed and nothing else has
/// changed, the next plan is empty.
///
/// The order of the actions is the protocol: the finalizer before the first create,
/// the record right after a create, the old load balancer deleted only when the new
/// one serves, and the finalizer removed only when the clouds have confirmed that
/// every load balancer is gone.
pub fn plan(desired: &Desired, observed: &Observed) -> Plan {
    match desired {
        Desired::Unmanaged(reason) => Plan::waiting(Waiting::NotOurs(*reason)),
        Desired::Invalid(problems) => Plan::waiting(Waiting::Invalid(problems.clone())),
        Desired::Released(release) => plan_release(*release, observed),
        Desired::Managed(wanted) => plan_wanted(wanted, observed),
    }
}

/// Deletes all load balancers, then removes our finalizer, record and condition.
fn plan_release(release: Release, observed: &Observed) -> Plan {
    let mut plan = Plan {
        actions: vec![Action::ConfirmLive],
        waiting: BTreeSet::new(),
    };
    for (cloud, view) in &observed.clouds {
        match view {
            // A load balancer of another owner is never deleted.
            CloudView::Absent | CloudView::NameTaken => {}
            CloudView::Present(found) => plan.actions.extend(delete(cloud, found)),
            CloudView::NotConfigured => {
                plan.waiting
                    .insert(Waiting::CloudNotConfigured(cloud.clone()));
            }
            CloudView::Unreachable => {
                plan.waiting
                    .insert(Waiting::CloudUnreachable(cloud.clone()));
            }
        }
    }
    if plan.waiting.is_empty() {
        // The controller of another class may have written its own address already,
        // and without our finalizer no address was ever ours.
        let clear_status =
            observed.finalizer && !matches!(release, Release::Stays(NotOurs::ForeignClass));
        plan.actions.push(Action::RemoveFinalizer { clear_status });
    } else if plan.actions.len() == 1 {
        plan.actions.clear();
    }
    plan
}

fn plan_wanted(wanted: &Wanted, observed: &Observed) -> Plan {
    let mut plan = Plan::default();
    let mut mutations = Vec::new();
    for cloud in &wanted.clouds {
        match observed.clouds.get(cloud) {
            Some(CloudView::Absent) => mutations.push(create(wanted, cloud, observed)),
            Some(CloudView::Present(found)) => {
                let (nodes, unconfirmed) = backends(observed, found);
                if unconfirmed {
                    plan.waiting.insert(Waiting::NodesUnconfirmed);
                }
                mutations.extend(update(wanted, cloud, found, &nodes));
            }
            Some(CloudView::NameTaken | CloudView::NotConfigured | CloudView::Unreachable)
            | None => {}
        }
    }
    // A load balancer that this plan creates is not waited for: the response to the
    // create shows whether it serves.
    let is_made = |waiting: &Waiting| match waiting {
        Waiting::Provisioning(cloud) => {
            !matches!(observed.clouds.get(cloud), Some(CloudView::Absent))
        }
        _ => true,
    };
    plan.waiting
        .extend(unready(wanted, observed).into_iter().filter(is_made));
    // Computed before the leftovers add their waits, so that a leftover that cannot
    // be deleted does not hold up the others.
    let can_serve = can_serve(&plan.waiting);
    let leftovers = leftovers(wanted, observed, &mut plan.waiting);
    let may_break = can_serve && !leftovers.is_empty();
    let creates = mutations
        .iter()
        .any(|action| matches!(action, Action::Create { .. }));
    let publish = || Action::Publish {
        clouds: wanted.clouds.clone(),
    };

    if !observed.finalizer {
        plan.actions.push(Action::AddFinalizer);
    } else if creates || may_break || mutations.iter().any(is_edit) {
        plan.actions.push(Action::ConfirmLive);
    }
    let changes = !mutations.is_empty();
    plan.actions.extend(mutations);
    if changes || !observed.has_published(&observed.publication(&wanted.clouds)) {
        plan.actions.push(publish());
    }
    if may_break {
        plan.actions.push(Action::AwaitServing {
            clouds: wanted.clouds.clone(),
        });
        plan.actions.extend(leftovers);
        plan.actions.push(publish());
    }
    plan
}

/// Whether no known obstacle keeps the wanted clouds from serving.
fn can_serve(waiting: &BTreeSet<Waiting>) -> bool {
    waiting
        .iter()
        .all(|reason| matches!(reason, Waiting::NodesUnconfirmed))
}

fn request(wanted: &Wanted, nodes: &NodeAddresses) -> CreateRequest {
    CreateRequest {
        name: wanted.owner.load_balancer_name(),
        owner: wanted.owner.clone(),
        spec: wanted.spec(nodes),
    }
}

fn create(wanted: &Wanted, cloud: &CloudName, observed: &Observed) -> Action {
    Action::Create {
        cloud: cloud.clone(),
        request: request(wanted, &observed.backends.addresses),
    }
}

/// The desired back ends, and whether the Nodes still have to be confirmed: one
/// observation without Nodes never takes all back ends from a load balancer.
fn backends(observed: &Observed, found: &LoadBalancer) -> (NodeAddresses, bool) {
    let Backends {
        addresses,
        none_confirmed,
    } = &observed.backends;
    if addresses.is_empty() && !none_confirmed && !found.spec.nodes.is_empty() {
        return (found.spec.nodes.clone(), true);
    }
    (addresses.clone(), false)
}

fn update(
    wanted: &Wanted,
    cloud: &CloudName,
    found: &LoadBalancer,
    nodes: &NodeAddresses,
) -> Option<Action> {
    if found.state == State::Deleting {
        return None;
    }
    let request = request(wanted, nodes);
    if request.spec.is_met_by(&found.spec) {
        return None;
    }
    let only_nodes = request.spec.is_met_by(&found.spec_with_nodes(nodes));
    let urgency = if only_nodes {
        Urgency::Background
    } else {
        Urgency::User
    };
    Some(Action::Update {
        cloud: cloud.clone(),
        id: found.id.clone(),
        request,
        urgency,
    })
}

/// Whether an action updates more than back ends. Planned from an old state of the
/// Service, it would undo a later edit.
pub fn is_edit(action: &Action) -> bool {
    let Action::Update { urgency, .. } = action else {
        return false;
    };
    *urgency == Urgency::User
}

fn not_serving(cloud: &CloudName, found: &LoadBalancer) -> Option<Waiting> {
    match &found.state {
        State::Deleting => Some(Waiting::Deleting(cloud.clone())),
        State::Error(message) => Some(Waiting::CloudError(cloud.clone(), message.clone())),
        State::Provisioning => Some(Waiting::Provisioning(cloud.clone())),
        State::Active if found.addresses.is_empty() => Some(Waiting::Provisioning(cloud.clone())),
        State::Active => None,
    }
}

/// The reasons for which wanted load balancers do not serve now.
pub fn unready(wanted: &Wanted, observed: &Observed) -> BTreeSet<Waiting> {
    let reason = |cloud: &CloudName| match observed.clouds.get(cloud) {
        Some(CloudView::Present(found)) => not_serving(cloud, found),
        Some(CloudView::Absent) => Some(Waiting::Provisioning(cloud.clone())),
        Some(CloudView::NameTaken) => Some(Waiting::NameTaken(cloud.clone())),
        Some(CloudView::NotConfigured) => Some(Waiting::CloudNotConfigured(cloud.clone())),
        Some(CloudView::Unreachable) | None => Some(Waiting::CloudUnreachable(cloud.clone())),
    };
    wanted.clouds.iter().filter_map(reason).collect()
}

/// The actions that delete load balancers on clouds that the user no longer names.
fn leftovers(wanted: &Wanted, observed: &Observed, waiting: &mut BTreeSet<Waiting>) -> Vec<Action> {
    let mut actions = Vec::new();
    for (cloud, view) in &observed.clouds {
        if wanted.clouds.contains(cloud) {
            continue;
        }
        match view {
            CloudView::Absent | CloudView::NameTaken => {}
            CloudView::Present(found) => actions.extend(delete(cloud, found)),
            CloudView::NotConfigured => {
                waiting.insert(Waiting::CloudNotConfigured(cloud.clone()));
            }
            CloudView::Unreachable => {
                waiting.insert(Waiting::CloudUnreachable(cloud.clone()));
            }
        }
    }
    actions
}

/// The actions that delete a load balancer; without the delete itself if the cloud
/// is deleting it already.
fn delete(cloud: &CloudName, found: &LoadBalancer) -> Vec<Action> {
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

#[cfg(test)]
mod tests;
