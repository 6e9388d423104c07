//! The rules of the protocol, each of which can be broken to see whether the
//! model notices.

use my_cloud_controller_manager::plan::execution::{Effect, Execution};
use my_cloud_controller_manager::plan::{Action, Outcome, Plan};

/// A rule to break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Our finalizer is on before the first create.
    FinalizerFirst,
    /// The Service is read live before a create.
    LiveBeforeCreate,
    /// The finalizer goes after the cloud said by id that all is gone.
    ConfirmGone,
    /// The finalizer stays while something failed.
    FinalizerStaysOnFailure,
    /// The old load balancer goes when the new one serves.
    MakeBeforeBreak,
    /// What was created for a Service that vanished is deleted at once.
    UndoWhenGone,
    /// A list that lacks a load balancer proves nothing.
    ListProvesNothing,
    /// A cloud that does not answer is not a cloud without load balancers.
    SilenceProvesNothing,
    /// A load balancer under our name is ours only if its owner says so.
    OwnerOfName,
    /// A load balancer on record is ours only if its owner says so.
    OwnerOfRecord,
    /// What the inventory has under our name is looked for even if it is not on record.
    AskWhereListed,
    /// The sweep deletes what was left behind.
    Sweep,
    /// The sweep deletes what a Service that is not ours any more left behind.
    SweepSeesReleased,
    /// The sweep believes only a live read.
    SweepReadsLive,
    /// Writes to the Service are preconditioned.
    Precondition,
    /// A create for a name that exists makes nothing.
    IdempotentByName,
    /// What a user edits is carried out.
    EditsAreDone,
    /// What a user edits leaves something to do.
    EditsAreWork,
}

impl Rule {
    /// Breaks [`Rule::FinalizerStaysOnFailure`] from outside, as the shipped
    /// `Execution` keeps it by itself: an execution that ended by skipping the
    /// removal of the finalizer is followed by one of that action alone.
    pub fn release_after_failure(before: &Execution, after: Execution) -> Execution {
        let is_of_one_cloud =
            matches!(before.next(), Some(Effect::Apply(action)) if action.cloud().is_some());
        match last_action(before.clone()) {
            Some(release @ Action::RemoveFinalizer { .. })
                if is_of_one_cloud && after.next().is_none() =>
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

    /// Removes from a plan the steps that keep this rule.
    pub fn remove_from(self, plan: &mut Plan) {
        let is_create = |action: &Action| matches!(action, Action::Create { .. });
        let creates = plan.actions.iter().any(is_create);
        match self {
            Self::FinalizerFirst => {
                let is_first = matches!(plan.actions.first(), Some(Action::AddFinalizer));
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
    std::iter::from_fn(|| execution.succeeded(Outcome::Done)).last()
}
