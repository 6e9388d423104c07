//! What has been said of each Service, so that it is not said again.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::observe::ObservedService;
use super::retry::SpecHash;
use crate::plan::naming::ServiceUid;

/// What has been said of a Service, so that it is not said again.
#[derive(Default)]
pub struct EventDedup(Mutex<HashMap<ServiceUid, EmittedEvents>>);

struct EmittedEvents {
    /// For this state of it.
    input: SpecHash,
    /// Whether what is wrong and yet stops nothing has been spoken of.
    mistakes: bool,
    /// The failure that was spoken of last, without the words that may differ
    /// from one attempt to the next (a request's id, a time).
    failure: Option<String>,
}

impl EventDedup {
    fn of<T>(&self, service: &ObservedService, use_it: impl FnOnce(&mut EmittedEvents) -> T) -> T {
        let nothing = || EmittedEvents {
            input: service.spec_hash,
            mistakes: false,
            failure: None,
        };
        let mut spoken = self.lock();
        let entry = spoken
            .entry(service.view.uid.clone())
            .or_insert_with(nothing);
        if entry.input != service.spec_hash {
            *entry = nothing();
        }
        use_it(entry)
    }

    /// Whether mistakes are spoken of for the first time.
    pub fn mistakes_are_new(&self, service: &ObservedService) -> bool {
        self.of(service, |spoken| {
            !std::mem::replace(&mut spoken.mistakes, true)
        })
    }

    /// Whether the failure is another than the last one.
    pub fn failure_is_new(&self, service: &ObservedService, failure: Option<String>) -> bool {
        self.of(service, |spoken| {
            let is_new = failure.is_none() || spoken.failure != failure;
            spoken.failure = failure;
            is_new
        })
    }

    /// Drops what is remembered of all Services but these.
    pub fn keep(&self, alive: &HashSet<ServiceUid>) {
        self.lock().retain(|uid, _| alive.contains(uid));
    }

    /// Drops what is remembered of a Service.
    pub fn forget(&self, uid: &ServiceUid) {
        self.lock().remove(uid);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ServiceUid, EmittedEvents>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
