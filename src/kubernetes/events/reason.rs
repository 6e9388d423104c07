//! The closed set of reasons of Events.

use strum::{EnumIter, IntoStaticStr};

/// The field `type` of an Event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
pub enum EventType {
    /// Something happened as intended.
    Normal,
    /// Something that a user or an operator should look at.
    Warning,
}

/// Reasons: upstream's of `service-controller` as far as there are any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, IntoStaticStr)]
pub enum EventReason {
    /// A load balancer is about to be created or updated for a change of the Service.
    EnsuringLoadBalancer,
    /// The load balancer has the desired state and serves.
    EnsuredLoadBalancer,
    /// The back ends of the load balancer were updated.
    UpdatedLoadBalancer,
    /// A reconcile failed and is retried.
    SyncLoadBalancerFailed,
    /// There is no eligible Node.
    UnAvailableLoadBalancer,
    /// The load balancer is about to be deleted.
    DeletingLoadBalancer,
    /// The load balancer was deleted.
    DeletedLoadBalancer,
    /// The load balancer was left at the cloud without an owner.
    RetainedLoadBalancer,
    /// The listeners of the Service are on a load balancer that others made.
    AttachedLoadBalancer,
    /// A load balancer that others made was let go of.
    DetachedLoadBalancer,
    /// The specification of the Service is invalid.
    InvalidConfiguration,
    /// A cloud cannot do what the Service asks of it.
    Unsupported,
    /// The user has paused the Service.
    Paused,
    /// An annotation with our prefix is unknown.
    UnknownAnnotation,
    /// The Service refers to a load balancer of another owner, which is left alone.
    LoadBalancerNotOwned,
    /// The Service of a load balancer does not exist any more.
    OrphanedLoadBalancer,
    /// A load balancer was changed or deleted outside the cluster; it is restored.
    LoadBalancerDrifted,
    /// A load balancer was changed again after identical repairs; it is left so.
    DriftNotRepairable,
    /// Another client overwrites the published addresses.
    StatusOverwritten,
    /// A Node has an address that no cloud can reach.
    UnusableNodeAddress,
}

impl EventReason {
    /// The type of its Events.
    pub fn kind(self) -> EventType {
        match self {
            Self::EnsuringLoadBalancer
            | Self::EnsuredLoadBalancer
            | Self::UpdatedLoadBalancer
            | Self::DeletingLoadBalancer
            | Self::DeletedLoadBalancer
            | Self::RetainedLoadBalancer
            | Self::AttachedLoadBalancer
            | Self::DetachedLoadBalancer
            | Self::Paused => EventType::Normal,
            Self::SyncLoadBalancerFailed
            | Self::UnAvailableLoadBalancer
            | Self::InvalidConfiguration
            | Self::Unsupported
            | Self::UnknownAnnotation
            | Self::LoadBalancerNotOwned
            | Self::OrphanedLoadBalancer
            | Self::LoadBalancerDrifted
            | Self::DriftNotRepairable
            | Self::StatusOverwritten
            | Self::UnusableNodeAddress => EventType::Warning,
        }
    }
}
