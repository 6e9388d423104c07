//! Deduplication of Events: the same failure of a Service is reported once.

use std::collections::HashSet;

use super::per_spec::PerSpec;
use crate::controller::attempt::{ObservedService, SpecHash};
use crate::kubernetes::events::EventReason;
use crate::plan::naming::ServiceUid;

/// The Events that were emitted for each Service.
#[derive(Default)]
pub struct EventDedup(PerSpec<EmittedEvents>);

#[derive(Default)]
struct EmittedEvents {
    /// The warnings about this spec that were emitted.
    warned: Vec<EventReason>,
    /// The fingerprint of the last failure; messages may differ between attempts (in a
    /// request id, a timestamp).
    failure: Option<String>,
}

impl EventDedup {
    /// The reasons of warnings to emit, of those that concern this spec: each once.
    pub fn mark_warned(
        &self,
        uid: &ServiceUid,
        spec_hash: SpecHash,
        reasons: impl IntoIterator<Item = EventReason>,
    ) -> Vec<EventReason> {
        self.0.change(uid, spec_hash, |emitted| {
            let mut new: Vec<_> = reasons.into_iter().collect();
            new.retain(|reason| !emitted.warned.contains(reason));
            new.dedup();
            emitted.warned.extend(&new);
            new
        })
    }

    /// Records the fingerprint of a failed attempt. Returns whether it differs from
    /// that of the attempt before; always true for a success.
    pub fn record_failure(&self, service: &ObservedService, failure: Option<String>) -> bool {
        let (uid, spec_hash) = (&service.view.uid, service.spec_hash);
        self.0.change(uid, spec_hash, |emitted| {
            let is_new = failure.is_none() || emitted.failure != failure;
            emitted.failure = failure;
            is_new
        })
    }

    pub fn forget(&self, uid: &ServiceUid) {
        self.0.forget(uid);
    }

    pub fn retain(&self, alive: &HashSet<ServiceUid>) {
        self.0.retain(alive);
    }
}
