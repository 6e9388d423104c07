//! The core: what to do for one Service, as a pure function.
//!
//! Nothing here waits, reads a clock, logs, or knows Kubernetes or HTTP. The
//! same `plan` runs in the controller and under the property tests.
//!
//! Read in this order: [`service`] (what comes in), [`desired`], [`observed`],
//! [`action`] (what goes out), then [`plan`]. [`orphan`] is the sweep's rule.

pub mod action;
pub mod annotation;
pub mod desired;
pub mod execution;
pub mod load_balancer;
pub mod naming;
pub mod observed;
pub mod orphan;
pub mod record;
pub mod service;

use std::collections::BTreeSet;
use std::net::IpAddr;

pub use action::{Action, CreateRequest, Outcome, Plan, Urgency, Waiting};
pub use desired::{Clouds, Desired, NotOurs, Release, Wanted, clouds_to_query, desired};
pub use observed::{Backends, CloudView, Observed};

use load_balancer::{LoadBalancer, State};
use naming::CloudName;

/// What to do so that the clouds and the Service's marks become what is
/// desired. Total and deterministic; once its actions are done and nothing
/// else has happened, planning again gives no action.
///
/// The order of the actions is the protocol: finalizer before create, record
/// right after create, the old load balancer deleted only when the new one
/// serves, finalizer off when the cloud said that everything is gone.
pub fn plan(desired: &Desired, seen: &Observed) -> Plan {
    match desired {
        Desired::Unmanaged(reason) => Plan::waiting(Waiting::NotOurs(*reason)),
        Desired::Invalid(problems) => Plan::waiting(Waiting::Invalid(problems.clone())),
        Desired::Released(release) => plan_release(*release, seen),
        Desired::Managed(wanted) => plan_wanted(wanted, seen),
    }
}

/// All load balancers away, then our marks.
fn plan_release(release: Release, seen: &Observed) -> Plan {
    let mut plan = Plan {
        actions: vec![Action::ConfirmLive],
        waiting: BTreeSet::new(),
    };
    for (cloud, view) in &seen.clouds {
        match view {
            // What is not ours is not ours to delete.
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
        // Another class's controller may have written its own address by now,
        // and without our finalizer none was ever ours.
        let clear_status =
            seen.finalizer && !matches!(release, Release::Stays(NotOurs::ForeignClass));
        plan.actions.push(Action::RemoveFinalizer { clear_status });
    } else if plan.actions.len() == 1 {
        plan.actions.clear();
    }
    plan
}

fn plan_wanted(wanted: &Wanted, seen: &Observed) -> Plan {
    let mut plan = Plan::default();
    let mut mutations = Vec::new();
    for cloud in &wanted.clouds {
        match seen.clouds.get(cloud) {
            Some(CloudView::Absent) => mutations.push(create(wanted, cloud, seen)),
            Some(CloudView::Present(found)) => {
                let (nodes, unconfirmed) = backends(seen, found);
                if unconfirmed {
                    plan.waiting.insert(Waiting::NodesUnconfirmed);
                }
                mutations.extend(update(wanted, cloud, found, &nodes));
            }
            Some(CloudView::NameTaken | CloudView::NotConfigured | CloudView::Unreachable)
            | None => {}
        }
    }
    // What is about to be created is not waited for: its answer will tell.
    let is_made = |waiting: &Waiting| match waiting {
        Waiting::Provisioning(cloud) => !matches!(seen.clouds.get(cloud), Some(CloudView::Absent)),
        _ => true,
    };
    plan.waiting
        .extend(unready(wanted, seen).into_iter().filter(is_made));
    // Asked before the leftovers add theirs: one that cannot go holds up no other.
    let can_serve = can_serve(&plan.waiting);
    let leftovers = leftovers(wanted, seen, &mut plan.waiting);
    let may_break = can_serve && !leftovers.is_empty();
    let creates = mutations
        .iter()
        .any(|action| matches!(action, Action::Create { .. }));
    let publish = || Action::Publish {
        clouds: wanted.clouds.clone(),
    };

    if !seen.finalizer {
        plan.actions.push(Action::AddFinalizer);
    } else if creates || may_break || mutations.iter().any(is_edit) {
        plan.actions.push(Action::ConfirmLive);
    }
    let changes = !mutations.is_empty();
    plan.actions.extend(mutations);
    if changes || !seen.has_published(&seen.publication(&wanted.clouds)) {
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

/// Whether nothing that is already known keeps the wanted clouds from serving.
fn can_serve(waiting: &BTreeSet<Waiting>) -> bool {
    waiting
        .iter()
        .all(|reason| matches!(reason, Waiting::NodesUnconfirmed))
}

fn request(wanted: &Wanted, nodes: &BTreeSet<IpAddr>) -> CreateRequest {
    CreateRequest {
        name: wanted.owner.load_balancer_name(),
        owner: wanted.owner.clone(),
        spec: wanted.spec(nodes),
    }
}

fn create(wanted: &Wanted, cloud: &CloudName, seen: &Observed) -> Action {
    Action::Create {
        cloud: cloud.clone(),
        request: request(wanted, &seen.backends.addresses),
    }
}

/// The back ends to have, and whether the Nodes' word for it is still open: a
/// load balancer with back ends never goes to none on one observation.
fn backends(seen: &Observed, found: &LoadBalancer) -> (BTreeSet<IpAddr>, bool) {
    let Backends {
        addresses,
        none_confirmed,
    } = &seen.backends;
    if addresses.is_empty() && !none_confirmed && !found.spec.nodes.is_empty() {
        return (found.spec.nodes.clone(), true);
    }
    (addresses.clone(), false)
}

fn update(
    wanted: &Wanted,
    cloud: &CloudName,
    found: &LoadBalancer,
    nodes: &BTreeSet<IpAddr>,
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

/// Whether an action takes more from the Service than back ends. From an old
/// state of it that would undo what the user did since.
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

/// What keeps the wanted load balancers from serving, as things stand.
pub fn unready(wanted: &Wanted, seen: &Observed) -> BTreeSet<Waiting> {
    let reason = |cloud: &CloudName| match seen.clouds.get(cloud) {
        Some(CloudView::Present(found)) => not_serving(cloud, found),
        Some(CloudView::Absent) => Some(Waiting::Provisioning(cloud.clone())),
        Some(CloudView::NameTaken) => Some(Waiting::NameTaken(cloud.clone())),
        Some(CloudView::NotConfigured) => Some(Waiting::CloudNotConfigured(cloud.clone())),
        Some(CloudView::Unreachable) | None => Some(Waiting::CloudUnreachable(cloud.clone())),
    };
    wanted.clouds.iter().filter_map(reason).collect()
}

/// The load balancers on clouds that the user no longer names.
fn leftovers(wanted: &Wanted, seen: &Observed, waiting: &mut BTreeSet<Waiting>) -> Vec<Action> {
    let mut actions = Vec::new();
    for (cloud, view) in &seen.clouds {
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

/// Asks for the end of a load balancer, unless the cloud is at it already.
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
