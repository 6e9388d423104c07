//! The one write that goes wrong, and how.

use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::watch;

/// How a write goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strike {
    /// It does not arrive; the caller gets 504, which leaves the outcome open.
    Drop,
    /// It is carried out; the caller gets 504, which leaves the outcome open.
    LoseAnswer,
    /// It is carried out and never answered: the moment to kill the caller.
    Freeze,
    /// Of a finalizer patch: the Service is deleted first, for good, and the
    /// patch is answered as if it had come before. kube-apiserver v1.37.2 was
    /// seen to do so, now and then, to a patch that raced a DELETE.
    Vanish,
}

/// Counts writes, and makes one of them go wrong.
#[derive(Debug)]
pub(super) struct Strikes {
    writes: AtomicUsize,
    planned: Mutex<Option<(usize, Strike)>>,
    struck: watch::Sender<bool>,
}

impl Strikes {
    /// None goes wrong.
    pub(super) fn new() -> Self {
        Self {
            writes: AtomicUsize::new(0),
            planned: Mutex::new(None),
            struck: watch::Sender::new(false),
        }
    }

    /// The n-th write from now on (from 1) goes wrong.
    pub(super) fn plan(&self, nth: usize, strike: Strike) {
        let at = self.writes() + nth;
        *self.planned.lock() = Some((at, strike));
    }

    /// Writes so far.
    pub(super) fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    /// Counts a write; gives how it goes wrong, if it does.
    pub(super) fn count(&self) -> Option<Strike> {
        let number = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
        let planned = *self.planned.lock();
        planned
            .filter(|(at, _)| *at == number)
            .map(|(_, strike)| strike)
    }

    /// It has happened.
    pub(super) fn done(&self) {
        self.struck.send_replace(true);
    }

    /// Whether it has happened.
    pub(super) fn has_struck(&self) -> bool {
        *self.struck.borrow()
    }

    /// Completes when it has happened.
    pub(super) async fn struck(&self) {
        // The sender lives in self, so the wait cannot fail.
        let _ = self.struck.subscribe().wait_for(|struck| *struck).await;
    }
}
