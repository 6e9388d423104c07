//! The condition `LoadBalancerReady`: for people and for `kubectl wait`.

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use strum::{IntoStaticStr, VariantNames};

/// Why a load balancer is ready or not: the `reason` of the condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr, VariantNames)]
pub enum ConditionReason {
    /// It serves.
    Ready,
    /// It was asked for, or it has no address yet.
    Provisioning,
    /// The Service cannot be carried out as written.
    InvalidConfiguration,
    /// Its name is taken at the cloud by one that is not ours.
    NotOwned,
    /// Its cloud is not configured here.
    CloudNotConfigured,
    /// It failed at the cloud.
    CloudError,
    /// It is gone, as many others are, and is created again in its turn.
    Drifted,
    /// A call to the cloud or the API server failed; it is tried again.
    SyncFailed,
}

/// What the condition says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Why; `status` is "True" exactly for [`Reason::Ready`].
    pub reason: ConditionReason,
    /// For people.
    pub message: String,
}

impl Readiness {
    /// Whether the load balancers serve.
    pub fn is_ready(&self) -> bool {
        self.reason == ConditionReason::Ready
    }

    fn status(&self) -> &'static str {
        if self.is_ready() { "True" } else { "False" }
    }

    /// Whether the condition says this already.
    pub fn matches(&self, condition: &Condition) -> bool {
        condition.status == self.status()
            && condition.reason == <&str>::from(self.reason)
            && condition.message == self.message
    }

    /// As a condition; the transition time changes with the status only
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
            // A Service has no metadata.generation that it could refer to.
            observed_generation: None,
        }
    }
}

/// A Service's condition of this type.
pub fn find<'a>(service: &'a Service, kind: &str) -> Option<&'a Condition> {
    all(service)
        .iter()
        .find(|condition| condition.type_ == kind)
}

/// All conditions of a Service.
pub fn all(service: &Service) -> &[Condition] {
    let conditions = service
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_deref());
    conditions.unwrap_or_default()
}
