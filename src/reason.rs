//! The closed set of reasons for which something is not as it should be: the
//! `reason` of metrics and log lines, and what the condition's reason follows from.

use strum::{EnumIter, IntoEnumIterator, IntoStaticStr};

/// Why something failed, or what it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, IntoStaticStr, EnumIter)]
#[strum(serialize_all = "snake_case")]
pub enum Reason {
    /// The cloud asks for fewer calls.
    CloudThrottled,
    /// The cloud cannot be reached, or fails.
    CloudUnavailable,
    /// The cloud refuses the request.
    CloudRejected,
    /// The account's quota is used up.
    Quota,
    /// Another writer came first.
    Conflict,
    /// No answer, or no free slot, in time.
    Timeout,
    /// The answer breaks the rules of the API.
    Protocol,
    /// The cloud has seen a later leadership term.
    Fenced,
    /// The cloud's API lacks what the request needs.
    Unsupported,
    /// The Service cannot be carried out as written.
    InvalidSpec,
    /// The API server failed or refused the request.
    Kubernetes,
    /// The load balancer's name belongs to another owner.
    NameTaken,
    /// The load balancer failed at the cloud.
    CloudFailed,
    /// The cloud is not in the configuration.
    NotConfigured,
    /// The load balancer has no address yet.
    Provisioning,
    /// The load balancer is being deleted.
    Deleting,
    /// The repair of drift waits for its slot.
    Drift,
    /// The absence of all Nodes is not confirmed yet.
    NodesUnconfirmed,
    /// The Service belongs to another controller.
    NotOurs,
    /// This replica is not the leader any more.
    NotLeader,
    /// The process is stopping.
    Stopping,
}

impl Reason {
    /// The text, in snake case.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether it stands for a failure. The others end by themselves, or belong
    /// to a replica that is about to stop.
    pub fn is_failure(self) -> bool {
        match self {
            Self::CloudThrottled
            | Self::CloudUnavailable
            | Self::CloudRejected
            | Self::Quota
            | Self::Conflict
            | Self::Timeout
            | Self::Protocol
            | Self::Fenced
            | Self::Unsupported
            | Self::InvalidSpec
            | Self::Kubernetes
            | Self::NameTaken
            | Self::CloudFailed
            | Self::NotConfigured => true,
            Self::Provisioning
            | Self::Deleting
            | Self::Drift
            | Self::NodesUnconfirmed
            | Self::NotOurs
            | Self::NotLeader
            | Self::Stopping => false,
        }
    }

    /// Every reason that stands for a failure.
    pub fn failures() -> impl Iterator<Item = Self> {
        Self::iter().filter(|reason| reason.is_failure())
    }
}
