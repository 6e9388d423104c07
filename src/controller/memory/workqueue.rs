//! A shadow of kube-runtime's queue, which exposes no metrics of its own: the queued
//! and the running reconciles, for the `workqueue_*` metrics.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::per_service::PerService;
use crate::plan::naming::ServiceUid;

#[derive(Default)]
pub struct Workqueue {
    /// The time at which each Service is due; it is queued if that has passed.
    due: PerService<Instant>,
    /// The start of each running reconcile.
    running: Arc<PerService<Instant>>,
}

/// A running reconcile; dropping the value ends it.
pub struct InProgress {
    running: Arc<PerService<Instant>>,
    uid: ServiceUid,
    /// The time between due and start; `None` if no request was recorded.
    pub waited: Option<Duration>,
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.running.forget(&self.uid);
    }
}

/// A snapshot of the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueState {
    /// The number of Services that are due and not running.
    pub depth: usize,
    /// The time since the start of the oldest running reconcile.
    pub longest_running: Duration,
    /// The sum of these times over all running reconciles.
    pub unfinished: Duration,
}

impl Workqueue {
    /// Queues a Service after a delay; an earlier due time stays. Returns whether the
    /// Service was not queued.
    pub fn add(&self, uid: &ServiceUid, delay: Duration) -> bool {
        let due = Instant::now() + delay;
        let mut all = self.due.lock();
        let Some(known) = all.get_mut(uid) else {
            all.insert(uid.clone(), due);
            return true;
        };
        *known = due.min(*known);
        false
    }

    /// Records the start of a reconcile.
    pub fn begin(&self, uid: &ServiceUid) -> InProgress {
        let now = Instant::now();
        let due = self.due.lock().remove(uid);
        self.running.insert(uid, now);
        InProgress {
            running: self.running.clone(),
            uid: uid.clone(),
            waited: due.map(|due| now.saturating_duration_since(due)),
        }
    }

    pub fn state(&self) -> QueueState {
        let now = Instant::now();
        let depth = self.due.lock().values().filter(|due| **due <= now).count();
        let running = self.running.lock();
        let so_far = || running.values().map(|began| now.duration_since(*began));
        QueueState {
            depth,
            longest_running: so_far().max().unwrap_or_default(),
            unfinished: so_far().sum(),
        }
    }

    pub fn forget(&self, uid: &ServiceUid) {
        self.due.forget(uid);
    }

    pub fn retain(&self, alive: &HashSet<ServiceUid>) {
        self.due.retain(alive);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_state_shows_queued_and_running_reconciles() {
        let queue = Workqueue::default();
        let [one, two] = ["one", "two"].map(ServiceUid::new);
        assert!(queue.add(&one, Duration::ZERO));
        assert!(!queue.add(&one, Duration::ZERO), "queued already");
        assert!(queue.add(&two, Duration::from_secs(5)));
        assert_eq!(queue.state().depth, 1, "the second is not due yet");
        tokio::time::advance(Duration::from_secs(6)).await;
        assert_eq!(queue.state().depth, 2);

        let in_progress = [queue.begin(&one), queue.begin(&two)];
        let waited = in_progress.each_ref().map(|one| one.waited);
        assert_eq!(waited, [6, 1].map(|s| Some(Duration::from_secs(s))));
        tokio::time::advance(Duration::from_secs(2)).await;
        let state = QueueState {
            depth: 0,
            longest_running: Duration::from_secs(2),
            unfinished: Duration::from_secs(4),
        };
        assert_eq!(queue.state(), state);
        drop(in_progress);
        assert_eq!(queue.state(), QueueState::default());
        assert_eq!(queue.begin(&one).waited, None, "no request was recorded");
    }
}
