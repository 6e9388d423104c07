//! The core: plans the actions for one Service, as a pure function.
//!
//! Nothing here waits, reads a clock, logs, or depends on Kubernetes or HTTP. The
//! same `plan` runs in the controller and under the property tests.
//!
//! Read in this order: [`service`] (the input), [`desired`], [`wanted`], [`observed`],
//! [`action`] (the output), [`plan`], then [`execution`] (the order of effects).
//! [`orphan`] is the rule of the sweep; [`excerpt`] shortens values that messages repeat.

pub mod action;
pub mod annotation;
mod back_end_limit;
pub mod backends;
pub mod canonical;
pub mod capabilities;
pub mod class;
mod declared;
mod demand;
pub mod desired;
pub mod excerpt;
pub mod execution;
pub mod existing;
pub mod health_check;
pub mod immutable;
pub mod ip_mode;
pub mod kept;
pub mod load_balancer;
mod mutations;
pub mod naming;
pub mod node_addresses;
pub mod node_choice;
pub mod node_hold;
pub mod node_selector;
pub mod observed;
pub mod orphan;
pub mod port_status;
pub mod problem;
pub mod proxy_protocol;
pub mod record;
mod requested_address;
pub mod service;
pub mod service_size;
pub mod settling;
pub mod tags;
mod unchecked;
pub mod untold;
pub mod upkeep;
pub mod wanted;

use std::collections::BTreeSet;

pub use action::{Action, CreateRequest, Outcome, Plan, Released, Urgency, Waiting};
pub use backends::Backends;
pub use capabilities::{Capabilities, Clouds};
pub use desired::{
    Desired, Disposal, Invalid, NotOurs, Release, clouds_to_query, desired, disposal,
};
pub use mutations::{detach, is_edit};
pub use observed::{CloudView, Observed};
pub use untold::KnownClouds;
pub use wanted::{LackingPort, Wanted};

use backends::backends;
use load_balancer::{LoadBalancer, State};
use mutations::{attach, create, delete, dispose, is_new, update};
use naming::CloudName;
use upkeep::keep_up;

/// Plans the actions that bring the clouds and the Service to the desired state.
/// Total and deterministic: once the actions are performed and nothing else has
/// changed, the next plan is empty.
///
/// The order of the actions is the protocol: the finalizer before the first create,
/// the record right after a create, the old load balancer deleted only when the new
/// one serves, and the finalizer removed only when the clouds have confirmed that
/// every load balancer is gone.
pub fn plan(desired: &Desired, observed: &Observed) -> Plan {
    match desired.refused(observed).as_ref().unwrap_or(desired) {
        Desired::Unmanaged(reason) => Plan::waiting(Waiting::NotOurs(*reason)),
        Desired::Invalid(invalid) => plan_invalid(invalid, observed),
        Desired::Paused => Plan::waiting(Waiting::Paused),
        Desired::Released(release, disposal) => plan_release(*release, disposal, observed),
        Desired::Managed(wanted) => plan_wanted(wanted, observed),
    }
}

/// Deletes or retains all load balancers, then removes our finalizer, record and condition.
fn plan_release(release: Release, disposal: &Disposal, observed: &Observed) -> Plan {
    let mut plan = Plan {
        actions: vec![Action::ConfirmLive],
        waiting: BTreeSet::new(),
    };
    for (cloud, view) in &observed.clouds {
        match view {
            // A load balancer of another owner is never deleted.
            CloudView::Absent | CloudView::NameTaken | CloudView::Offered(_) => {}
            CloudView::Present(found) => match dispose(cloud, found, disposal) {
                Ok(actions) => plan.actions.extend(actions),
                Err(waiting) => _ = plan.waiting.insert(waiting),
            },
            CloudView::NotConfigured | CloudView::Unreachable | CloudView::Unanswered => {
                plan.waiting.extend(view.unknown(cloud));
            }
        }
    }
    if plan.waiting.is_empty() {
        // The controller of another class may have written its own address already.
        let is_foreign = matches!(release, Release::Stays(NotOurs::ForeignClass));
        let clear_status = !is_foreign && has_published(observed);
        plan.actions.push(Action::RemoveFinalizer { clear_status });
    } else if plan.actions.len() == 1 {
        plan.actions.clear();
    }
    plan
}

/// Whether the addresses in the Service's status may be ours. We publish them together
/// with the id of the load balancer, so neither the finalizer, which anyone may have added,
/// nor a cloud that is only announced proves anything. What others made is announced with its id:
/// it counts if the status has an address of it.
fn has_published(observed: &Observed) -> bool {
    let is_unused = |cloud: &CloudName| {
        let offered = observed.offered(cloud);
        offered.is_some_and(|found| !observed.publishes_any_of(found))
    };
    let mut clouds = observed.record.clouds();
    let has_id = clouds.any(|cloud| observed.record.get(cloud).is_some() && !is_unused(cloud));
    observed.finalizer && (has_id || observed.present().next().is_some())
}

