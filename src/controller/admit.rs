//! Asks for a place at the clouds before the first call, and before the first write:
//! a Service waits for its turn without a finalizer, and then gets its load balancer
//! in one go. Uses no client.

use std::collections::BTreeSet;

use super::Context;
use super::attempt::{ObservedClouds, ObservedService, Skip};
use super::observe::cloud_query::{CloudQuery, cloud_queries};
use super::report::changes;
use super::workqueue::{CloudSet, Need, Work};
use crate::plan::naming::CloudName;
use crate::plan::problem::{self, ProblemKind};
use crate::plan::{Action, Backends, Desired, Disposal, Plan, Urgency, plan};
use crate::priority::Priority;

/// An attempt that may call the clouds it needs.
pub enum Admitted<'a> {
    /// The inventories have the whole state of the clouds.
    Known(ObservedClouds),
    /// These clouds have to be queried.
    Queries {
        queries: Vec<CloudQuery<'a>>,
        backends: Backends,
        priority: Priority,
        waits: Option<WaitsForPlace>,
    },
}

/// The places that an attempt goes on without.
pub struct WaitsForPlace {
    /// The clouds that it does not call.
    pub clouds: CloudSet,
    /// What it would need to call all of them.
    pub need: Need,
}

/// Determines which clouds the attempt will call, and takes a place at each.
///
/// # Errors
/// [`Skip::UntilPlace`] if one of them has no place free; [`Skip::UntilChange`] until
/// the Nodes are listed, because the load balancer would be created without back ends.
pub fn admit<'a>(
    service: &'a ObservedService,
    work: &Work,
    context: &'a Context,
) -> Result<Admitted<'a>, Skip> {
    let nodes = service.nodes.as_ref().ok_or(Skip::UntilChange)?;
    let backends = nodes.backends(service.view.ip_families);
    let can = context.known_clouds();
    if let Some(need) = first_answers(service, &can.untold, context) {
        return Err(Skip::UntilPlace(need));
    }
    let mut queries = cloud_queries(
        &service.view,
        &service.desired,
        &can.clouds,
        context.sources(),
    );
    let (backoff, uid) = (&context.memory.cloud_backoff, &service.view.uid);
    let resting = backoff.resting(uid, service.spec_hash, nodes.version);
    let rest = queries
        .iter_mut()
        .filter(|query| resting.contains(&query.name));
    rest.for_each(CloudQuery::rest);
    let clouds: CloudSet = queries
        .iter()
        .filter(|query| query.may_call())
        .map(|query| query.name.clone())
        .collect();
    let is_listed = context.queue.are_listed(&clouds);
    let known: Option<Vec<_>> = queries
        .iter()
        .map(|query| Some((query.name.clone(), query.known(is_listed)?)))
        .collect();
    let known = known.map(|known| {
        ObservedClouds::of(
            &service.view,
            service.unmet.clone(),
            backends.clone(),
            known,
        )
    });
    let planned = known
        .as_ref()
        .map(|known| plan(&service.desired, &known.observed));
    let priority = priority(service, planned.as_ref(), context);
    let calls_none = |plan: &Plan| plan.actions.iter().all(|action| action.cloud().is_none());
    if !planned.as_ref().is_some_and(calls_none) {
        let need = Need {
            clouds,
            priority,
            after_list: known.is_none() && !is_listed,
        };
        if !work.admit(&need) {
            changes::record_wait(service, context);
            return match work.admit_to_some(&need) {
                Some(some) => Ok(admitted_to(&some, need, queries, backends.clone())),
                None => Err(Skip::UntilPlace(need)),
            };
        }
    }
    Ok(match known {
        Some(known) => Admitted::Known(known),
        None => Admitted::Queries {
            queries,
            backends: backends.clone(),
            priority,
            waits: None,
        },
    })
}

/// The wait for the first answers of clouds about what they can do, on which the plan of this
/// Service depends; `None` if there is none, or the clouds have had the time to answer.
fn first_answers(
    service: &ObservedService,
    untold: &BTreeSet<CloudName>,
    context: &Context,
) -> Option<Need> {
    let clouds: CloudSet = match &service.desired {
        Desired::Managed(wanted) => untold.intersection(&wanted.clouds).cloned().collect(),
        Desired::Invalid(invalid) if problem::kind(&invalid.problems) == ProblemKind::Untold => {
            untold.iter().cloned().collect()
        }
        Desired::Released(_, Disposal::Retain { .. }) => {
            let recorded = service.view.record.clouds();
            recorded
                .filter(|cloud| untold.contains(cloud))
                .cloned()
                .collect()
        }
        Desired::Invalid(_) | Desired::Released(..) | Desired::Paused | Desired::Unmanaged(_) => {
            return None;
        }
    };
    (!context.queue.are_listed(&clouds)).then(|| Need {
        clouds,
        priority: priority(service, None, context),
        after_list: true,
    })
}

/// An attempt that goes on without the clouds that have no place free.
fn admitted_to<'a>(
    some: &CloudSet,
    need: Need,
    mut queries: Vec<CloudQuery<'a>>,
    backends: Backends,
) -> Admitted<'a> {
    let clouds = &need.clouds - some;
    queries.retain(|query| !clouds.contains(&query.name));
    Admitted::Queries {
        queries,
        backends,
        priority: need.priority,
        waits: Some(WaitsForPlace { clouds, need }),
    }
}

/// Whether a user waits for this attempt.
fn priority(service: &ObservedService, planned: Option<&Plan>, context: &Context) -> Priority {
    let (view, drift) = (&service.view, &context.memory.drift);
    let is_repair = drift.is_queued(&view.uid, service.spec_hash);
    let shows_edit = || planned.is_some_and(|plan| plan.actions.iter().any(is_urgent));
    if matches!(service.desired, Desired::Invalid(_)) {
        // Mostly, only the Nodes change something at a cloud.
        return match shows_edit() && !is_repair {
            true => Priority::User,
            false => Priority::Background,
        };
    }
    let is_edit = match drift.is_edited(&view.uid, service.spec_hash) {
        Some(is_edited) => is_edited,
        // After a change of leader, only the plan shows an edit.
        None => shows_edit(),
    };
    let is_released = matches!(service.desired, Desired::Released(..));
    if (view.deleting || is_released || is_edit || !service.was_ready) && !is_repair {
        Priority::User
    } else {
        Priority::Background
    }
}

fn is_urgent(action: &Action) -> bool {
    match action {
        Action::Update { urgency, .. } => *urgency == Urgency::User,
        action => action.cloud().is_some(),
    }
}
