//! The errors of an attempt, and the reasons for which it is unfinished.

use std::collections::BTreeSet;

use crate::cloud::{CloudError, ErrorKind};
use crate::election::LeadershipLost;
use crate::kubernetes::KubernetesError;
use crate::plan::Waiting;
use crate::plan::execution::Certainty;
use crate::plan::naming::CloudName;
use crate::plan::problem::{self, ProblemKind};
use crate::reason::Reason;
use crate::telemetry::log_throttle::LogKey;

/// An error that ended an attempt, for one cloud or as a whole.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    #[error(transparent)]
    Cloud(#[from] CloudError),
    #[error(transparent)]
    Kubernetes(#[from] KubernetesError),
    /// The Service or a load balancer is no longer in the state that the plan was
    /// made for.
    #[error("the Service or its load balancer changed after it was observed")]
    Changed,
    #[error(transparent)]
    NotLeader(#[from] LeadershipLost),
    #[error("the process is stopping")]
    Stopping,
}

impl ReconcileError {
    /// Whether a later attempt reports on the Service instead: another writer came
    /// first, the Service cannot be read any more, leadership ended, or the process stops.
    pub fn is_superseded(&self) -> bool {
        match self {
            Self::Changed | Self::NotLeader(_) | Self::Stopping => true,
            Self::Kubernetes(error) => matches!(
                error,
                KubernetesError::Conflict
                    | KubernetesError::Gone
                    | KubernetesError::Unreadable(_)
                    | KubernetesError::NotLeader(_)
            ),
            // Busy: the call was not sent in time because many others wait.
            Self::Cloud(error) => {
                matches!(error.kind(), ErrorKind::LeadershipLost | ErrorKind::Busy)
            }
        }
    }

    /// The cloud that failed; `None` if the error concerns the whole attempt.
    pub fn cloud(&self) -> Option<&CloudName> {
        match self {
            Self::Cloud(error) => Some(error.cloud()),
            Self::Kubernetes(_) | Self::Changed | Self::NotLeader(_) | Self::Stopping => None,
        }
    }

    /// The error of a cloud, if it is one.
    pub fn into_cloud(self) -> Option<CloudError> {
        match self {
            Self::Cloud(error) => Some(error),
            Self::Kubernetes(_) | Self::Changed | Self::NotLeader(_) | Self::Stopping => None,
        }
    }

    /// Whether the failed request may have taken effect.
    pub fn certainty(&self) -> Certainty {
        match self {
            Self::Cloud(error) if error.outcome_unknown() => Certainty::Unknown,
            _ => Certainty::NotDone,
        }
    }

    /// A text that is equal for two attempts that fail in the same way, even if the
    /// messages differ (in a request id, a timestamp).
    pub fn fingerprint(&self) -> String {
        let reason = Unfinished::Failed(self).reason().as_str();
        match self {
            Self::Cloud(error) => format!("{} {}: {reason}", error.cloud(), error.verb()),
            _ => reason.to_owned(),
        }
    }

    /// The key of log lines that are throttled together, for all Services.
    pub fn log_key(&self) -> LogKey {
        let (cloud, operation) = match self {
            Self::Cloud(error) => (Some(error.cloud().to_string()), error.verb().as_str()),
            _ => (None, "kubernetes"),
        };
        let reason = match self {
            Self::Kubernetes(error) => error.code(),
            _ => Unfinished::Failed(self).reason().as_str(),
        };
        LogKey {
            cloud,
            operation,
            reason,
        }
    }
}

/// An error or a wait that leaves an attempt unfinished.
#[derive(Clone, Copy, Debug)]
pub enum Unfinished<'a> {
    Failed(&'a ReconcileError),
    Waiting(&'a Waiting),
}

impl<'a> Unfinished<'a> {
    /// The errors, then the waits.
    pub fn all(
        errors: impl IntoIterator<Item = &'a ReconcileError>,
        waiting: &'a BTreeSet<Waiting>,
    ) -> impl Iterator<Item = Self> {
        let errors = errors.into_iter().map(Self::Failed);
        errors.chain(waiting.iter().map(Self::Waiting))
    }

    /// The reason in metrics, logs and the condition.
    pub fn reason(self) -> Reason {
        match self {
            Self::Failed(error) => match error {
                ReconcileError::Cloud(error) => error.reason(),
                ReconcileError::Kubernetes(KubernetesError::Conflict) | ReconcileError::Changed => {
                    Reason::Conflict
                }
                ReconcileError::Kubernetes(KubernetesError::Timeout(_)) => Reason::Timeout,
                ReconcileError::Kubernetes(KubernetesError::NotLeader(_))
                | ReconcileError::NotLeader(_) => Reason::NotLeader,
                ReconcileError::Kubernetes(_) => Reason::Kubernetes,
                ReconcileError::Stopping => Reason::Stopping,
            },
            Self::Waiting(waiting) => match waiting {
                Waiting::NotOurs(_) => Reason::NotOurs,
                Waiting::Invalid(problems) | Waiting::Refused(_, problems) => {
                    match problem::kind(problems) {
                        ProblemKind::Invalid => Reason::InvalidSpec,
                        ProblemKind::Unsupported => Reason::Unsupported,
                        ProblemKind::Untold => Reason::CloudUnavailable,
                    }
                }
                Waiting::Paused => Reason::Paused,
                Waiting::CannotRetain(_) => Reason::Unsupported,
                Waiting::CloudUnreachable(_) | Waiting::Unanswered(_) | Waiting::Untold(..) => {
                    Reason::CloudUnavailable
                }
                Waiting::NotUnderstood(_) => Reason::Protocol,
                Waiting::CloudNotConfigured(_) => Reason::NotConfigured,
                Waiting::ShownTwice { .. } => Reason::SharedAccount,
                Waiting::NameTaken(_) => Reason::NameTaken,
                Waiting::Provisioning(_) => Reason::Provisioning,
                Waiting::CloudError(..) => Reason::CloudFailed,
                Waiting::Deleting(_) | Waiting::StillDeleting(..) => Reason::Deleting,
                Waiting::NoEligibleNodes => Reason::NoEligibleNodes,
                Waiting::RepairSlot(_) => Reason::Drift,
            },
        }
    }

    /// The cloud that it is about.
    pub fn cloud(self) -> Option<&'a CloudName> {
        match self {
            Self::Failed(ReconcileError::Cloud(error)) => Some(error.cloud()),
            Self::Failed(_) => None,
            Self::Waiting(waiting) => waiting.cloud(),
        }
    }

    /// Whether only the owner of the Service can correct the cause.
    pub fn is_up_to_the_owner(self) -> bool {
        match self {
            Self::Failed(ReconcileError::Cloud(error)) => error.is_up_to_the_owner(),
            Self::Failed(_) | Self::Waiting(_) => false,
        }
    }

    /// Whether the attempt counts as failed. The error behind an unreachable cloud
    /// and an invalid Service are counted where they occur.
    pub fn is_failure(self) -> bool {
        match self {
            Self::Failed(error) => !error.is_superseded(),
            Self::Waiting(
                Waiting::CloudUnreachable(_)
                | Waiting::Unanswered(_)
                | Waiting::Untold(..)
                | Waiting::Refused(..)
                | Waiting::Invalid(_),
            ) => false,
            Self::Waiting(_) => self.reason().is_failure(),
        }
    }

    /// The cloud and the reason, if the Service cannot get its address there before
    /// a person changes something.
    pub fn terminal(self) -> Option<(&'a CloudName, Reason)> {
        match self {
            Self::Failed(ReconcileError::Cloud(error)) if error.is_terminal() => {
                let reason = match error.kind() {
                    ErrorKind::NameTaken => Reason::NameTaken,
                    _ => error.reason(),
                };
                Some((error.cloud(), reason))
            }
            Self::Waiting(Waiting::NameTaken(cloud) | Waiting::CloudError(cloud, _)) => {
                Some((cloud, self.reason()))
            }
            Self::Failed(_) | Self::Waiting(_) => None,
        }
    }
}
