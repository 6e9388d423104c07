//! The two clocks that end a leadership, whichever reaches the deadline first.
//!
//! The monotonic clock (on Linux CLOCK_MONOTONIC) runs while this process is stopped
//! or starved, but stands still while the whole machine is suspended. The wall clock
//! has moved forward after a suspend, but it can be set. If it is set back, the
//! monotonic clock decides; if it is set forward, the leadership ends early, which is
//! always safe. The clocks of other machines are never compared with these.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

// The same as `std::time::Instant`, but tests can advance it.
use tokio::time::Instant;

/// Reads both clocks.
#[derive(Clone)]
pub struct Clock {
    wall: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

/// An instant by both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) monotonic: Instant,
    wall: SystemTime,
}

impl Clock {
    /// The clocks of this machine.
    pub fn system() -> Self {
        Self::with_wall(SystemTime::now)
    }

    /// The monotonic clock with another wall clock, for tests of wrong clocks.
    pub fn with_wall(wall: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self {
            wall: Arc::new(wall),
        }
    }

    /// A clock whose wall clock stands still, so that only the monotonic clock counts.
    pub(super) fn monotonic_only() -> Self {
        Self::with_wall(|| SystemTime::UNIX_EPOCH)
    }

    pub(super) fn now(&self) -> Moment {
        Moment {
            monotonic: Instant::now(),
            wall: (self.wall)(),
        }
    }

    /// Whether one of the clocks has passed the moment.
    pub(super) fn has_passed(&self, moment: Moment) -> bool {
        Instant::now() >= moment.monotonic || (self.wall)() >= moment.wall
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Clock")
    }
}

impl Moment {
    /// The moment that much later, by both clocks.
    pub(super) fn plus(self, duration: Duration) -> Self {
        Self {
            monotonic: self.monotonic + duration,
            wall: self.wall + duration,
        }
    }
}
