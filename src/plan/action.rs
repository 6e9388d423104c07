//! The steps of a plan.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::annotation::Problem;
use super::desired::NotOurs;
use super::load_balancer::{LoadBalancer, LoadBalancerSpec};
use super::naming::{CloudName, LoadBalancerId, LoadBalancerName, Owner};

/// One step. Steps run in order, and the first that fails ends the run for
/// its cloud; what it needs is in it, so the executor chooses nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Action {
    /// Put our finalizer on the Service. Its answer is the live Service.
    AddFinalizer,
    /// Read the Service and go on only if it is the one that was planned for.
    ConfirmLive,
    /// Create a load balancer; idempotent by name.
    Create {
        /// Where.
        cloud: CloudName,
        /// What.
        request: CreateRequest,
    },
    /// Bring a load balancer to what is wanted.
    Update {
        /// Where.
        cloud: CloudName,
        /// Which.
        id: LoadBalancerId,
        /// What: the same form as for a create.
        request: CreateRequest,
        /// Whether somebody waits for it.
        urgency: Urgency,
    },
    /// Write record, status and condition in one patch: what
    /// [`super::Observed::publication`] then gives for these clouds.
    Publish {
        /// The clouds that the user named.
        clouds: BTreeSet<CloudName>,
    },
    /// Go on only if the load balancers of all these clouds have addresses.
    AwaitServing {
        /// The clouds that the user named.
        clouds: BTreeSet<CloudName>,
    },
    /// Delete a load balancer.
    Delete {
        /// Where.
        cloud: CloudName,
        /// Which.
        id: LoadBalancerId,
    },
    /// Ask by id, and go on only if the load balancer is gone.
    ConfirmGone {
        /// Where.
        cloud: CloudName,
        /// Which.
        id: LoadBalancerId,
    },
    /// Take our finalizer, record and condition off the Service.
    RemoveFinalizer {
        /// Whether the addresses in its status are ours to clear.
        clear_status: bool,
    },
}

impl Action {
    /// The cloud whose load balancer the action is about; `None` for an action
    /// on the Service or on all of its clouds.
    pub fn cloud(&self) -> Option<&CloudName> {
        match self {
            Self::Create { cloud, .. }
            | Self::Update { cloud, .. }
            | Self::Delete { cloud, .. }
            | Self::ConfirmGone { cloud, .. } => Some(cloud),
            Self::AddFinalizer
            | Self::ConfirmLive
            | Self::Publish { .. }
            | Self::AwaitServing { .. }
            | Self::RemoveFinalizer { .. } => None,
        }
    }
}

/// For logs: what, where and how much, without the whole request.
impl fmt::Display for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddFinalizer => write!(formatter, "add finalizer"),
            Self::ConfirmLive => write!(formatter, "confirm live"),
            Self::Create { cloud, request } => {
                let nodes = request.spec.nodes.len();
                write!(
                    formatter,
                    "create {} on {cloud} ({nodes} back ends)",
                    request.name
                )
            }
            Self::Update {
                cloud, id, request, ..
            } => {
                let nodes = request.spec.nodes.len();
                write!(formatter, "update {id} on {cloud} ({nodes} back ends)")
            }
            Self::Publish { .. } => write!(formatter, "publish"),
            Self::AwaitServing { .. } => write!(formatter, "await serving"),
            Self::Delete { cloud, id } => write!(formatter, "delete {id} on {cloud}"),
            Self::ConfirmGone { cloud, id } => write!(formatter, "confirm {id} gone from {cloud}"),
            Self::RemoveFinalizer { .. } => write!(formatter, "remove finalizer"),
        }
    }
}

/// A whole create or update request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct CreateRequest {
    /// The name that makes it idempotent.
    pub name: LoadBalancerName,
    /// Whose it is.
    pub owner: Owner,
    /// What it does.
    pub spec: LoadBalancerSpec,
}

/// Whether an update is something that a user waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Urgency {
    /// A user changed the Service.
    User,
    /// Back ends came or went.
    Background,
}

/// What an action that did not fail brought.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Done.
    Done,
    /// The load balancer as the cloud answered it.
    Found(Box<LoadBalancer>),
}

/// Why something is not done now.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Waiting {
    /// The Service is not ours.
    NotOurs(NotOurs),
    /// The Service cannot be carried out as written: for an edit.
    Invalid(Vec<Problem>),
    /// The cloud did not answer: for the next try.
    CloudUnreachable(CloudName),
    /// The cloud is on record but not configured: for whoever runs us.
    CloudNotConfigured(CloudName),
    /// Our name is taken by a load balancer that is not ours: for a human.
    NameTaken(CloudName),
    /// The load balancer has no address yet: for the cloud.
    Provisioning(CloudName),
    /// The load balancer failed at the cloud: for the cloud.
    CloudError(CloudName, String),
    /// The load balancer is being deleted, it cannot be used: for the cloud.
    Deleting(CloudName),
    /// No Node is eligible, and that is not confirmed: for the next look.
    NodesUnconfirmed,
    /// The cloud still has the load balancer that it was told to delete.
    StillDeleting(CloudName, LoadBalancerId),
    /// The repair of drift is rate-limited: for its slot.
    RepairSlot(CloudName),
}

/// What to do, in order, and what is not done and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Plan {
    /// The steps.
    pub actions: Vec<Action>,
    /// What is left undone, with the reason.
    pub waiting: BTreeSet<Waiting>,
}

impl Plan {
    /// Nothing to do, for this reason.
    pub(super) fn waiting(reason: Waiting) -> Self {
        Self {
            actions: Vec::new(),
            waiting: BTreeSet::from([reason]),
        }
    }
}
