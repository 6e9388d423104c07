//! The actions of a plan.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::desired::NotOurs;
use super::load_balancer::{LoadBalancer, LoadBalancerSpec};
use super::naming::{CloudName, LoadBalancerId, LoadBalancerName, Owner};
use super::problem::Problem;

/// One action of a plan. The actions on one cloud run in order, and the first that fails ends
/// the plan for its cloud; those on different clouds run side by side
/// ([`super::execution`]). An action contains all of its parameters, so that the executor
/// decides nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Action {
    /// Add our finalizer to the Service, if it is missing, and the clouds of the creates
    /// that follow to its record. The response is the live Service.
    AddFinalizer {
        /// The clouds that are not in the record yet.
        clouds: BTreeSet<CloudName>,
    },
    /// Read the live Service and continue only if it is as the plan assumes.
    ConfirmLive,
    /// Create a load balancer; idempotent by name.
    Create {
        cloud: CloudName,
        request: CreateRequest,
    },
    /// Bring a load balancer to its desired spec, given as a whole.
    Update {
        cloud: CloudName,
        id: LoadBalancerId,
        request: CreateRequest,
        /// What to send instead, in this order, if the cloud rejects the request: the
        /// back ends must follow the Nodes whatever it is that the cloud rejects.
        fallbacks: Vec<CreateRequest>,
        urgency: Urgency,
    },
    /// Write record, status and condition in one patch, with the result of
    /// [`super::Observed::publication`] at that time.
    Publish {
        /// The clouds that the user named.
        clouds: BTreeSet<CloudName>,
        /// Those of them whose addresses are not published, because the load balancer there is
        /// not what the user asks for.
        withheld: BTreeSet<CloudName>,
    },
    /// Continue only if the load balancers on all of these clouds have addresses.
    AwaitServing {
        /// The clouds that the user named.
        clouds: BTreeSet<CloudName>,
    },
    Delete {
        cloud: CloudName,
        id: LoadBalancerId,
    },
    /// Query the cloud by id and continue only if the load balancer is gone.
    ConfirmGone {
        cloud: CloudName,
        id: LoadBalancerId,
    },
    /// Take our owner off a load balancer, so that it is nobody's, and continue only if the
    /// cloud shows that it is. Nothing else of it changes.
    Release {
        cloud: CloudName,
        id: LoadBalancerId,
        what: Released,
    },
    /// Remove our finalizer, record and condition from the Service.
    RemoveFinalizer {
        /// Whether to clear the addresses in its status, which are ours.
        clear_status: bool,
    },
}

impl Action {
    /// The cloud of the action; `None` for an action on the Service or on several
    /// clouds.
    pub fn cloud(&self) -> Option<&CloudName> {
        match self {
            Self::Create { cloud, .. }
            | Self::Update { cloud, .. }
            | Self::Delete { cloud, .. }
            | Self::Release { cloud, .. }
            | Self::ConfirmGone { cloud, .. } => Some(cloud),
            Self::AddFinalizer { .. }
            | Self::ConfirmLive
            | Self::Publish { .. }
            | Self::AwaitServing { .. }
            | Self::RemoveFinalizer { .. } => None,
        }
    }
}

/// For spans: the action and its target, without the whole request.
impl fmt::Display for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddFinalizer { .. } => write!(formatter, "add finalizer and announce creates"),
            Self::ConfirmLive => write!(formatter, "confirm that the Service is unchanged"),
            Self::Create { cloud, request } => {
                let nodes = request.spec.nodes.len();
                write!(
                    formatter,
                    "create load balancer {} on {cloud} (back ends: {nodes})",
                    request.name
                )
            }
            Self::Update {
                cloud, id, request, ..
            } => {
                let nodes = request.spec.nodes.len();
                write!(
                    formatter,
                    "update load balancer {id} on {cloud} (back ends: {nodes})"
                )
            }
            Self::Publish { .. } => write!(formatter, "update record and status"),
            Self::AwaitServing { .. } => write!(formatter, "await serving load balancers"),
            Self::Delete { cloud, id } => {
                write!(formatter, "delete load balancer {id} on {cloud}")
            }
            Self::ConfirmGone { cloud, id } => {
                write!(
                    formatter,
                    "confirm that load balancer {id} on {cloud} is gone"
                )
            }
            Self::Release { cloud, id, what } => {
                let what = match what {
                    Released::Own => "which is retained",
                    Released::OfOthers { .. } => "which others made",
                };
                write!(
                    formatter,
                    "take the owner off load balancer {id} on {cloud}, {what}"
                )
            }
            Self::RemoveFinalizer { .. } => write!(formatter, "remove finalizer"),
        }
    }
}

