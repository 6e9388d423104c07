//! The queue of Services to reconcile, in place of kube-runtime's `Controller`.
//!
//! Keys wait here, not futures: a Service costs a key until there is room for its
//! reconcile. As in client-go's workqueue, one key runs once at a time, additions of
//! a key that waits are merged, and a key that is added while it runs runs again.
//! Beyond that:
//!
//! - Two priorities: a reconcile for which a user waits comes first
//!   ([`crate::priority`]), and namespaces take turns ([`lane`]).
//! - Admission by cloud ([`places`]): a reconcile that is about to call a cloud needs
//!   a place there. If none is free, it ends, and its key waits in the lane of its
//!   clouds. A cloud that hangs thus delays the Services of no other cloud.

mod lane;
mod places;
mod queue;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::plan::naming::{CloudName, ServiceKey};
use crate::priority::Priority;
use crate::telemetry::Metrics;
pub use places::CloudSet;
use queue::{Kept, Queue, Start};

/// A Service in the queue.
type Key = Arc<ServiceKey>;

/// The queue of the Services to reconcile.
pub struct Workqueue {
    queue: Mutex<Queue>,
    changed: Notify,
    metrics: Arc<Metrics>,
}

/// The places that a reconcile needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The clouds that it will call.
    pub clouds: CloudSet,
    pub priority: Priority,
    /// Whether the first list of these clouds may make the calls unnecessary.
    pub after_list: bool,
}

/// A snapshot of the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueState {
    /// The number of Services that are due and not running.
    pub depth: usize,
    /// The number of running reconciles.
    pub running: usize,
    /// The time since the start of the oldest running reconcile.
    pub longest_running: Duration,
    /// The sum of these times over all running reconciles.
    pub unfinished: Duration,
}

/// What follows a reconcile.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// Nothing before a change.
    Done,
    /// Another reconcile after a delay.
    After(Duration),
    /// Another reconcile with these places.
    Park(Need),
}

/// A running reconcile of one Service. Dropping the value ends it.
pub struct Work {
    queue: Arc<Workqueue>,
    key: Key,
    /// Whether the Service has waited so long for a place that its condition should
    /// say so.
    pub explains_wait: bool,
    next: Next,
}

impl Workqueue {
    /// A queue for clouds with this many calls in flight.
    pub fn new(
        concurrency: impl IntoIterator<Item = (CloudName, usize)>,
        metrics: Arc<Metrics>,
    ) -> Arc<Self> {
        Arc::new(Self {
            queue: Mutex::new(Queue::new(concurrency)),
            changed: Notify::new(),
            metrics,
        })
    }

    /// Adds a Service.
    pub fn add(&self, service: &ServiceKey, priority: Priority) {
        let key = Arc::new(service.clone());
        if self.queue.lock().add(&key, priority, Instant::now()) {
            self.metrics.workqueue.added();
        }
        self.changed.notify_one();
    }

    /// Removes a deleted Service.
    pub fn remove(&self, service: &ServiceKey) {
        self.queue.lock().remove(service);
    }

    /// Records that the first list of a cloud has ended, successfully or not, or has
    /// lasted too long to be waited for.
    pub fn mark_listed(&self, cloud: &CloudName) {
        self.queue.lock().mark_listed(cloud);
        self.changed.notify_one();
    }

    /// Whether the first lists of these clouds have ended.
    pub fn are_listed(&self, clouds: &CloudSet) -> bool {
        self.queue.lock().are_listed(clouds)
    }

    /// Waits for the next Service that may run. Only one task may call this.
    pub async fn next(self: &Arc<Self>) -> Work {
        loop {
            let changed = self.changed.notified();
            let (start, timer) = {
                let mut queue = self.queue.lock();
                (queue.next(Instant::now()), queue.next_timer())
            };
            if let Some(start) = start {
                return self.work(start);
            }
            match timer {
                None => changed.await,
                Some(at) => {
                    tokio::select! {
                        () = changed => {}
                        () = sleep_until(at) => {}
                    }
                }
            }
        }
    }

    pub fn state(&self) -> QueueState {
        self.queue.lock().state(Instant::now())
    }

    /// The number of Services that wait for a place at a cloud.
    pub fn waiting_for(&self, cloud: &CloudName) -> usize {
        self.queue.lock().waiting_for(cloud)
    }

    fn work(self: &Arc<Self>, start: Start) -> Work {
        self.metrics.workqueue.began(start.waited);
        Work {
            queue: self.clone(),
            key: start.key,
            explains_wait: start.explains,
            next: Next::Done,
        }
    }
}

impl Work {
    pub fn key(&self) -> &ServiceKey {
        &self.key
    }

    /// Whether the Service has been added again since the reconcile began.
    pub fn is_again(&self) -> bool {
        self.queue.queue.lock().is_again(&self.key)
    }

    /// Takes the places; false if the reconcile has to end and wait for them.
    pub fn admit(&self, need: &Need) -> bool {
        let is_admitted = self.queue.queue.lock().admit(&self.key, need);
        if is_admitted {
            // It no longer counts among the reconciles without a place.
            self.queue.changed.notify_one();
        }
        is_admitted
    }

    /// Takes the places at those clouds that have one free, if the Service has waited so long
    /// that it should no longer wait for all of them. Returns these clouds.
    pub fn admit_to_some(&self, need: &Need) -> Option<CloudSet> {
        if !self.explains_wait {
            return None;
        }
        let some = self.queue.queue.lock().admit_to_some(&self.key, need);
        if some.is_some() {
            self.queue.changed.notify_one();
        }
        some
    }

    /// Keeps the places at these clouds beyond the end of the reconcile. Call it once.
    pub fn keep_places(&self, clouds: &CloudSet, kept: &KeptPlaces) {
        let places = self.queue.queue.lock().keep(&self.key, clouds);
        let places = places.into_iter().flat_map(Kept::of_each_cloud);
        kept.0.lock().extend(places.map(|(cloud, kept)| {
            let queue = self.queue.clone();
            (cloud, KeptPlace { queue, kept })
        }));
    }

    /// Ends the reconcile; another one follows after the delay.
    pub fn requeue_after(mut self, delay: Duration) {
        self.next = Next::After(delay);
    }

    /// Ends the reconcile; another one follows when it has its places.
    pub fn park(mut self, need: Need) {
        self.next = Next::Park(need);
    }
}

/// Places at clouds for calls that a reconcile has left behind. Dropping the value returns
/// them.
#[derive(Default)]
pub struct KeptPlaces(Mutex<BTreeMap<CloudName, KeptPlace>>);

impl KeptPlaces {
    /// Returns the place at a cloud, whose call has ended.
    pub fn give_back(&self, cloud: &CloudName) {
        let place = self.0.lock().remove(cloud);
        drop(place);
    }
}

/// The place at one cloud.
struct KeptPlace {
    queue: Arc<Workqueue>,
    kept: Kept,
}

impl Drop for KeptPlace {
    fn drop(&mut self) {
        self.queue.queue.lock().return_kept(&self.kept);
        self.queue.changed.notify_one();
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let next = std::mem::replace(&mut self.next, Next::Done);
        let mut queue = self.queue.queue.lock();
        queue.finish(&self.key, next, Instant::now());
        drop(queue);
        self.queue.changed.notify_one();
    }
}

#[cfg(test)]
mod tests;
