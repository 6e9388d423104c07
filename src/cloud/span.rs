//! The spans of a call: one with the fields of the log lines during the call, and one
//! for the trace.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use opentelemetry::KeyValue;
use reqwest::Url;
use tracing::{Span, field, info_span};

use super::call::Verb;
use super::error::{CloudError, ErrorKind};
use crate::plan::naming::{CloudName, LoadBalancerId, LoadBalancerName};
use crate::telemetry::traces::ClientSpan;

/// The spans of one call.
pub(super) struct CallSpan {
    /// The fields of log lines; not exported.
    log: Span,
    trace: ClientSpan,
    verb: Verb,
}

impl CallSpan {
    pub(super) fn new(cloud: &CloudName, verb: Verb, address: &Url) -> Self {
        use tracing::field::Empty;
        let (cloud, operation) = (cloud.as_str(), verb.as_str());
        let log = info_span!(
            "cloud_call",
            cloud,
            verb = operation,
            name = Empty,
            id = Empty,
            code = Empty,
            took = Empty,
        );
        // Follows the semantic conventions for HTTP, except for the name: the path is the
        // same for all clouds.
        let trace = ClientSpan::begin(format!("{cloud} {operation}"), || {
            let mut attributes = vec![
                KeyValue::new("cloud", cloud.to_owned()),
                KeyValue::new("operation", operation),
                KeyValue::new("http.request.method", "POST"),
                KeyValue::new("url.full", address.as_str().to_owned()),
            ];
            let server = address.host_str().map(str::to_owned);
            attributes.extend(server.map(|server| KeyValue::new("server.address", server)));
            let port = address.port_or_known_default().map(i64::from);
            attributes.extend(port.map(|port| KeyValue::new("server.port", port)));
            attributes
        });
        Self { log, trace, verb }
    }

    /// Records the id of the load balancer.
    pub(super) fn id(&self, id: &LoadBalancerId) {
        self.log.record("id", id.as_str());
        self.trace.note("load_balancer.id", id.as_str().to_owned());
    }

    /// Records the name of the load balancer.
    pub(super) fn name(&self, name: &LoadBalancerName) {
        self.log.record("name", name.as_str());
        self.trace
            .note("load_balancer.name", name.as_str().to_owned());
    }

    /// Records that the call is sent; before, it waited for its slot.
    pub(super) fn sent(&self) {
        self.trace.mark("sent");
    }

    pub(super) fn responded(&self, status: StatusCode) {
        let status = i64::from(status.as_u16());
        self.trace.note("http.response.status_code", status);
    }

    pub(super) fn inject(&self, headers: &mut HeaderMap) {
        self.trace.inject(headers);
    }

    pub(super) async fn run<F: Future>(&self, call: F) -> F::Output {
        use tracing::Instrument;
        self.trace.run(call).instrument(self.log.clone()).await
    }

    /// Ends the spans. `took` is the time since the call was sent; `None` if it was not.
    pub(super) fn end(self, code: &str, took: Option<Duration>, error: Option<&CloudError>) {
        self.log.record("code", code);
        if let Some(took) = took {
            self.log.record("took", field::debug(took));
        }
        self.trace.note("code", code.to_owned());
        // For these, "not found" is a result rather than an error.
        let is_result = |error: &&CloudError| match self.verb {
            Verb::Query | Verb::Delete | Verb::Release => error.kind() == ErrorKind::NotFound,
            Verb::Capabilities => {
                matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Unsupported)
            }
            Verb::Create | Verb::Update | Verb::List => false,
        };
        let error = error.filter(|error| !is_result(error));
        match error {
            None => self.trace.succeeded(),
            Some(error) => {
                let reason = error.reason().as_str();
                self.trace.failed(reason, error.message().to_owned());
            }
        }
    }
}
