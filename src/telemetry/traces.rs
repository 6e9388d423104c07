//! Spans to an OTLP collector, over HTTP with protobuf, and only if asked for:
//! without an endpoint in the environment there is no exporter and no thread.
//!
//! Read from the environment by the exporter itself: `OTEL_EXPORTER_OTLP_*`,
//! `OTEL_TRACES_SAMPLER`, `OTEL_BSP_*`, `OTEL_SERVICE_NAME`,
//! `OTEL_RESOURCE_ATTRIBUTES`. Read here: `OTEL_SDK_DISABLED` and
//! `OTEL_TRACES_EXPORTER`.

mod counted;

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::propagation::{Injector, TextMapPropagator};
use opentelemetry::trace::{SpanContext, TraceContextExt, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter as OtlpExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, SpanExporter};
use tracing::{Span, Subscriber};
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::registry::LookupSpan;

use super::build;
pub use counted::SpanExports;

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
#[error("the OTLP exporter cannot be built: {0}")]
pub struct TracesError(#[from] ExporterBuildError);

/// The running exporter.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Starts the exporter. `None`: the environment names no endpoint, or switches it off.
    ///
    /// # Errors
    /// An endpoint that is no URL.
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
                "port 4317 is where collectors take gRPC; this program sends HTTP, which is usually port 4318"
            );
        }
        let exporter = OtlpExporter::builder().with_http().build()?;
        Ok(Some(Self::new(exporter, exports)))
    }

    fn new<E: SpanExporter + 'static>(exporter: E, exports: SpanExports) -> Self {
        let provider = SdkTracerProvider::builder()
            .with_resource(resource())
            .with_span_processor(counted::processor(exporter, exports))
            .build();
        Self { provider }
    }

    pub(super) fn layer<S>(&self) -> OpenTelemetryLayer<S, SdkTracer>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer(NAME))
            .with_threads(false)
    }

    /// Sends what is left, for at most 5 s. Last of all, after the Lease is released.
    pub async fn shutdown(self) {
        let stopped = tokio::task::spawn_blocking(move || {
            self.provider.shutdown_with_timeout(SHUTDOWN_LIMIT)
        });
        match stopped.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the last spans were not all sent"),
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

fn resource() -> Resource {
    let mut resource = Resource::builder();
    if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
        resource = resource.with_service_name(NAME);
    }
    let instance = std::env::var("POD_NAME").unwrap_or_else(|_| std::process::id().to_string());
    resource
        .with_attributes([
            KeyValue::new("service.version", build::VERSION),
            KeyValue::new("service.instance.id", instance),
        ])
        .build()
}

/// Which spans are exported: ours and kube's at INFO. Never those of the
/// exporter's own HTTP client, or it would feed itself.
pub(super) fn filter() -> EnvFilter {
    const MUTED: [&str; 8] = [
        "hyper",
        "hyper_util",
        "h2",
        "reqwest",
        "rustls",
        "tower",
        "opentelemetry",
        "opentelemetry_sdk",
    ];
    let muted: String = MUTED
        .iter()
        .map(|target| format!(",{target}=off"))
        .collect();
    EnvFilter::new(format!("info{muted}"))
}

/// The span that is active on this thread, if it is exported or could be.
pub(super) fn active() -> Option<SpanContext> {
    Context::map_current(|context| {
        let span = context.span().span_context().clone();
        span.is_valid().then_some(span)
    })
}

/// Adds `traceparent`, so that the called service's spans become children of
/// `span`. Adds nothing if traces are off.
pub fn inject(span: &Span, headers: &mut HeaderMap) {
    TraceContextPropagator::new().inject_context(&span.context(), &mut Headers(headers));
}

struct Headers<'map>(&'map mut HeaderMap);

impl Injector for Headers<'_> {
    fn set(&mut self, name: &str, value: String) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests;
