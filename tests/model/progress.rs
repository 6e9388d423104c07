//! The progress of a search that takes minutes, and its duration.

use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_secs(30);

/// A search's start and its last report.
pub struct Progress {
    name: &'static str,
    started: Instant,
    reported: Instant,
}

impl Progress {
    /// The progress of the scenario of this name.
    pub fn of(name: &'static str) -> Self {
        let now = Instant::now();
        Self {
            name,
            started: now,
            reported: now,
        }
    }

    /// Prints how far the search is, at most once per interval.
    pub fn report(&mut self, states: usize, open: usize, depth: usize) {
        if self.reported.elapsed() >= INTERVAL {
            self.reported = Instant::now();
            let seconds = self.started.elapsed().as_secs();
            println!(
                "{}: {seconds} s, {states} states, {open} left at depth {depth}",
                self.name
            );
        }
    }
}

/// The processor time of this thread: more useful than elapsed time on a busy
/// machine. Zero where the kernel does not count it.
pub fn processor_time() -> Duration {
    let counted = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = counted
        .split(' ')
        .next()
        .and_then(|first| first.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_default())
}
