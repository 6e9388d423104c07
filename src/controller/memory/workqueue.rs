//! What waits to be reconciled and what is under way. kube-runtime does not
//! show its own queue, so this one follows it for the `workqueue_*` metrics.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::per_service::PerService;
use crate::plan::naming::ServiceUid;

/// A shadow of the queue of Services.
#[derive(Default)]
pub struct Workqueue {
    /// When each Service is due; in the past: it waits.
    due: PerService<Instant>,
    /// When each reconcile under way began.
    running: Arc<PerService<Instant>>,
}

/// A reconcile under way; it is over when this is dropped.
pub struct InProgress {
    running: Arc<PerService<Instant>>,
    uid: ServiceUid,
    /// How long it was due before it began; `None` if nothing asked for it.
    pub waited: Option<Duration>,
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.running.forget(&self.uid);
    }
}

/// The queue at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueState {
    /// Services that are due and not under way.
    pub depth: usize,
    /// The longest time that a reconcile under way has taken so far.
    pub longest_running: Duration,
    /// The sum of these times.
    pub unfinished: Duration,
}

impl Workqueue {
    /// Adds a Service after a delay. A sooner time that it has stays; whether it
    /// had none.
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

    /// The reconcile of a Service begins.
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

    /// The queue now.
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
    async fn it_shows_what_waits_and_what_is_under_way() {
        let queue = Workqueue::default();
        let [one, two] = ["one", "two"].map(ServiceUid::new);
        assert!(queue.add(&one, Duration::ZERO));
        assert!(!queue.add(&one, Duration::ZERO), "the same once more");
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
        assert_eq!(queue.begin(&one).waited, None, "nothing asked for it");
    }
}
