//! The two clocks by which a leadership ends, whichever is further on.
//!
//! The monotonic clock (on Linux CLOCK_MONOTONIC) runs on while this process is
//! stopped or starved, but stands still while the whole machine is suspended.
//! The wall clock has moved on after a suspend, but somebody may set it. Back:
//! then the monotonic clock counts. Forward: that costs a leadership, which is
//! always safe. Nobody else's clock is ever compared with these.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

// The same as `std::time::Instant`, and tests can turn it.
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
    /// The machine's.
    pub fn system() -> Self {
        Self::with_wall(SystemTime::now)
    }

    /// With another wall clock, for tests of clocks that are wrong.
    pub fn with_wall(wall: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self {
            wall: Arc::new(wall),
        }
    }

    /// By which only the monotonic clock ever comes to an end.
    pub(super) fn monotonic_only() -> Self {
        Self::with_wall(|| SystemTime::UNIX_EPOCH)
    }

    pub(super) fn now(&self) -> Moment {
        Moment {
            monotonic: Instant::now(),
            wall: (self.wall)(),
        }
    }

    /// Whether one of the clocks says so.
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
    /// That much later, by both clocks.
    pub(super) fn plus(self, duration: Duration) -> Self {
        Self {
            monotonic: self.monotonic + duration,
            wall: self.wall + duration,
        }
    }
}
