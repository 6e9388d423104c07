//! A sign of life of a search that takes minutes, and how long it took.

use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_secs(30);

/// When the search began and last spoke.
pub struct Progress {
    name: &'static str,
    started: Instant,
    spoke: Instant,
}

impl Progress {
    /// Of the story of this name.
    pub fn of(name: &'static str) -> Self {
        let now = Instant::now();
        Self {
            name,
            started: now,
            spoke: now,
        }
    }

    /// Says how far the search is, if it has been silent for long.
    pub fn tell(&mut self, states: usize, open: usize, depth: usize) {
        if self.spoke.elapsed() >= INTERVAL {
            self.spoke = Instant::now();
            let seconds = self.started.elapsed().as_secs();
            println!(
                "{}: {seconds} s, {states} states so far, depth {depth}, {open} of it to look at",
                self.name
            );
        }
    }
}

/// How long this thread has had a processor: on a busy machine that tells more
/// than the time that passed. Zero where nobody counts it.
pub fn processor_time() -> Duration {
    let counted = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = counted
        .split(' ')
        .next()
        .and_then(|first| first.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_default())
}
