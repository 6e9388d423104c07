//! Ends the process when its asynchronous runtime is stuck past the deadline.
//!
//! Permits end by the clock, so a stuck process starts no write. But the process
//! would stay: alive for the kubelet, useless as a standby, and free to continue the
//! operation in which it is stuck. The watchdog is a thread of the operating system,
//! so it works even if every thread of the runtime is blocked.

use std::sync::Arc;
use std::thread::{self, Thread};
use std::time::Duration;

use tokio::time::Instant;

use super::leadership::Leadership;
use crate::telemetry::logs;

/// Ends a stuck process; it is not expected to return.
pub(super) type EndProcess = Arc<dyn Fn() + Send + Sync>;

/// Writes the reason to standard error and exits with 1. If nobody reads standard error, it
/// exits all the same.
pub(super) fn end_process() {
    logs::last_words(
        "leadership ended and the process did not react: the process is stuck and exits now",
    );
    std::process::exit(1);
}

/// Guards one leadership until it is dropped.
pub(super) struct Watchdog {
    thread: Thread,
}

impl Watchdog {
    /// Calls `end` unless the leadership is extended or marked as ended within
    /// `grace` after its deadline.
    pub(super) fn guard(
        leadership: Leadership,
        grace: Duration,
        end: EndProcess,
    ) -> std::io::Result<Self> {
        let handle = thread::Builder::new()
            .name("lease-watchdog".to_owned())
            .spawn(move || {
                while !leadership.was_ended() {
                    // This thread has no runtime, so `Instant` is the operating system's clock.
                    let left =
                        (leadership.deadline() + grace).saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        end();
                        return;
                    }
                    thread::park_timeout(left);
                }
            })?;
        Ok(Self {
            thread: handle.thread().clone(),
        })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.thread.unpark();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

    use super::*;
    use crate::election::clock::Clock;
    use crate::election::leadership::Term;

    const TICK: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_secs(10);

    fn guarded(lasts: Duration) -> (Leadership, Watchdog, Receiver<Instant>) {
        let clock = Clock::monotonic_only();
        let deadline = clock.now().plus(lasts);
        let leadership = Leadership::granted(Term::new(1), deadline, clock);
        let (sender, ended) = channel();
        let end: EndProcess = Arc::new(move || {
            let _ = sender.send(Instant::now());
        });
        let watchdog = Watchdog::guard(leadership.clone(), TICK, end).expect("a thread");
        (leadership, watchdog, ended)
    }

    #[test]
    fn bites_after_deadline_and_grace() {
        let (leadership, _watchdog, ended) = guarded(TICK);
        let at = ended
            .recv_timeout(LONG)
            .expect("the watchdog ends the process");
        assert!(at >= leadership.deadline() + TICK);
    }

    #[test]
    fn does_nothing_when_the_leadership_was_ended() {
        let (leadership, watchdog, ended) = guarded(LONG);
        leadership.end();
        drop(watchdog);
        // The thread has ended, and its end of the channel with it, without a call of `end`.
        let outcome = ended.recv_timeout(LONG);
        assert_eq!(outcome, Err(RecvTimeoutError::Disconnected));
    }

    #[test]
    fn a_renewal_postpones_the_end() {
        let (leadership, _watchdog, ended) = guarded(20 * TICK);
        let later = Clock::monotonic_only().now().plus(25 * TICK);
        leadership.extend(later).expect("in time");
        let at = ended
            .recv_timeout(LONG)
            .expect("the watchdog ends the process");
        assert!(at >= later.monotonic + TICK);
    }
}
