//! The closed set of reasons why a Service is not in its desired state: the `reason`
//! of metrics and log lines. The reason of the condition is derived from it.

use strum::{EnumIter, IntoEnumIterator, IntoStaticStr};

/// The cause of a failure, or of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, IntoStaticStr, EnumIter)]
#[strum(serialize_all = "snake_case")]
pub enum Reason {
    /// The cloud asked for fewer calls.
    CloudThrottled,
    /// The cloud is unreachable or failed.
    CloudUnavailable,
    /// The cloud rejected the request as invalid.
    CloudRejected,
    /// The cloud refused our credentials or their rights, or the credentials are missing.
    CloudDenied,
    /// The quota of the account is exhausted.
    Quota,
    /// Another client wrote first.
    Conflict,
    /// No response, or no free slot, in time.
    Timeout,
    /// The response does not match the API.
    Protocol,
    /// The cloud has seen a later leadership term.
    Fenced,
    /// The API of the cloud does not support the request.
    Unsupported,
    /// The specification of the Service is invalid.
    InvalidSpec,
    /// The API server failed or rejected the request.
    Kubernetes,
    /// The name of the load balancer belongs to another owner.
    NameTaken,
    /// The cloud reports the load balancer as failed.
    CloudFailed,
    /// The cloud is not in the configuration.
    NotConfigured,
    /// Two configured clouds lead to one account.
    SharedAccount,
    /// The load balancer has no address yet.
    Provisioning,
    /// The load balancer is being deleted.
    Deleting,
    /// The repair of drift waits for its slot.
    Drift,
    /// No Node can be a back end.
    NoEligibleNodes,
    /// The user has paused the Service.
    Paused,
    /// The Service belongs to another controller.
    NotOurs,
    /// This replica is not the leader any more.
    NotLeader,
    /// The process is stopping.
    Stopping,
}

impl Reason {
    /// The reason in snake case.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether the reason is a failure. The other reasons end by themselves, or belong to
    /// a replica that is about to stop.
    pub fn is_failure(self) -> bool {
        match self {
            Self::CloudThrottled
            | Self::CloudUnavailable
            | Self::CloudRejected
            | Self::CloudDenied
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
            | Self::NotConfigured
            | Self::SharedAccount => true,
            Self::Provisioning
            | Self::Deleting
            | Self::Drift
            | Self::NoEligibleNodes
            | Self::Paused
            | Self::NotOurs
            | Self::NotLeader
            | Self::Stopping => false,
        }
    }

    /// The reasons that are failures.
    pub fn failures() -> impl Iterator<Item = Self> {
        Self::iter().filter(|reason| reason.is_failure())
    }
}
