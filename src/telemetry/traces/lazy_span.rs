//! Spans of work, and of the requests made in it.
//!
//! Most reconciles find nothing to do. So work is given the promise of a span,
//! which is kept when something in it is worth one: an action, a request. The
//! span is dated back to the beginning of the work then. Work in which nothing
//! happened has no span, and its log lines name none.
//!
//! The promise travels in the OpenTelemetry context of the task. It is of no
//! `tracing` span: those are the log's, and say what is true of quiet work too.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::context::{FutureExt, WithContext};
use opentelemetry::propagation::{Injector, TextMapPropagator};
use opentelemetry::trace::{SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use parking_lot::Mutex;

use super::provisioning_trace::ProvisioningTrace;
use super::tracer::Tracer;

/// The span of a piece of work, before it is known whether it is worth one.
pub struct LazySpan(Context);

/// What a span says.
#[derive(Default)]
pub struct SpanDescription {
    /// The provisioning trace that the work belongs to, if it belongs to one.
    pub within: Option<ProvisioningTrace>,
    /// The attributes of the span alone.
    pub attributes: Vec<KeyValue>,
    /// The attributes of the span and of the client spans within it.
    pub shared: Vec<KeyValue>,
}

type Describe = Box<dyn FnOnce() -> SpanDescription + Send>;

/// A span that is started when something in the work is worth one.
struct PendingSpan {
    tracer: Tracer,
    name: &'static str,
    began: SystemTime,
    describe: Mutex<Option<Describe>>,
    started: OnceLock<StartedSpan>,
}

struct StartedSpan {
    context: Context,
    shared: Vec<KeyValue>,
}

impl PendingSpan {
    fn start(&self) -> &StartedSpan {
        self.started.get_or_init(|| {
            let describe = self.describe.lock().take();
            let description = describe.map(|describe| describe()).unwrap_or_default();
            let SpanDescription {
                within,
                attributes,
                shared,
            } = description;
            let span = SpanBuilder::from_name(self.name)
                .with_start_time(self.began)
                .with_attributes([attributes, shared.clone()].concat());
            let context = self.tracer.start(span, within.as_ref());
            StartedSpan { context, shared }
        })
    }

    fn context(&self) -> Option<&Context> {
        self.started.get().map(|started| &started.context)
    }
}

impl Tracer {
    /// The span of a piece of work. It is started, and described, only when
    /// something in the work is worth it.
    pub fn lazy_span(
        &self,
        name: &'static str,
        describe: impl FnOnce() -> SpanDescription + Send + 'static,
    ) -> LazySpan {
        if !self.is_on() {
            return LazySpan::untraced();
        }
        LazySpan::pending(self.clone(), name, describe)
    }
}

impl LazySpan {
    /// Work that never gets a span.
    fn untraced() -> Self {
        Self(Context::new())
    }

    fn pending(
        tracer: Tracer,
        name: &'static str,
        describe: impl FnOnce() -> SpanDescription + Send + 'static,
    ) -> Self {
        let pending = PendingSpan {
            tracer,
            name,
            began: SystemTime::now(),
            describe: Mutex::new(Some(Box::new(describe))),
            started: OnceLock::new(),
        };
        Self(Context::new().with_value(Arc::new(pending)))
    }

    /// Does it. Its span, if it gets one, ends with it.
    pub fn run<F: Future>(self, work: F) -> WithContext<F> {
        work.with_context(self.0)
    }
}

fn pending_span() -> Option<Arc<PendingSpan>> {
    // Cloned, so that nothing is done while the context of the thread is borrowed.
    Context::map_current(|current| current.get::<Arc<PendingSpan>>().cloned())
}

/// Says that the work under way is worth a span.
pub fn begin() {
    if let Some(pending) = pending_span() {
        pending.start();
    }
}

/// Adds to the span of the work under way, if it has one.
pub fn note(attributes: impl IntoIterator<Item = KeyValue>) {
    let pending = pending_span();
    if let Some(context) = pending.as_ref().and_then(|pending| pending.context()) {
        context.span().set_attributes(attributes);
    }
}

/// Says that the work under way failed, in the words of a closed set and for people.
pub fn fail(error_type: &'static str, description: String) {
    let pending = pending_span();
    if let Some(context) = pending.as_ref().and_then(|pending| pending.context()) {
        failed(context, error_type, description);
    }
}

fn failed(context: &Context, error_type: &'static str, description: String) {
    let span = context.span();
    span.set_attribute(KeyValue::new("error.type", error_type));
    span.set_status(Status::error(description));
}

/// The span that is active on this task, exported or not; none for work that
/// has none.
pub(crate) fn active() -> Option<SpanContext> {
    let of = |context: &Context| {
        let span = context.span().span_context().clone();
        span.is_valid().then_some(span)
    };
    Context::map_current(of).or_else(|| pending_span()?.context().and_then(of))
}

/// The span of a request to somebody else; none outside of work.
pub struct ClientSpan {
    /// What the request runs in.
    context: Context,
    is_ours: bool,
    ended: bool,
}

impl ClientSpan {
    /// Begins it: a request makes the work that it belongs to worth a span.
    pub fn begin(
        name: impl Into<Cow<'static, str>>,
        attributes: impl FnOnce() -> Vec<KeyValue>,
    ) -> Self {
        let begun = pending_span().map(|pending| {
            let StartedSpan { context, shared } = pending.start();
            let span = SpanBuilder::from_name(name)
                .with_kind(SpanKind::Client)
                .with_attributes([attributes(), shared.clone()].concat());
            pending.tracer.start_within(span, context)
        });
        Self {
            is_ours: begun.is_some(),
            context: begun.unwrap_or_else(Context::current),
            ended: false,
        }
    }

    /// Waits for it, with its span as the active one.
    pub fn run<F: Future>(&self, request: F) -> WithContext<F> {
        request.with_context(self.context.clone())
    }

    /// Adds to its span.
    pub fn note(&self, key: &'static str, value: impl Into<opentelemetry::Value>) {
        if self.is_ours {
            self.context.span().set_attribute(KeyValue::new(key, value));
        }
    }

    /// Marks this moment in its span.
    pub fn mark(&self, name: &'static str) {
        if self.is_ours {
            self.context.span().add_event(name, Vec::new());
        }
    }

    /// Ends it well.
    pub fn succeeded(mut self) {
        self.ended = true;
    }

    /// Ends it otherwise, in the words of a closed set and for people.
    pub fn failed(mut self, error_type: &'static str, description: String) {
        self.ended = true;
        if self.is_ours {
            failed(&self.context, error_type, description);
        }
    }

    /// Adds `traceparent`, so that spans of whoever is called become children
    /// of this one. Adds nothing when no trace is active.
    pub fn inject(&self, headers: &mut HeaderMap) {
        TraceContextPropagator::new().inject_context(&self.context, &mut Headers(headers));
    }
}

impl Drop for ClientSpan {
    fn drop(&mut self) {
        if self.is_ours {
            if !self.ended {
                failed(
                    &self.context,
                    "cancelled",
                    "the caller stopped waiting".into(),
                );
            }
            self.context.span().end();
        }
    }
}

struct Headers<'map>(&'map mut HeaderMap);

impl Injector for Headers<'_> {
    fn set(&mut self, name: &str, value: String) {
        // An empty tracestate says nothing.
        if value.is_empty() {
            return;
        }
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}
