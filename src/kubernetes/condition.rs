//! The condition `LoadBalancerReady`, for users and for `kubectl wait`.

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use strum::{IntoStaticStr, VariantNames};

/// Why a load balancer is ready or not: the `reason` of the condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr, VariantNames)]
pub enum ConditionReason {
    /// Every load balancer serves.
    Ready,
    /// A load balancer is being created, or has no address yet.
    Provisioning,
    /// The specification of the Service is invalid.
    InvalidConfiguration,
    /// A load balancer of another owner has the name at the cloud.
    NotOwned,
    /// The configuration does not have the cloud.
    CloudNotConfigured,
    /// The cloud reports the load balancer as failed.
    CloudError,
    /// The load balancer was deleted outside the cluster, as many others; its repair is
    /// queued.
    Drifted,
    /// A call to the cloud or the API server failed and is retried.
    SyncFailed,
}

/// The content of the condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// The reason; the status is "True" exactly for [`ConditionReason::Ready`].
    pub reason: ConditionReason,
    pub message: String,
}

impl Readiness {
    /// Whether every load balancer serves.
    pub fn is_ready(&self) -> bool {
        self.reason == ConditionReason::Ready
    }

    fn status(&self) -> &'static str {
        if self.is_ready() { "True" } else { "False" }
    }

    /// Whether the condition already has this content.
    pub fn matches(&self, condition: &Condition) -> bool {
        condition.status == self.status()
            && condition.reason == <&str>::from(self.reason)
            && condition.message == self.message
    }

    /// Converts to a condition; the transition time changes only with the status
    /// (<https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md#typical-status-properties>).
    pub fn condition(&self, kind: &str, before: Option<&Condition>) -> Condition {
        let unchanged = before.filter(|before| before.status == self.status());
        Condition {
            type_: kind.to_owned(),
            status: self.status().to_owned(),
            reason: <&str>::from(self.reason).to_owned(),
            message: self.message.clone(),
            last_transition_time: unchanged
                .map(|before| before.last_transition_time.clone())
                .unwrap_or_else(|| Time(Timestamp::now())),
            // A Service has no metadata.generation.
            observed_generation: None,
        }
    }
}

/// The condition of this type of a Service.
pub fn find<'a>(service: &'a Service, kind: &str) -> Option<&'a Condition> {
    all(service)
        .iter()
        .find(|condition| condition.type_ == kind)
}

/// The conditions of a Service.
pub fn all(service: &Service) -> &[Condition] {
    let conditions = service
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_deref());
    conditions.unwrap_or_default()
}
