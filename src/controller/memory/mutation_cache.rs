//! Our own writes that the watch has not shown yet: client-go's `MutationCache`.
//!
//! Without it, a reconcile that starts before the watch catches up would plan from
//! an outdated state: with a needless call to a cloud and a write that conflicts.

use std::collections::HashSet;
use std::sync::Arc;

use kube::ResourceExt;

use super::per_service::PerService;
use crate::kubernetes::service_object::Service;
use crate::plan::naming::ServiceUid;

/// The newest state of each Service in a response of the API server.
#[derive(Default)]
pub struct MutationCache(PerService<Recorded>);

struct Recorded {
    object: Arc<Service>,
    /// Whether it answered a write of ours; else a read.
    is_written: bool,
}

impl MutationCache {
    /// Records the answer to a write.
    pub fn record_written(&self, uid: &ServiceUid, response: Arc<Service>) {
        self.record(uid, response, true);
    }

    /// Records the answer to a live read.
    pub fn record_read(&self, uid: &ServiceUid, live: Arc<Service>) {
        let mut is_written = false;
        if let Some(known) = self.0.lock().get(uid) {
            is_written = known.is_written && version(&known.object) == version(&live);
        }
        self.record(uid, live, is_written);
    }

    /// Records a response, unless it shows the end of the Service: the watch may have
    /// shown the deletion already, and nothing would drop the entry.
    fn record(&self, uid: &ServiceUid, object: Arc<Service>, is_written: bool) {
        if object.metadata.deletion_timestamp.is_some() && object.finalizers().is_empty() {
            self.0.forget(uid);
        } else {
            self.0.insert(uid, Recorded { object, is_written });
        }
    }

    /// The newer of the watched and the recorded state.
    pub fn newest(&self, uid: &ServiceUid, watched: Arc<Service>) -> Arc<Service> {
        let mut recorded = self.0.lock();
        match recorded.get(uid) {
            Some(known) if version(&known.object) > version(&watched) => known.object.clone(),
            Some(_) => {
                recorded.remove(uid);
                watched
            }
            None => watched,
        }
    }

    /// Whether a state in the watch is our last write, or older; then the attempt that
    /// wrote has acted on it already. A live read may show the edit of a user, on which
    /// its attempt has not acted. Drops the response that the watch has shown.
    pub fn has_seen(&self, watched: &Service) -> bool {
        let Some(uid) = watched.metadata.uid.as_deref().map(ServiceUid::new) else {
            return false;
        };
        let mut recorded = self.0.lock();
        let Some(known) = recorded.get(&uid) else {
            return false;
        };
        let (ours, shown) = (version(&known.object), version(watched));
        let is_ours = known.is_written && ours > 0;
        if shown >= ours {
            recorded.remove(&uid);
        }
        is_ours && shown <= ours
    }

    /// Forgets everything, because versions of earlier responses do not compare with those
    /// of later ones any more.
    pub fn clear(&self) {
        self.0.retain(&HashSet::new());
    }

    pub fn forget(&self, uid: &ServiceUid) {
        self.0.forget(uid);
    }

    pub fn retain(&self, alive: &HashSet<ServiceUid>) {
        self.0.retain(alive);
    }
}

/// The resourceVersion as a number: those of one resource can be compared (KEP-5504).
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
        cache.record_written(&uid, at("100"));
        let newest = |watched| cache.newest(&uid, at(watched)).resource_version();
        assert_eq!(
            newest("99").as_deref(),
            Some("100"),
            "99 is older though it sorts later as text"
        );
        assert_eq!(newest("101").as_deref(), Some("101"));
        assert_eq!(
            newest("99").as_deref(),
            Some("99"),
            "an outdated entry is dropped"
        );
    }

    #[test]
    fn the_watch_shows_nothing_new_until_it_is_past_our_write() {
        let uid = ServiceUid::new("u");
        let cache = MutationCache::default();
        let shown = |version: &str| {
            let mut service = Service::clone(&at(version));
            service.metadata.uid = Some("u".into());
            cache.has_seen(&service)
        };
        assert!(!shown("98"), "we have written nothing");
        cache.record_written(&uid, at("100"));
        assert!(shown("99"), "our write was based on it");
        assert!(shown("100"), "our own write");
        assert!(!shown("100"), "and the entry is dropped");
        cache.record_written(&uid, at("100"));
        assert!(!shown("101"), "another writer's");
        assert!(cache.0.lock().is_empty());
        cache.record_read(&uid, at("100"));
        assert!(!shown("100"), "a user's edit that a live read has shown");
        cache.record_written(&uid, at("100"));
        cache.record_read(&uid, at("100"));
        assert!(shown("100"), "our own write that was read again");
    }

    #[test]
    fn the_last_response_about_a_service_is_not_kept() {
        let uid = ServiceUid::new("u");
        let cache = MutationCache::default();
        cache.record_written(&uid, at("100"));
        let mut last = Service::clone(&at("101"));
        last.metadata.deletion_timestamp = Some(Time(Timestamp::now()));
        cache.record_written(&uid, last.into());
        assert!(cache.0.lock().is_empty());
    }
}
