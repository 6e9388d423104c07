//! An [`Effect`] in the world's own numbers.

use my_cloud_controller_manager::plan::execution::Effect;
use my_cloud_controller_manager::plan::{Action, CreateRequest};

use crate::names;
use crate::state::Id;

/// An [`Effect`], small enough to look at in every state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    AddFinalizer,
    ConfirmLive,
    Create { cloud: u8, uid: u8, bandwidth: u8 },
    Update { id: Id, bandwidth: u8 },
    Publish,
    AwaitServing,
    Delete { id: Id },
    ConfirmGone { id: Id },
    Release { id: Id },
    RemoveFinalizer { clear_status: bool },
    CheckService,
    Undo { id: Id },
}

impl Step {
    pub fn of(effect: Effect<'_>) -> Self {
        match effect {
            Effect::Apply(action) => Self::apply(action),
            Effect::CheckService => Self::CheckService,
            Effect::Undo { id, .. } => Self::Undo {
                id: names::id_number(id),
            },
        }
    }

    fn apply(action: &Action) -> Self {
        match action {
            Action::AddFinalizer { .. } => Self::AddFinalizer,
            Action::ConfirmLive => Self::ConfirmLive,
            Action::Create { cloud, request } => Self::Create {
                cloud: names::cloud_number(cloud),
                uid: names::uid_number(&request.owner.uid),
                bandwidth: bandwidth(request),
            },
            Action::Update { id, request, .. } => Self::Update {
                id: names::id_number(id),
                bandwidth: bandwidth(request),
            },
            Action::Publish { .. } => Self::Publish,
            Action::AwaitServing { .. } => Self::AwaitServing,
            Action::Delete { id, .. } => Self::Delete {
                id: names::id_number(id),
            },
            Action::ConfirmGone { id, .. } => Self::ConfirmGone {
                id: names::id_number(id),
            },
            Action::Release { id, .. } => Self::Release {
                id: names::id_number(id),
            },
            Action::RemoveFinalizer { clear_status } => Self::RemoveFinalizer {
                clear_status: *clear_status,
            },
        }
    }
}

fn bandwidth(request: &CreateRequest) -> u8 {
    assert_eq!(
        request.name,
        request.owner.load_balancer_name(),
        "the world finds load balancers of a name by their owner's UID"
    );
    names::bandwidth_number(&request.spec.bandwidth)
}
