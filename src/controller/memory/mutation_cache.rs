//! Our own writes that the watch has not shown yet: client-go's `MutationCache`.
//!
//! A reconcile that starts before the watch caught up would plan from a state
//! that this replica itself has left behind: a needless call to a cloud and a
//! write that conflicts.

use std::collections::HashSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;

use super::per_service::PerService;
use crate::plan::naming::ServiceUid;

/// The newest state of each Service that an answer to this replica showed.
#[derive(Default)]
pub struct MutationCache(PerService<Arc<Service>>);

impl MutationCache {
    /// Records an answer, unless it is the last one about the Service: the watch
    /// may have shown the deletion already.
    pub fn record(&self, uid: &ServiceUid, answer: Arc<Service>) {
        if answer.metadata.deletion_timestamp.is_some() && answer.finalizers().is_empty() {
            self.0.forget(uid);
        } else {
            self.0.insert(uid, answer);
        }
    }

    /// The newer of the watched state and the last answer.
    pub fn newest(&self, uid: &ServiceUid, watched: Arc<Service>) -> Arc<Service> {
        let mut answers = self.0.lock();
        match answers.get(uid) {
            Some(answer) if version(answer) > version(&watched) => answer.clone(),
            Some(_) => {
                answers.remove(uid);
                watched
            }
            None => watched,
        }
    }

    pub fn forget(&self, uid: &ServiceUid) {
        self.0.forget(uid);
    }

    pub fn retain(&self, alive: &HashSet<ServiceUid>) {
        self.0.retain(alive);
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
        let cache = MutationCache::default();
        cache.record(&uid, at("100"));
        let seen = |watched| cache.newest(&uid, at(watched)).resource_version();
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
        let cache = MutationCache::default();
        cache.record(&uid, at("100"));
        let mut last = Service::clone(&at("101"));
        last.metadata.deletion_timestamp = Some(Time(Timestamp::now()));
        cache.record(&uid, last.into());
        assert!(cache.0.lock().is_empty());
    }
}
