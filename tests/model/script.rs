//! A plan of the shipped `plan()`, read once into small steps.

use my_cloud_controller_manager::plan::{Action, CreateRequest, Plan};

use crate::names;
use crate::state::Id;

/// A plan and its steps.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Script {
    pub plan: Plan,
    pub steps: Vec<Step>,
}

/// An [`Action`] in the world's own terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    AddFinalizer,
    ConfirmLive,
    Create { cloud: u8, uid: u8, bandwidth: u8 },
    Update { id: Id, bandwidth: u8 },
    Publish,
    AwaitServing,
    Delete { id: Id },
    ConfirmGone { id: Id },
    RemoveFinalizer { clear_status: bool },
}

impl Script {
    /// Reads a plan.
    pub fn of(plan: Plan) -> Self {
        let steps = plan.actions.iter().map(step).collect();
        Self { plan, steps }
    }
}

impl Step {
    /// The one cloud that a step is about: mirrors `cloud_of` in `src/controller/apply.rs`.
    pub fn cloud(self) -> Option<u8> {
        match self {
            Self::Create { cloud, .. } => Some(cloud),
            Self::Update { id, .. } | Self::Delete { id } | Self::ConfirmGone { id } => {
                Some(id.cloud)
            }
            _ => None,
        }
    }
}

fn step(action: &Action) -> Step {
    match action {
        Action::AddFinalizer => Step::AddFinalizer,
        Action::ConfirmLive => Step::ConfirmLive,
        Action::Create { cloud, request } => Step::Create {
            cloud: names::cloud_number(cloud),
            uid: names::uid_number(&request.owner.uid),
            bandwidth: bandwidth(request),
        },
        Action::Update { id, request, .. } => Step::Update {
            id: names::id_number(id),
            bandwidth: bandwidth(request),
        },
        Action::Publish { .. } => Step::Publish,
        Action::AwaitServing { .. } => Step::AwaitServing,
        Action::Delete { id, .. } => Step::Delete {
            id: names::id_number(id),
        },
        Action::ConfirmGone { id, .. } => Step::ConfirmGone {
            id: names::id_number(id),
        },
        Action::RemoveFinalizer { clear_status } => Step::RemoveFinalizer {
            clear_status: *clear_status,
        },
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
