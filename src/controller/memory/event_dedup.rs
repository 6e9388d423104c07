//! Deduplication of Events: the same failure of a Service is reported once.

use std::collections::HashSet;

use super::per_service::PerService;
use crate::controller::attempt::{ObservedService, SpecHash};
use crate::plan::naming::ServiceUid;

/// The Events that were emitted for each Service.
#[derive(Default)]
pub struct EventDedup(PerService<EmittedEvents>);

struct EmittedEvents {
    spec_hash: SpecHash,
    /// Whether the warnings about this spec were emitted.
    warned: bool,
    /// The fingerprint of the last failure; messages may differ between attempts (in a
    /// request id, a timestamp).
    failure: Option<String>,
}

impl EventDedup {
    fn with<T>(
        &self,
        service: &ObservedService,
        update: impl FnOnce(&mut EmittedEvents) -> T,
    ) -> T {
        let none_yet = || EmittedEvents {
            spec_hash: service.spec_hash,
            warned: false,
            failure: None,
        };
        let mut all = self.0.lock();
        let emitted = all.entry(service.view.uid.clone()).or_insert_with(none_yet);
        if emitted.spec_hash != service.spec_hash {
            *emitted = none_yet();
        }
        update(emitted)
    }

    /// Whether to emit the warnings about this spec: true once for each spec.
    pub fn mark_warned(&self, service: &ObservedService) -> bool {
        self.with(service, |emitted| {
            !std::mem::replace(&mut emitted.warned, true)
        })
    }

    /// Records the fingerprint of a failed attempt. Returns whether it differs from
    /// that of the attempt before; always true for a success.
    pub fn record_failure(&self, service: &ObservedService, failure: Option<String>) -> bool {
        self.with(service, |emitted| {
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
