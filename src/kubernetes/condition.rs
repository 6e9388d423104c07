//! The condition `LoadBalancerReady`, for users and for `kubectl wait`.

use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use strum::{IntoStaticStr, VariantNames};

use super::service_object::Service;
use crate::plan::excerpt::{self, MESSAGE_LIMIT};

/// The format of times in the API, with seconds.
const TIME: &str = "%Y-%m-%dT%H:%M:%SZ";

/// Why a load balancer is ready or not: the `reason` of the condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr, VariantNames)]
pub enum ConditionReason {
    /// Every load balancer serves.
    Ready,
    /// A load balancer is being created, or has no address yet.
    Provisioning,
    /// The specification of the Service is invalid.
    InvalidConfiguration,
    /// A cloud cannot do what the Service asks of it.
    Unsupported,
    /// The user has paused the Service.
    Paused,
    /// A load balancer of another owner has the name at the cloud.
    NotOwned,
    /// The configuration does not have the cloud.
    CloudNotConfigured,
    /// The cloud reports the load balancer as failed.
    CloudError,
    /// The load balancer was deleted outside the cluster, as many others; its repair is
    /// queued.
    Drifted,
    /// The load balancers have addresses, but no Node can be their back end.
    NoEligibleNodes,
    /// A call to the cloud or the API server failed and is retried.
    SyncFailed,
}

/// The content of the condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// The reason; the status is "True" exactly for [`ConditionReason::Ready`].
    pub reason: ConditionReason,
    /// At most [`MESSAGE_LIMIT`] bytes.
    pub message: String,
}

impl Readiness {
    /// The content with this message, on one line and within [`MESSAGE_LIMIT`].
    pub fn new(reason: ConditionReason, message: impl AsRef<str>) -> Self {
        let message = Self::message_of(message.as_ref());
        Self { reason, message }
    }

    /// The message on one line and within [`MESSAGE_LIMIT`].
    pub fn message_of(message: &str) -> String {
        excerpt::message(message, MESSAGE_LIMIT).into_owned()
    }

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
            && condition.is_for(self.reason)
            && condition.message == self.message
    }

    /// Whether the condition has this content, perhaps with more after it.
    pub fn begins(&self, condition: &Condition) -> bool {
        condition.status == self.status()
            && condition.is_for(self.reason)
            && condition.message.starts_with(&self.message)
    }

    /// Converts to a condition; the transition time changes only with the status
    /// (<https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md#typical-status-properties>).
    pub fn condition(&self, kind: &str, before: Option<&Condition>) -> Condition {
        let (reason, message) = (<&str>::from(self.reason), self.message.clone());
        Condition::with_status(kind, self.status(), reason, message, before)
    }
}

impl Condition {
    /// Whether it has this reason.
    pub fn is_for(&self, reason: ConditionReason) -> bool {
        self.reason == <&str>::from(reason)
    }

    /// A condition with this content; the transition time is that of `before` if the status
    /// is the same.
    pub fn with_status(
        kind: &str,
        status: &str,
        reason: &str,
        message: String,
        before: Option<&Self>,
    ) -> Self {
        let unchanged = before.filter(|before| before.status == status);
        Self {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message,
            last_transition_time: unchanged
                .and_then(|before| before.last_transition_time.clone())
                .or_else(|| Some(Timestamp::now().strftime(TIME).to_string())),
            // A Service has no metadata.generation.
            other_fields: Map::new(),
        }
    }
}

/// A condition of a Service. It keeps fields and values that this program does not know,
/// because a patch of our own condition repeats those of all other writers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(from = "Map<String, Value>", into = "Map<String, Value>")]
pub struct Condition {
    /// Empty if it is missing, as Go reads it; so are the next three.
    pub type_: String,
    pub status: String,
    pub reason: String,
    pub message: String,
    /// As it was written: it may be a time that this program cannot represent.
    pub last_transition_time: Option<String>,
    /// All other fields, and those above if their value is no text.
    other_fields: Map<String, Value>,
}

impl From<Map<String, Value>> for Condition {
    fn from(mut json: Map<String, Value>) -> Self {
        let mut text = |field: &str| match json.get_mut(field) {
            Some(Value::String(text)) => {
                let text = std::mem::take(text);
                json.remove(field);
                Some(text)
            }
            _ => None,
        };
        Self {
            type_: text("type").unwrap_or_default(),
            status: text("status").unwrap_or_default(),
            reason: text("reason").unwrap_or_default(),
            message: text("message").unwrap_or_default(),
            last_transition_time: text("lastTransitionTime"),
            other_fields: json,
        }
    }
}

impl From<Condition> for Map<String, Value> {
    fn from(condition: Condition) -> Self {
        let Condition {
            type_,
            status,
            reason,
            message,
            last_transition_time,
            other_fields: mut json,
        } = condition;
        let texts = [
            ("type", Some(type_)),
            ("status", Some(status)),
            ("reason", Some(reason)),
            ("message", Some(message)),
            ("lastTransitionTime", last_transition_time),
        ];
        for (field, text) in texts {
            if let Some(text) = text
                && !json.contains_key(field)
            {
                json.insert(field.to_owned(), text.into());
            }
        }
        json
    }
}

/// The condition of this type of a Service.
pub fn find<'a>(service: &'a Service, kind: &str) -> Option<&'a Condition> {
    let mut conditions = service.conditions.iter();
    conditions.find(|condition| condition.type_ == kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_bounded_and_stays_text() {
        let long = "\u{e9}".repeat(400 << 10);
        let readiness = Readiness::new(ConditionReason::SyncFailed, long);
        assert!(readiness.message.len() <= MESSAGE_LIMIT);
        assert!(readiness.message.ends_with("\u{e9}\u{2026}"));
        let short = "x".repeat(MESSAGE_LIMIT);
        let readiness = Readiness::new(ConditionReason::SyncFailed, short.clone());
        assert_eq!(readiness.message, short);
    }

    #[test]
    fn a_long_message_is_cut_and_matches_itself() {
        let readiness = Readiness::new(ConditionReason::SyncFailed, "a\n".repeat(100_000));
        let written = readiness.condition("type", None);
        assert!(
            written.message.len() <= MESSAGE_LIMIT,
            "{}",
            written.message.len()
        );
        assert!(!written.message.contains('\n'), "{}", written.message);
        assert!(readiness.matches(&written), "it is not written again");
    }
}
