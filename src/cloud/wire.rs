//! The JSON of the API, and its conversion to and from the types of the plan.

mod capabilities;
mod field;
mod health_check;
mod ingress;
mod listener;
mod object;
mod opaque;
mod owner;
mod page;
mod request;
mod response;
#[cfg(test)]
mod size_tests;
mod spec;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};

use field::{Field, Shown};

pub(super) use capabilities::CapabilitiesBody;
pub(super) use object::Object;
pub(super) use page::read_page;
pub(super) use request::{DeleteBody, DesiredBody, ListRequestBody, QueryBody, ReleaseBody};
pub(super) use response::{LoadBalancerBody, Reading};

/// The codes of the API: a closed set. Any other text counts as no code.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::EnumIter,
)]
pub enum ApiCode {
    /// The load balancer does not exist.
    NotFound,
    /// The name belongs to another owner.
    AlreadyExists,
    InvalidArgument,
    QuotaExceeded,
    PermissionDenied,
    Unauthenticated,
    Throttled,
    /// Another change of the load balancer is in progress.
    Conflict,
    /// The fencing token is lower than one that the cloud has seen.
    FailedPrecondition,
    Unavailable,
    Internal,
}

impl ApiCode {
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl fmt::Display for ApiCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The fields of every response.
#[derive(Debug, Deserialize)]
pub(super) struct ErrorBody<'a> {
    /// Empty for success; `None` only in a response that is not from this API.
    pub(super) err: Option<String>,
    #[serde(borrow, default)]
    code: Field<'a>,
}

impl ErrorBody<'_> {
    /// The code; `None` if there is none of the closed set.
    pub(super) fn code(&self) -> Option<ApiCode> {
        match field::text(self.code) {
            Shown::Value(code) => code.parse().ok(),
            Shown::Nothing | Shown::Unknown => None,
        }
    }
}

/// Session affinity as Kubernetes spells it: `None` or `ClientIP`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SessionAffinityBody {
    #[serde(rename = "type", default)]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_seconds: Option<u32>,
}

/// Timeout of the affinity `ClientIP` without a timeout: the default of Kubernetes.
const DEFAULT_AFFINITY_SECONDS: u32 = 10_800;

impl SessionAffinityBody {
    fn from_client_seconds(seconds: Option<u32>) -> Self {
        let kind = if seconds.is_some() {
            "ClientIP"
        } else {
            "None"
        };
        Self {
            kind: Some(kind.into()),
            timeout_seconds: seconds,
        }
    }

    fn client_seconds(&self) -> Option<u32> {
        let kind = self.kind.as_deref().unwrap_or_default();
        kind.eq_ignore_ascii_case("ClientIP")
            .then(|| self.timeout_seconds.unwrap_or(DEFAULT_AFFINITY_SECONDS))
    }
}