/// Only a user can correct the Service, but its load balancers serve: a Node that has
/// left must not stay a back end because of a typing error, nor a port that nobody answers
/// at any more be asked for its health.
fn plan_invalid(invalid: &Invalid, observed: &Observed) -> Plan {
    let mut plan = Plan::waiting(Waiting::Invalid(invalid.problems.clone()));
    for (cloud, view) in &observed.clouds {
        match view {
            CloudView::Present(found) => match keep_up(&invalid.upkeep, cloud, found, observed) {
                Ok(update) => plan.actions.extend(update),
                Err(waiting) => _ = plan.waiting.insert(waiting),
            },
            CloudView::Unreachable | CloudView::Unanswered => {
                plan.waiting.extend(view.unknown(cloud));
            }
            CloudView::Absent
            | CloudView::NameTaken
            | CloudView::Offered(_)
            | CloudView::NotConfigured => {}
        }
    }
    if plan.actions.iter().any(is_edit) {
        plan.actions.insert(0, Action::ConfirmLive);
    }
    plan
}

fn plan_wanted(wanted: &Wanted, observed: &Observed) -> Plan {
    let mut plan = Plan::default();
    if wanted.lacks_nodes(&observed.backends) {
        plan.waiting.insert(Waiting::NoEligibleNodes);
    }
    let unready = unready(wanted, observed);
    let (mut mutations, not_kept_up) = kept_up(wanted, observed, !unready.is_empty());
    for cloud in &wanted.clouds {
        if wanted.is_held(cloud) {
            continue;
        }
        match observed.clouds.get(cloud) {
            // One that others made is never replaced by one of ours.
            Some(CloudView::Absent) if wanted.existing().is_some() => {}
            Some(CloudView::Absent) => mutations.push(create(wanted, cloud, observed)),
            Some(CloudView::Offered(found)) => {
                mutations.extend(attach(wanted, cloud, found, observed));
            }
            Some(CloudView::Present(found)) => {
                // Back ends that cannot be read are not taken away either.
                let is_dual = wanted.is_dual_for(found, cloud);
                let is_unsure =
                    found.has_other_back_ends && observed.backends.are_unconfirmed_for(is_dual);
                if !is_unsure {
                    let nodes = backends(observed, found, is_dual);
                    let read = observed.as_requested(cloud, found);
                    let update = update(wanted, cloud, &read, &nodes);
                    mutations.extend(update.filter(|update| is_new(update, found, observed)));
                }
            }
            Some(
                CloudView::NameTaken
                | CloudView::NotConfigured
                | CloudView::Unreachable
                | CloudView::Unanswered,
            )
            | None => {}
        }
    }
    // A load balancer that this plan creates is not waited for: the response to the
    // create shows whether it serves.
    let is_made = |waiting: &Waiting| match waiting {
        Waiting::Provisioning(cloud) => {
            let view = observed.clouds.get(cloud);
            !matches!(view, Some(CloudView::Absent | CloudView::Offered(_)))
        }
        _ => true,
    };
    plan.waiting.extend(unready.into_iter().filter(is_made));
    // Computed before the leftovers add their waits, so that a leftover that cannot
    // be deleted does not hold up the others.
    let can_serve = can_serve(&plan.waiting);
    let leftovers = leftovers(wanted, observed, &mut plan.waiting);
    plan.waiting.extend(shown_twice(wanted, observed));
    let may_break = can_serve && !leftovers.is_empty() && !has_the_last_back_ends(wanted, observed);
    let created = mutations.iter().filter_map(|action| match action {
        Action::Create { cloud, .. } => Some(cloud),
        _ => None,
    });
    let creates = created.clone().next().is_some();
    let offered = mutations.iter().filter_map(Action::cloud);
    let offered = offered.filter(|cloud| observed.offered(cloud).is_some());
    // After a crash, the record alone leads to what was created, or attached to.
    let unannounced: BTreeSet<CloudName> = created
        .chain(offered)
        .filter(|cloud| !observed.has_announced(cloud))
        .cloned()
        .collect();
    let withheld = wanted.withheld_clouds(observed);
    let publish = || Action::Publish {
        clouds: wanted.clouds.clone(),
        withheld: withheld.clone(),
    };

    if !observed.finalizer || !unannounced.is_empty() {
        plan.actions.push(Action::AddFinalizer {
            clouds: unannounced,
        });
    } else if creates || may_break || mutations.iter().any(is_edit) {
        plan.actions.push(Action::ConfirmLive);
    }
    let changes = !mutations.is_empty();
    plan.actions.extend(mutations);
    let publication = observed.publication_without(&wanted.clouds, &withheld);
    if changes || !observed.has_published(&publication) {
        plan.actions.push(publish());
    }
    if may_break {
        plan.actions.push(Action::AwaitServing {
            clouds: wanted.clouds.clone(),
        });
        plan.actions.extend(leftovers);
        plan.actions.push(publish());
    } else {
        plan.waiting.extend(not_kept_up);
    }
    plan
}

