//! Events that are never shown.

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Service;
use kube::api::WatchEvent;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::eventually::SOON;

type Like = Box<dyn Fn(&WatchEvent<Service>) -> bool + Send + Sync>;

/// Events that are never shown.
#[derive(Default)]
pub(super) struct Missed {
    like: Mutex<Vec<Like>>,
    count: watch::Sender<usize>,
}

impl Missed {
    pub(super) fn add(&self, like: impl Fn(&WatchEvent<Service>) -> bool + Send + Sync + 'static) {
        self.like.lock().push(Box::new(like));
    }

    pub(super) fn clear(&self) {
        self.like.lock().clear();
    }

    /// Whether this one is not to be shown; counts it then.
    pub(super) fn takes(&self, line: &[u8]) -> bool {
        let likes = self.like.lock();
        if likes.is_empty() {
            return false;
        }
        let taken =
            serde_json::from_slice(line).is_ok_and(|event| likes.iter().any(|like| like(&event)));
        if taken {
            self.count.send_modify(|count| *count += 1);
        }
        taken
    }

    pub(super) async fn reach(&self, wanted: usize) -> Result<()> {
        let mut count = self.count.subscribe();
        let reached = timeout(SOON, count.wait_for(|count| *count >= wanted)).await;
        reached.with_context(|| {
            let count = *self.count.borrow();
            format!("waited {SOON:?} for {wanted} events that are not shown; {count} came")
        })??;
        Ok(())
    }
}
