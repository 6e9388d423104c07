//! Spans to an OTLP collector, over HTTP with protobuf. Traces are optional: without
//! an endpoint in the environment there is no exporter and no thread.
//!
//! The exporter itself reads `OTEL_EXPORTER_OTLP_*`, `OTEL_TRACES_SAMPLER`,
//! `OTEL_BSP_*`, `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`. This module reads
//! `OTEL_SDK_DISABLED`, `OTEL_TRACES_EXPORTER` and `OTEL_EXPORTER_OTLP_CERTIFICATE`.
//!
//! - [`Tracer`] makes spans: a [`LazySpan`] for work, and a [`ClientSpan`] for each
//!   request within it.
//! - [`ProvisioningTrace`]: the provisioning of one Service, as one trace.
//! - [`export_metrics`] counts the spans by the result of their export; [`client`] is
//!   the HTTP client for the collector.

mod client;
mod export_metrics;
mod lazy_span;
mod provisioning_trace;
mod tracer;

use std::path::PathBuf;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter as OtlpExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanExporter};

use super::build_info;
pub use export_metrics::SpanExports;
pub(crate) use lazy_span::active;
pub use lazy_span::{ClientSpan, LazySpan, SpanDescription, begin, fail, note};
pub use provisioning_trace::ProvisioningTrace;
pub use tracer::Tracer;

const NAME: &str = "my-cloud-controller-manager";
/// The variables that name the collector; `/v1/traces` is appended to the second only.
const ENDPOINTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];
/// Time limit for sending the last spans.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(5);

/// Invalid settings of the exporter.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The endpoint is not a URL, for example.
    #[error("the OTLP exporter cannot be built: {0}")]
    Exporter(#[from] ExporterBuildError),
    /// The file with the certificate authorities cannot be read.
    #[error("cannot read {path}: {source}")]
    UnreadableAuthority {
        path: PathBuf,
        source: std::io::Error,
    },
    /// The file with the certificate authorities contains no certificate.
    #[error("{path} contains no PEM certificate")]
    NoAuthority { path: PathBuf },
    /// The endpoint is https and the system has no authorities, for example.
    #[error("cannot build the HTTP client of the trace exporter: {0:?}")]
    Client(reqwest::Error),
    /// The thread on which the client is built cannot be started.
    #[error("cannot build the HTTP client of the trace exporter: {0}")]
    Thread(std::io::Error),
}

/// The running exporter.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Starts the exporter. `None` if the environment names no endpoint or disables traces.
    ///
    /// # Errors
    /// A setting is invalid: the endpoint is not a URL, a file contains no certificate.
    pub fn from_environment(exports: SpanExports) -> Result<Option<Self>, TracesError> {
        let variable = |name: &str| std::env::var(name).ok();
        if !is_enabled(variable) {
            return Ok(None);
        }
        if ENDPOINTS
            .iter()
            .filter_map(|name| variable(name))
            .any(|endpoint| endpoint.trim_end_matches('/').ends_with(":4317"))
        {
            tracing::warn!(
                "the OTLP endpoint has port 4317, where collectors receive gRPC; this program sends HTTP, usually to port 4318"
            );
        }
        let exporter = OtlpExporter::builder()
            .with_http()
            .with_http_client(client::client(variable)?)
            .build()?;
        Ok(Some(Self::new(exporter, exports)))
    }

    fn new<E: SpanExporter + 'static>(exporter: E, exports: SpanExports) -> Self {
        let provider = SdkTracerProvider::builder()
            .with_resource(resource())
            .with_id_generator(provisioning_trace::Ids::default())
            .with_span_processor(export_metrics::processor(exporter, exports))
            .build();
        Self { provider }
    }

    /// The tracer that makes spans for this exporter.
    pub fn tracer(&self) -> Tracer {
        Tracer::new(self.provider.tracer(NAME))
    }

    /// Sends the remaining spans, for at most 5 s. Call it last of all, after the Lease is
    /// released.
    pub async fn shutdown(self) {
        let stopped = tokio::task::spawn_blocking(move || {
            self.provider.shutdown_with_timeout(SHUTDOWN_LIMIT)
        });
        match stopped.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "the trace exporter did not send all remaining spans")
            }
            Err(error) => tracing::warn!(%error, "the trace exporter did not stop"),
        }
    }
}

/// Whether the environment enables traces. Without an endpoint the exporter would
/// connect to localhost, which is useless in a pod.
fn is_enabled(variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name: &str| variable(name).filter(|text| !text.trim().is_empty());
    let disabled = set("OTEL_SDK_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true"))
        || set("OTEL_TRACES_EXPORTER").is_some_and(|text| text.trim() == "none");
    !disabled && ENDPOINTS.into_iter().any(|name| set(name).is_some())
}

/// The resource attributes of the environment, and defaults for the missing ones.
fn resource() -> Resource {
    let given = Resource::builder().build();
    let is_open = |attribute: &KeyValue| {
        let value = given.get(&attribute.key);
        value.is_none_or(|value| value.as_str().starts_with("unknown_service"))
    };
    let instance = std::env::var("POD_NAME").unwrap_or_else(|_| std::process::id().to_string());
    let ours = [
        KeyValue::new("service.name", NAME),
        KeyValue::new("service.version", build_info::VERSION),
        KeyValue::new("service.instance.id", instance),
    ];
    let ours = ours.into_iter().filter(is_open);
    Resource::builder().with_attributes(ours).build()
}

#[cfg(test)]
mod tests;