/// The updates that keep up what does not become what the user asks for: load balancers on
/// clouds that wait, and those that the user no longer names, which serve until their
/// successors do. Also the reasons for which some cannot be kept up.
fn kept_up(
    wanted: &Wanted,
    observed: &Observed,
    is_unready: bool,
) -> (Vec<Action>, BTreeSet<Waiting>) {
    let upkeep = wanted.upkeep();
    let (mut updates, mut waiting) = (Vec::new(), BTreeSet::new());
    for (cloud, found) in observed.present() {
        let is_held = match wanted.clouds.contains(cloud) {
            true => wanted.hold(cloud).is_some(),
            // What a wanted cloud shows too is updated there.
            false => is_unready && observed.also_on(&wanted.clouds, cloud, found).is_none(),
        };
        if !is_held {
            continue;
        }
        match keep_up(&upkeep, cloud, found, observed) {
            Ok(update) => updates.extend(update),
            Err(reason) => _ = waiting.insert(reason),
        }
    }
    (updates, waiting)
}

/// Whether no known obstacle keeps the wanted clouds from serving.
fn can_serve(waiting: &BTreeSet<Waiting>) -> bool {
    waiting
        .iter()
        .all(|reason| matches!(reason, Waiting::NoEligibleNodes))
}

/// Whether only load balancers that the user no longer names have back ends: they
/// serve, and their successors were created while no Node was eligible, which may be a
/// mistake.
fn has_the_last_back_ends(wanted: &Wanted, observed: &Observed) -> bool {
    let has_any = |found: &LoadBalancer| !found.spec.nodes.is_empty() || found.has_other_back_ends;
    let mut present = observed.present();
    let is_unconfirmed =
        |cloud: &CloudName| observed.backends.are_unconfirmed_for(wanted.is_dual(cloud));
    wanted.clouds.iter().any(is_unconfirmed)
        && present.any(|(cloud, found)| !wanted.clouds.contains(cloud) && has_any(found))
}

fn not_serving(cloud: &CloudName, found: &LoadBalancer) -> Option<Waiting> {
    match &found.state {
        State::Deleting => Some(Waiting::Deleting(cloud.clone())),
        State::Error(message) => Some(Waiting::CloudError(cloud.clone(), message.clone())),
        State::Provisioning => Some(Waiting::Provisioning(cloud.clone())),
        State::Active if found.addresses.is_empty() => Some(match &found.addresses.refused {
            Some(refused) => Waiting::CloudError(cloud.clone(), refused.clone()),
            None => Waiting::Provisioning(cloud.clone()),
        }),
        State::Active => None,
    }
}

/// The reasons for which wanted load balancers do not serve now.
pub fn unready(wanted: &Wanted, observed: &Observed) -> BTreeSet<Waiting> {
    let reason = |cloud: &CloudName| match observed.clouds.get(cloud) {
        Some(CloudView::Present(found)) => not_serving(cloud, found).or_else(|| wanted.hold(cloud)),
        Some(CloudView::Offered(found)) if found.state == State::Deleting => {
            Some(Waiting::Deleting(cloud.clone()))
        }
        Some(CloudView::Absent | CloudView::Offered(_)) => {
            let waits = wanted.hold(cloud);
            waits.or_else(|| Some(Waiting::Provisioning(cloud.clone())))
        }
        Some(CloudView::NameTaken) => Some(Waiting::NameTaken(cloud.clone())),
        Some(
            view @ (CloudView::NotConfigured | CloudView::Unreachable | CloudView::Unanswered),
        ) => view.unknown(cloud),
        None => Some(Waiting::CloudUnreachable(cloud.clone())),
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
            CloudView::Absent | CloudView::NameTaken | CloudView::Offered(_) => {}
            // A cloud that is wanted shows it too: it is in use.
            CloudView::Present(found)
                if observed.also_on(&wanted.clouds, cloud, found).is_some() => {}
            CloudView::Present(found) => actions.extend(match found.existing_owner() {
                Some(owner) => detach(cloud, found, owner),
                None => delete(cloud, found),
            }),
            CloudView::NotConfigured | CloudView::Unreachable | CloudView::Unanswered => {
                waiting.extend(view.unknown(cloud));
            }
        }
    }
    actions
}

/// The pairs of clouds, one of them wanted, that show the same load balancer.
fn shown_twice(wanted: &Wanted, observed: &Observed) -> BTreeSet<Waiting> {
    let pair = |(cloud, found): (&CloudName, &LoadBalancer)| {
        let mut clouds = [
            cloud.clone(),
            observed.also_on(&wanted.clouds, cloud, found)?.clone(),
        ];
        clouds.sort();
        let id = found.id.clone();
        Some(Waiting::ShownTwice { clouds, id })
    };
    observed.present().filter_map(pair).collect()
}

#[cfg(test)]
mod tests;
