//! A Service's way from its wish to its first address, as one trace.
//!
//! Its ids follow from the Service and the moment of the wish, so whoever leads
//! finds the same ones: every pass is a child of a root that is exported once,
//! by whoever publishes the address, dated back to the wish.

use std::cell::Cell;
use std::time::SystemTime;

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};
use sha2::{Digest, Sha256};

/// What is hashed first, so that nothing else hashes to the same ids.
const PURPOSE: &str = "provision";

/// One Service's way to its first address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProvisioningTrace {
    trace: TraceId,
    span: SpanId,
    since: SystemTime,
}

impl ProvisioningTrace {
    /// Of the Service of this UID in this cluster, which began to ask then.
    pub fn new(cluster: &str, uid: &str, since: SystemTime) -> Self {
        let age = since.duration_since(SystemTime::UNIX_EPOCH);
        let second = age.map_or(0, |age| age.as_secs());
        let mut hash = Sha256::new();
        for part in [PURPOSE, cluster, uid, &second.to_string()] {
            hash.update(part);
            hash.update([0]);
        }
        let hash: [u8; 32] = hash.finalize().into();
        let (mut trace, mut span) = ([0; 16], [0; 8]);
        trace.copy_from_slice(&hash[..16]);
        span.copy_from_slice(&hash[16..24]);
        Self {
            trace: TraceId::from_bytes(trace),
            span: SpanId::from_bytes(span),
            since,
        }
    }

    pub(super) fn trace(&self) -> TraceId {
        self.trace
    }

    pub(super) fn since(&self) -> SystemTime {
        self.since
    }

    /// Where its passes find their parent.
    pub(super) fn context(&self, sampled: bool) -> Context {
        let flags = TraceFlags::default().with_sampled(sampled);
        let root = SpanContext::new(self.trace, self.span, flags, false, TraceState::default());
        Context::new().with_remote_span_context(root)
    }

    /// Makes the span that `make` starts its root.
    pub(super) fn as_root<T>(&self, make: impl FnOnce() -> T) -> T {
        GIVEN.set(Some((self.trace, self.span)));
        let made = make();
        GIVEN.set(None);
        made
    }
}

thread_local! {
    static GIVEN: Cell<Option<(TraceId, SpanId)>> = const { Cell::new(None) };
}

/// Random ids, but for roots whose ids are known before.
#[derive(Debug, Default)]
pub(super) struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        GIVEN
            .get()
            .map_or_else(|| self.0.new_trace_id(), |(trace, _)| trace)
    }

    fn new_span_id(&self) -> SpanId {
        GIVEN
            .get()
            .map_or_else(|| self.0.new_span_id(), |(_, span)| span)
    }
}
