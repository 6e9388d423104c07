//! The rules of the protocol, each of which can be broken to see whether the
//! model notices.

use my_cloud_controller_manager::plan::execution::{Execution, Lane};
use my_cloud_controller_manager::plan::{Action, Outcome, Plan};

/// A rule to break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Our finalizer is added before the first create.
    FinalizerFirst,
    /// The Service is read live before a create.
    LiveBeforeCreate,
    /// The finalizer is removed after queries by id found nothing.
    ConfirmGone,
    /// The finalizer stays after a failure at any cloud.
    FinalizerStaysOnFailure,
    /// The old load balancer is deleted once the new one serves.
    MakeBeforeBreak,
    /// The address of a load balancer is taken out of the Service before it is deleted.
    WithdrawnFirst,
    /// A cloud at which a call was left behind is not called until that has ended.
    OneCallAtATime,
    /// Load balancers that were created for a Service that vanished are deleted at once.
    UndoWhenGone,
    /// A load balancer may exist although a list lacks it.
    UnlistedIsNotAbsent,
    /// A load balancer may exist although its cloud is unreachable.
    UnreachableIsNotAbsent,
    /// A load balancer of our name is ours only if its owner is our Service.
    OwnerOfName,
    /// A recorded load balancer is ours only if its owner is our Service.
    OwnerOfRecord,
    /// A cloud is queried if its inventory has our name, even if the record lacks it.
    QueryWhereListed,
    /// The sweep deletes load balancers without a Service.
    Sweep,
    /// The sweep deletes load balancers of a Service that is no longer ours.
    SweepSeesReleased,
    /// The sweep deletes only after a live read.
    SweepReadsLive,
    /// Writes to the Service are preconditioned.
    Precondition,
    /// A create for a name that exists creates nothing.
    IdempotentByName,
    /// A plan for an edited Service updates its load balancer.
    EditsAreDone,
    /// A plan for an edited Service is not empty.
    EditsAreWork,
}

impl Rule {
    /// Breaks [`Rule::FinalizerStaysOnFailure`] from outside, as the shipped
    /// `Execution` keeps it by itself: an execution that ended by skipping the
    /// removal of the finalizer is followed by one of that action alone.
    pub fn release_after_failure(before: &Execution, lane: &Lane, after: Execution) -> Execution {
        match last_action(before.clone()) {
            Some(release @ Action::RemoveFinalizer { .. })
                if *lane != Lane::Service && after.has_ended() =>
            {
                let plan = Plan {
                    actions: vec![release],
                    ..Plan::default()
                };
                Execution::new(plan, after.into_observed()).0
            }
            _ => after,
        }
    }

    /// Removes the actions that keep this rule from a plan.
    pub fn remove_from(self, plan: &mut Plan) {
        let is_create = |action: &Action| matches!(action, Action::Create { .. });
        let creates = plan.actions.iter().any(is_create);
        match self {
            Self::FinalizerFirst => {
                let is_first = matches!(plan.actions.first(), Some(Action::AddFinalizer { .. }));
                if let Some(last) = plan.actions.iter().rposition(is_create)
                    && is_first
                {
                    plan.actions[..=last].rotate_left(1);
                }
            }
            Self::LiveBeforeCreate if creates => remove(plan, &Action::ConfirmLive),
            Self::ConfirmGone => plan
                .actions
                .retain(|action| !matches!(action, Action::ConfirmGone { .. })),
            Self::MakeBeforeBreak => {
                let is_wait = |action: &Action| matches!(action, Action::AwaitServing { .. });
                if let Some(wait) = plan.actions.iter().position(is_wait) {
                    plan.actions.rotate_left(wait);
                    plan.actions.remove(0);
                }
            }
            Self::WithdrawnFirst => {
                let is_wait = |action: &Action| matches!(action, Action::AwaitServing { .. });
                if let Some(wait) = plan.actions.iter().position(is_wait)
                    && let Some(publish) = wait.checked_sub(1)
                {
                    plan.actions.remove(publish);
                }
            }
            Self::EditsAreDone => plan.actions.retain(|action| !is_update(action)),
            Self::EditsAreWork if plan.actions.iter().any(is_update) => plan.actions.clear(),
            _ => {}
        }
    }
}

fn is_update(action: &Action) -> bool {
    matches!(action, Action::Update { .. })
}

fn remove(plan: &mut Plan, unwanted: &Action) {
    plan.actions.retain(|action| action != unwanted);
}

/// The last action of an execution in which nothing more fails.
fn last_action(mut execution: Execution) -> Option<Action> {
    let next = || {
        let lane = execution.lanes().into_iter().next()?;
        execution.succeeded(&lane, Outcome::Done)
    };
    std::iter::from_fn(next).last()
}
