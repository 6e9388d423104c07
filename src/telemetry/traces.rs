//! Spans to an OTLP collector, over HTTP with protobuf, and only if asked for:
//! without an endpoint in the environment there is no exporter and no thread.
//!
//! Read from the environment by the exporter itself: `OTEL_EXPORTER_OTLP_*`,
//! `OTEL_TRACES_SAMPLER`, `OTEL_BSP_*`, `OTEL_SERVICE_NAME`,
//! `OTEL_RESOURCE_ATTRIBUTES`. Read here: `OTEL_SDK_DISABLED`,
//! `OTEL_TRACES_EXPORTER` and `OTEL_EXPORTER_OTLP_CERTIFICATE`.
//!
//! - [`Tracer`] makes spans: of [`Work`], and of a [`Request`] made in it.
//! - [`Provision`]: a Service's way to its first address, as one trace.
//! - `counted`: what becomes of each span; `client`: the way to the collector.

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
/// What names the collector: the second only gets `/v1/traces` appended.
const ENDPOINTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];
/// Longest wait for the last spans to leave.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(5);

/// Wrong settings of the exporter.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// An endpoint that is no URL, say.
    #[error("the OTLP exporter cannot be built: {0}")]
    Exporter(#[from] ExporterBuildError),
    /// The file with the certificate authority cannot be read.
    #[error("cannot read {path}: {source}")]
    UnreadableAuthority {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file with the certificate authority holds no certificate.
    #[error("{path} holds no PEM certificate")]
    NoAuthority {
        /// The file.
        path: PathBuf,
    },
    /// An https endpoint on a system without authorities, say.
    #[error("the HTTP client cannot be built: {0:?}")]
    Client(reqwest::Error),
    /// There is no thread to build it on.
    #[error("the HTTP client cannot be built: {0}")]
    Thread(std::io::Error),
}

/// The running exporter.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Starts the exporter. `None`: the environment names no endpoint, or switches it off.
    ///
    /// # Errors
    /// An endpoint that is no URL, a file that holds no certificate.
    pub fn from_environment(exports: SpanExports) -> Result<Option<Self>, TracesError> {
        let variable = |name: &str| std::env::var(name).ok();
        if !wanted(variable) {
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

    /// Where spans come from.
    pub fn tracer(&self) -> Tracer {
        Tracer::new(self.provider.tracer(NAME))
    }

    /// Sends what is left, for at most 5 s. Last of all, after the Lease is released.
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

/// Without an endpoint the exporter would dial localhost, which in a pod is noise.
fn wanted(variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name: &str| variable(name).filter(|text| !text.trim().is_empty());
    let disabled = set("OTEL_SDK_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true"))
        || set("OTEL_TRACES_EXPORTER").is_some_and(|text| text.trim() == "none");
    !disabled && ENDPOINTS.into_iter().any(|name| set(name).is_some())
}

/// What the environment says of us, and what it leaves open.
fn resource() -> Resource {
    let given = Resource::builder().build();
    let is_open = |attribute: &KeyValue| {
        let said = given.get(&attribute.key);
        said.is_none_or(|said| said.as_str().starts_with("unknown_service"))
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
