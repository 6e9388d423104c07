//! Where spans come from.

use std::fmt;
use std::sync::Arc;

use opentelemetry::trace::{Span, SpanBuilder, SpanKind};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{Config, SamplingDecision, SdkTracer, ShouldSample};
use tracing::subscriber::NoSubscriber;

use super::lazy_span::LazySpan;
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

    /// Work that gets a span once something in it is worth one. `describe`
    /// gives what that span says, and what the spans of its requests say too;
    /// `within` is the Service's way to its first address, if it is on it.
    pub fn work(
        &self,
        name: &'static str,
        within: Option<&ProvisioningTrace>,
        describe: impl FnOnce() -> (Vec<KeyValue>, Vec<KeyValue>),
    ) -> LazySpan {
        let Some(making) = &self.0 else {
            return LazySpan::untraced();
        };
        let parent = within.map_or_else(Context::new, |way| way.context(making.samples(way)));
        let (attributes, shared) = describe();
        LazySpan::pending(making.tracer.clone(), parent, name, attributes, shared)
    }

    /// Whether there are any spans.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
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
        let judged = self
            .sampler
            .should_sample(None, trace, PROVISION, &kind, &[], &[]);
        judged.decision == SamplingDecision::RecordAndSample
    }
}