/// What our owner is taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Released {
    /// A load balancer of ours, which is retained.
    Own,
    /// One that others made.
    OfOthers {
        /// Whether our listeners stay on it: it has something that is not known here, and an
        /// update would take that away.
        keeps_listeners: bool,
    },
}

/// A complete create or update request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct CreateRequest {
    /// The name, which makes a create idempotent.
    pub name: LoadBalancerName,
    pub owner: Owner,
    pub spec: LoadBalancerSpec,
}

/// Whether a user waits for an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Urgency {
    /// A user changed the Service.
    User,
    /// Only the back ends change.
    Background,
}

/// The outcome of an action that succeeded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    Done,
    /// The load balancer in the cloud's response.
    Found(Box<LoadBalancer>),
}

/// A reason for which part of the desired state is not reached yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Waiting {
    /// The Service is not managed.
    NotOurs(NotOurs),
    /// The configuration of the Service is invalid; a user must edit it.
    Invalid(Vec<Problem>),
    /// The user has paused the Service.
    Paused,
    /// The load balancer is to be retained, and the cloud cannot take its owner off; a user must
    /// edit the Service.
    CannotRetain(CloudName),
    /// The cloud has not told yet whether it can have what the Service asks for; its answer
    /// triggers the next attempt. Other clouds of the Service do not wait for it.
    Untold(CloudName, Vec<Problem>),
    /// The load balancer cannot become what the Service asks for, or cannot be made so; a user
    /// must edit the Service, or there must be fewer Nodes. Its other clouds do not wait for that.
    Refused(CloudName, Vec<Problem>),
    /// The load balancer needs other back ends, node ports or health checks to go on serving,
    /// and has values that are not known here, which an update would take from it. A person
    /// must act.
    NotUnderstood(CloudName),
    /// The query of the cloud failed; the next attempt may succeed.
    CloudUnreachable(CloudName),
    /// A call to the cloud has not been answered yet; its answer triggers the next attempt.
    Unanswered(CloudName),
    /// The cloud is in the record and not configured; an operator must act.
    CloudNotConfigured(CloudName),
    /// Our name is taken by a load balancer of another owner; a person must act.
    NameTaken(CloudName),
    /// The load balancer has no address yet.
    Provisioning(CloudName),
    /// The load balancer failed at the cloud, with the cloud's message.
    CloudError(CloudName, String),
    /// The load balancer of our name is being deleted, so it cannot be used.
    Deleting(CloudName),
    /// No Node can be a back end. A load balancer keeps the back ends that it has until
    /// this has lasted; a new one has none.
    NoEligibleNodes,
    /// The cloud still has a load balancer whose deletion was requested.
    StillDeleting(CloudName, LoadBalancerId),
    /// Two clouds show the same load balancer, so both lead to one account; it is deleted
    /// at neither while the Service names one of them. An operator must act.
    ShownTwice {
        clouds: [CloudName; 2],
        id: LoadBalancerId,
    },
    /// The repair of drift is rate-limited: for its slot.
    RepairSlot(CloudName),
}

impl Waiting {
    /// The cloud that the wait is about.
    pub fn cloud(&self) -> Option<&CloudName> {
        match self {
            Self::CannotRetain(cloud)
            | Self::Untold(cloud, _)
            | Self::Refused(cloud, _)
            | Self::NotUnderstood(cloud)
            | Self::CloudUnreachable(cloud)
            | Self::Unanswered(cloud)
            | Self::CloudNotConfigured(cloud)
            | Self::NameTaken(cloud)
            | Self::Provisioning(cloud)
            | Self::CloudError(cloud, _)
            | Self::Deleting(cloud)
            | Self::StillDeleting(cloud, _)
            | Self::RepairSlot(cloud)
            | Self::ShownTwice {
                clouds: [cloud, _], ..
            } => Some(cloud),
            Self::NotOurs(_) | Self::Invalid(_) | Self::Paused | Self::NoEligibleNodes => None,
        }
    }
}

/// The actions to perform, and the reasons for which a part has to wait.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Plan {
    /// The actions, in order.
    pub actions: Vec<Action>,
    pub waiting: BTreeSet<Waiting>,
}

impl Plan {
    /// A plan without actions.
    pub(super) fn waiting(reason: Waiting) -> Self {
        Self {
            actions: Vec::new(),
            waiting: BTreeSet::from([reason]),
        }
    }
}
