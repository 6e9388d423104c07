//! Our own writes that the watch has not shown yet.
//!
//! A reconcile that starts before the watch caught up would plan from a state
//! that we ourselves have left behind: a needless call to a cloud and a write
//! that conflicts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;

use crate::plan::naming::ServiceUid;

/// The newest state of a Service that an answer to us showed.
#[derive(Default)]
pub struct OwnWrites(Mutex<HashMap<ServiceUid, Arc<Service>>>);

impl OwnWrites {
    /// Remembers an answer.
    pub fn remember(&self, uid: &ServiceUid, answer: Arc<Service>) {
        self.lock().insert(uid.clone(), answer);
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
    use super::*;

    fn at(version: &str) -> Arc<Service> {
        let mut service = Service::default();
        service.metadata.resource_version = Some(version.into());
        Arc::new(service)
    }

    #[test]
    fn our_write_counts_until_the_watch_shows_it_or_something_newer() {
        let uid = ServiceUid::new("u");
        let writes = OwnWrites::default();
        writes.remember(&uid, at("100"));
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
}
