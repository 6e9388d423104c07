//! The provisioning of a Service, from its request to its first address, as one trace.
//!
//! The ids of the trace are derived from the Service and the time of its request, so
//! that every leader derives the same ids: every attempt is a child of the root span.
//! The leader that publishes the address exports the root, which starts at the request.

use std::cell::Cell;
use std::time::SystemTime;

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};
use sha2::{Digest, Sha256};

/// Prefix of the hashed text, so that no other hash gives the same ids.
const PURPOSE: &str = "provision";

/// The trace of the provisioning of one Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProvisioningTrace {
    trace: TraceId,
    span: SpanId,
    since: SystemTime,
}

impl ProvisioningTrace {
    /// The trace of the Service with this UID in this cluster, which requested a load
    /// balancer at `since`.
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

    /// The context with the parent of the attempts.
    pub(super) fn context(&self, sampled: bool) -> Context {
        let flags = TraceFlags::default().with_sampled(sampled);
        let root = SpanContext::new(self.trace, self.span, flags, false, TraceState::default());
        Context::new().with_remote_span_context(root)
    }

    /// Runs `make`, which starts the root span, with the ids of this trace.
    pub(super) fn as_root<T>(&self, make: impl FnOnce() -> T) -> T {
        NEXT_IDS.set(Some((self.trace, self.span)));
        let root = make();
        NEXT_IDS.set(None);
        root
    }
}

thread_local! {
    static NEXT_IDS: Cell<Option<(TraceId, SpanId)>> = const { Cell::new(None) };
}

/// Generates random ids, except for a root span with derived ids.
#[derive(Debug, Default)]
pub(super) struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        NEXT_IDS
            .get()
            .map_or_else(|| self.0.new_trace_id(), |(trace, _)| trace)
    }

    fn new_span_id(&self) -> SpanId {
        NEXT_IDS
            .get()
            .map_or_else(|| self.0.new_span_id(), |(_, span)| span)
    }
}
