//! Which Nodes each Service chooses. As many different choices as there may be are followed;
//! a Service with one more is invalid, until another choice is given up.

use super::Context;
use super::observe::asked;
use crate::kubernetes::condition::{self, ConditionReason};
use crate::kubernetes::node_watch::{CHOICES, NodeSet, TooMany};
use crate::kubernetes::service;
use crate::kubernetes::service_object::Service;
use crate::plan::Desired;
use crate::plan::naming::ServiceUid;
use crate::plan::node_choice::{self, Chosen};
use crate::plan::service::ServiceView;
use crate::priority::Priority;

/// The desired state, and the Nodes that the Service chooses; `None` until they are known.
pub fn with_nodes(
    desired: Desired,
    view: &ServiceView,
    context: &Context,
) -> (Desired, Option<NodeSet>) {
    let choices = &context.memory.node_choices;
    let sets = context.watched.nodes.borrow();
    if let Desired::Released(..) = desired {
        // It gets no back end any more, and must not wait for a set of them.
        choices.forget(&view.uid);
        return (desired, sets.as_ref().map(|sets| sets.of_configuration()));
    }
    let chosen = node_choice::chosen(view);
    let (desired, chosen) = match choices.choose(&view.uid, &chosen) {
        Ok(()) => (desired, chosen),
        Err(TooMany { instead }) => {
            let problem = node_choice::too_many(view, CHOICES);
            (desired.with_problem(problem), instead)
        }
    };
    (desired, sets.as_ref().and_then(|sets| sets.of(&chosen)))
}

/// Records the choices of all Services for a new leader: first those of Services that the
/// leader before it has not refused, so that a change of leader refuses no other.
pub fn record_all(context: &Context) {
    let services = context.watched.services.state();
    let found = services.iter();
    let mut found: Vec<_> = found
        .filter_map(|service| choice(service, context))
        .collect();
    found.sort_by_key(|(rank, ..)| *rank);
    for (_, uid, chosen) in found {
        // A Service with one too many is told so by its attempt.
        let _ = context.memory.node_choices.choose(&uid, &chosen);
    }
}

/// Whether the leader before may have refused the choice of a Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Doubt {
    /// It has followed it.
    None,
    /// A pause hides whether there was room.
    Paused,
    /// Something of the Service was refused.
    Refused,
}

/// Who comes first: whether a Service may have been refused, has no load balancer yet, and is
/// new.
type Rank = (Doubt, bool, bool);

/// The choice of a Service, and its rank; `None` if it makes none.
fn choice(service: &Service, context: &Context) -> Option<(Rank, ServiceUid, Chosen)> {
    let keys = &context.metadata_keys;
    let view = service::view(service, keys)?;
    let chosen = node_choice::chosen(&view);
    if chosen == Chosen::default() {
        return None;
    }
    let condition = condition::find(service, keys.condition());
    let clouds = context.known_clouds();
    let desired = asked(&view, condition.is_some(), &context.cluster, &clouds);
    if matches!(desired, Desired::Unmanaged(_) | Desired::Released(..)) {
        return None;
    }
    let is_for = |reason| condition.is_some_and(|known| known.is_for(reason));
    let doubt = if is_for(ConditionReason::InvalidConfiguration) {
        Doubt::Refused
    } else if is_for(ConditionReason::Paused) {
        Doubt::Paused
    } else {
        Doubt::None
    };
    let has_none = view.record.ids().next().is_none();
    Some(((doubt, has_none, condition.is_none()), view.uid, chosen))
}

/// Reconciles the Services whose choices were refused, whenever there is room for one.
pub(super) async fn follow_free(context: &Context) {
    loop {
        let choices = &context.memory.node_choices;
        choices.freed().await;
        for service in context.watched.services.state() {
            let uid = super::context::uid(&service);
            if uid.is_some_and(|uid| choices.is_refused(&uid)) {
                context.enqueue(&service, Priority::User);
            }
        }
    }
}
