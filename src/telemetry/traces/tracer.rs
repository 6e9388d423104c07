//! Where spans come from.

use std::fmt;
use std::sync::Arc;

use opentelemetry::trace::{Span, SpanBuilder, SpanKind, TraceContextExt};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{Config, SamplingDecision, SdkTracer, ShouldSample};
use tracing::subscriber::NoSubscriber;

use super::provisioning_trace::ProvisioningTrace;

const PROVISION: &str = "provision";

/// Makes spans; none while traces are off.
#[derive(Clone, Debug, Default)]
pub struct Tracer(Option<Arc<Making>>);

struct Making {
    tracer: SdkTracer,
    /// The provider's own, which it does not lend.
    sampler: Box<dyn ShouldSample>,
}

impl fmt::Debug for Making {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tracer.fmt(formatter)
    }
}

impl Tracer {
    pub(super) fn new(tracer: SdkTracer) -> Self {
        // From the same environment as the provider's, which was warned of already.
        let quiet = NoSubscriber::default();
        let sampler = tracing::subscriber::with_default(quiet, || Config::default().sampler);
        Self(Some(Arc::new(Making { tracer, sampler })))
    }

    /// Whether spans are exported at all.
    pub(super) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Starts a span, as a part of a provisioning trace if there is one.
    pub(super) fn start(&self, span: SpanBuilder, within: Option<&ProvisioningTrace>) -> Context {
        let Some(making) = &self.0 else {
            return Context::new();
        };
        let parent = within.map_or_else(Context::new, |way| way.context(making.samples(way)));
        self.start_within(span, &parent)
    }

    /// Starts a span as a child of another.
    pub(super) fn start_within(&self, span: SpanBuilder, parent: &Context) -> Context {
        match &self.0 {
            None => parent.clone(),
            Some(making) => {
                let span = span.start_with_context(&making.tracer, parent);
                parent.with_span(span)
            }
        }
    }

    /// A Service has its first address: the root of all passes that led to it.
    pub fn provisioned(&self, way: &ProvisioningTrace, attributes: Vec<KeyValue>) {
        let Some(making) = &self.0 else {
            return;
        };
        let root = SpanBuilder::from_name(PROVISION)
            .with_start_time(way.since())
            .with_attributes(attributes);
        way.as_root(|| root.start_with_context(&making.tracer, &Context::new()))
            .end();
    }
}

impl Making {
    /// Whether the root will be exported: its passes must be too, or not.
    fn samples(&self, way: &ProvisioningTrace) -> bool {
        let (trace, kind) = (way.trace(), SpanKind::Internal);
        let decided = self
            .sampler
            .should_sample(None, trace, PROVISION, &kind, &[], &[]);
        decided.decision == SamplingDecision::RecordAndSample
    }
}
