//! What can end an attempt, and the reason that stands for it in metrics.

use std::time::Duration;

use crate::cloud::{CloudError, ErrorKind};
use crate::election::LeadershipLost;
use crate::kubernetes::KubernetesError;
use crate::plan::Waiting;
use crate::plan::naming::{CloudName, LoadBalancerId};
use crate::telemetry::log_throttle::LogKey;

/// What ended an attempt, for one cloud or altogether.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// A cloud's.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// The API server's.
    #[error(transparent)]
    Kubernetes(#[from] KubernetesError),
    /// The Service is no longer as it was planned for.
    #[error("the Service changed meanwhile")]
    Changed,
    /// The cloud still has what it was told to delete.
    #[error("{cloud}: load balancer {id} is still being deleted")]
    StillDeleting {
        /// Where.
        cloud: CloudName,
        /// Which.
        id: LoadBalancerId,
    },
    /// The load balancer that is to take over has no address yet.
    #[error("{cloud}: the new load balancer has no address yet")]
    NotServing {
        /// Where.
        cloud: CloudName,
    },
    /// Much has drifted, and others are put right before.
    #[error("{cloud}: what drifted is put right in {:.1} s: others come before", wait.as_secs_f64())]
    QueuedForRepair {
        /// Where.
        cloud: CloudName,
        /// Until then.
        wait: Duration,
    },
    /// We lead no more.
    #[error(transparent)]
    NotLeader(#[from] LeadershipLost),
    /// We are about to end.
    #[error("the process is stopping")]
    Stopping,
}

impl ReconcileError {
    /// For metrics and logs, from a closed set.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Cloud(error) => error.reason().as_str(),
            Self::Kubernetes(KubernetesError::Conflict) | Self::Changed => "conflict",
            Self::Kubernetes(KubernetesError::Timeout(_)) => "timeout",
            Self::Kubernetes(KubernetesError::NotLeader(_)) | Self::NotLeader(_) => "not_leader",
            Self::Kubernetes(_) => "kubernetes",
            Self::StillDeleting { .. } => "deleting",
            Self::NotServing { .. } => "provisioning",
            Self::QueuedForRepair { .. } => "drift",
            Self::Stopping => "stopping",
        }
    }

    /// What it is at heart: the same for all attempts that fail alike.
    pub fn fingerprint(&self) -> String {
        match self {
            Self::Cloud(error) => format!("{} {}: {}", error.cloud(), error.verb(), self.reason()),
            other => other.reason().to_owned(),
        }
    }

    /// What makes it the same line of the log as others, whatever the Service.
    pub fn log_key(&self) -> LogKey {
        let (cloud, operation) = match self {
            Self::Cloud(error) => (Some(error.cloud().to_string()), error.verb().as_str()),
            _ => (None, "kubernetes"),
        };
        let reason = match self {
            Self::Kubernetes(error) => error.code(),
            _ => self.reason(),
        };
        LogKey {
            cloud,
            operation,
            reason,
        }
    }

    /// Whether it is part of ordinary life: no Event and no condition speaks of it.
    pub fn is_quiet(&self) -> bool {
        self.is_superseded()
            || matches!(
                self,
                Self::StillDeleting { .. } | Self::NotServing { .. } | Self::QueuedForRepair { .. }
            )
    }

    /// Whether the attempt was cut short because somebody else came first:
    /// what it would say of the Service is another attempt's to say.
    pub fn is_superseded(&self) -> bool {
        match self {
            Self::Changed | Self::NotLeader(_) | Self::Stopping => true,
            Self::Kubernetes(error) => matches!(
                error,
                KubernetesError::Conflict | KubernetesError::Gone | KubernetesError::NotLeader(_)
            ),
            // Busy: so many calls wait that this one was not sent in time.
            Self::Cloud(error) => {
                matches!(error.kind(), ErrorKind::LeadershipLost | ErrorKind::Busy)
            }
            Self::StillDeleting { .. } | Self::NotServing { .. } | Self::QueuedForRepair { .. } => {
                false
            }
        }
    }
}

/// Why something is not done, for metrics: what a person must see to. `None`
/// for what comes by itself or is counted otherwise.
pub fn waiting_reason(waiting: &Waiting) -> Option<&'static str> {
    match waiting {
        Waiting::NameTaken(_) => Some("name_taken"),
        Waiting::CloudError(..) => Some("cloud_failed"),
        Waiting::CloudNotConfigured(_) => Some("not_configured"),
        Waiting::NodesUnconfirmed
        | Waiting::Provisioning(_)
        | Waiting::Deleting(_)
        | Waiting::CloudUnreachable(_)
        | Waiting::Invalid(_)
        | Waiting::NotOurs(_) => None,
    }
}
