//! Our own writes that the watch has not shown yet.
//!
//! A reconcile that starts before the watch caught up would plan from a state
//! that we ourselves have left behind: a needless call to a cloud and a write
//! that conflicts.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;

use crate::plan::naming::ServiceUid;

/// The newest state of a Service that an answer to us showed.
#[derive(Default)]
pub struct MutationCache(Mutex<HashMap<ServiceUid, Arc<Service>>>);

impl MutationCache {
    /// Remembers an answer, unless it is the Service's last: the watch may have
    /// shown the end of it before.
    pub fn record(&self, uid: &ServiceUid, answer: Arc<Service>) {
        if answer.metadata.deletion_timestamp.is_some() && answer.finalizers().is_empty() {
            self.forget(uid);
        } else {
            self.lock().insert(uid.clone(), answer);
        }
    }

    /// The newer of the watch's state and the last answer.
    pub fn newest(&self, uid: &ServiceUid, watched: Arc<Service>) -> Arc<Service> {
        let mut answers = self.lock();
        match answers.get(uid) {
            Some(answer) if version(answer) > version(&watched) => answer.clone(),
            Some(_) => {
                answers.remove(uid);
                watched
            }
            None => watched,
        }
    }

    /// Drops what is remembered of all Services but these.
    pub fn keep(&self, alive: &HashSet<ServiceUid>) {
        self.lock().retain(|uid, _| alive.contains(uid));
    }

    /// Drops what is remembered.
    pub fn forget(&self, uid: &ServiceUid) {
        self.lock().remove(uid);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ServiceUid, Arc<Service>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// resourceVersions of one resource are numbers that grow (KEP-5504).
fn version(service: &Service) -> u64 {
    let version = service.resource_version();
    version
        .and_then(|version| version.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    fn at(version: &str) -> Arc<Service> {
        let mut service = Service::default();
        service.metadata.resource_version = Some(version.into());
        Arc::new(service)
    }

    #[test]
    fn our_write_counts_until_the_watch_shows_it_or_something_newer() {
        let uid = ServiceUid::new("u");
        let writes = MutationCache::default();
        writes.record(&uid, at("100"));
        let seen = |watched| writes.newest(&uid, at(watched)).resource_version();
        assert_eq!(
            seen("99").as_deref(),
            Some("100"),
            "99 is older though it sorts later as text"
        );
        assert_eq!(seen("101").as_deref(), Some("101"));
        assert_eq!(
            seen("99").as_deref(),
            Some("99"),
            "what was overtaken is dropped"
        );
    }

    #[test]
    fn the_last_answer_of_a_service_is_not_kept_for_ever() {
        let uid = ServiceUid::new("u");
        let writes = MutationCache::default();
        writes.record(&uid, at("100"));
        let mut last = Service::clone(&at("101"));
        last.metadata.deletion_timestamp = Some(Time(Timestamp::now()));
        writes.record(&uid, last.into());
        assert!(writes.lock().is_empty());
    }
}
