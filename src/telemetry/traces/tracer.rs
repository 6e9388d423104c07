//! Makes the spans.

use std::fmt;
use std::sync::Arc;

use opentelemetry::trace::{Span, SpanBuilder, SpanKind, TraceContextExt};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{Config, SamplingDecision, SdkTracer, ShouldSample};
use tracing::subscriber::NoSubscriber;

use super::provisioning_trace::ProvisioningTrace;

const PROVISION: &str = "provision";

/// Makes spans; makes none while traces are disabled.
#[derive(Clone, Debug, Default)]
pub struct Tracer(Option<Arc<EnabledTracer>>);

struct EnabledTracer {
    tracer: SdkTracer,
    /// A copy of the sampler of the provider, which does not expose its own.
    sampler: Box<dyn ShouldSample>,
}

impl fmt::Debug for EnabledTracer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tracer.fmt(formatter)
    }
}

impl Tracer {
    pub(super) fn new(tracer: SdkTracer) -> Self {
        // Read from the same environment as the sampler of the provider, which has already
        // logged any warning.
        let quiet = NoSubscriber::default();
        let sampler = tracing::subscriber::with_default(quiet, || Config::default().sampler);
        Self(Some(Arc::new(EnabledTracer { tracer, sampler })))
    }

    /// Whether spans are exported at all.
    pub(super) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Starts a span, within a provisioning trace if there is one.
    pub(super) fn start(&self, span: SpanBuilder, within: Option<&ProvisioningTrace>) -> Context {
        let Some(enabled) = &self.0 else {
            return Context::new();
        };
        let parent =
            within.map_or_else(Context::new, |trace| trace.context(enabled.samples(trace)));
        self.start_within(span, &parent)
    }

    /// Starts a span as a child of another.
    pub(super) fn start_within(&self, span: SpanBuilder, parent: &Context) -> Context {
        match &self.0 {
            None => parent.clone(),
            Some(enabled) => {
                let span = span.start_with_context(&enabled.tracer, parent);
                parent.with_span(span)
            }
        }
    }

    /// Exports the root span of a provisioning trace, when the Service has its address.
    pub fn provisioned(&self, trace: &ProvisioningTrace, attributes: Vec<KeyValue>) {
        let Some(enabled) = &self.0 else {
            return;
        };
        let root = SpanBuilder::from_name(PROVISION)
            .with_start_time(trace.since())
            .with_attributes(attributes);
        trace
            .as_root(|| root.start_with_context(&enabled.tracer, &Context::new()))
            .end();
    }
}

impl EnabledTracer {
    /// Whether the root span will be exported; its attempts follow that decision.
    fn samples(&self, trace: &ProvisioningTrace) -> bool {
        let (trace, kind) = (trace.trace(), SpanKind::Internal);
        let decided = self
            .sampler
            .should_sample(None, trace, PROVISION, &kind, &[], &[]);
        decided.decision == SamplingDecision::RecordAndSample
    }
}
