//! What kube-apiserver was asked, by whom, and what it answered.

use std::path::Path;

use anyhow::{Context, Result};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use serde::Deserialize;

/// One line of the audit log. Fields that the request does not have are empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// Who asked: `admin`, or `system:serviceaccount:<namespace>:<name>`.
    pub user: String,
    /// What the client calls itself.
    pub user_agent: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    /// Plural, such as `services`.
    pub resource: String,
    /// Such as `status`.
    pub subresource: String,
    /// Of the object.
    pub namespace: String,
    /// Of the object; empty in a create with a generated name, and in a list.
    pub name: String,
    /// HTTP status of the answer.
    pub code: u16,
    /// `ResponseComplete`; for a watch also `ResponseStarted`, before it.
    pub stage: String,
    /// Path and query of the request.
    pub request_uri: String,
    /// When the request came in.
    pub received: Timestamp,
}

impl AuditEvent {
    /// Whether the request meant to change something. Refused ones count too.
    #[must_use]
    pub fn is_write(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch")
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    user: User,
    #[serde(default)]
    user_agent: String,
    verb: String,
    #[serde(default)]
    object_ref: ObjectReference,
    #[serde(default)]
    response_status: ResponseStatus,
    stage: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    request_received_timestamp: MicroTime,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ObjectReference {
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ResponseStatus {
    code: u16,
}

impl From<Line> for AuditEvent {
    fn from(line: Line) -> Self {
        Self {
            user: line.user.username,
            user_agent: line.user_agent,
            verb: line.verb,
            resource: line.object_ref.resource,
            subresource: line.object_ref.subresource,
            namespace: line.object_ref.namespace,
            name: line.object_ref.name,
            code: line.response_status.code,
            stage: line.stage,
            request_uri: line.request_uri,
            received: line.request_received_timestamp.0,
        }
    }
}

/// The whole log, in the order in which requests were answered. kube-apiserver
/// writes the line before the client has the answer.
pub(super) fn read(path: &Path) -> Result<Vec<AuditEvent>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("reading the audit log {}", path.display()))?;
    parse(&text)
}

fn parse(text: &str) -> Result<Vec<AuditEvent>> {
    // What follows the last newline is still being written.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole
        .lines()
        .map(|line| {
            serde_json::from_str::<Line>(line)
                .map(AuditEvent::from)
                .with_context(|| format!("not an audit event: {line}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"{"kind":"Event","stage":"ResponseComplete","requestURI":"/api/v1/nodes","verb":"list","user":{"username":"admin","groups":["system:masters"]},"userAgent":"curl","objectRef":{"resource":"nodes","apiVersion":"v1"},"responseStatus":{"metadata":{},"code":200},"requestReceivedTimestamp":"2026-01-02T03:04:05.678901Z"}"#;

    #[test]
    fn a_line_that_is_still_being_written_is_left_for_the_next_time() {
        let events = parse(&format!("{LIST}\n{}", &LIST[..40])).unwrap();
        let [event] = events.as_slice() else {
            panic!("{events:?}");
        };
        assert_eq!((event.user.as_str(), event.code), ("admin", 200));
        assert_eq!(event.received.subsec_microsecond(), 678_901);
        assert!(event.name.is_empty() && !event.is_write());
    }

    #[test]
    fn a_line_that_is_no_event_is_an_error() {
        assert!(parse("{}\n").is_err());
    }
}
