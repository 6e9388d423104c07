//! Ends the process when its asynchronous runtime is stuck past the deadline.
//!
//! Permits end by the clock, so a stuck process starts no write. But it would
//! stay: alive for the kubelet, useless as a standby, and free to go on with
//! whatever it is stuck in. A thread of the operating system notices even if
//! every thread of the runtime is blocked.

use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, Thread};
use std::time::Duration;

use tokio::time::Instant;

use super::leadership::Leadership;

/// What to do with a process that is stuck; it is not expected to return.
pub(super) type EndProcess = Arc<dyn Fn() + Send + Sync>;

/// How long the reason may take to be written.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Says why on standard error and exits with 1. Log lines go there too, and a
/// reader that does not read may be what the process is stuck in: then it ends
/// without a word.
pub(super) fn end_process() {
    let (said, heard) = mpsc::channel::<()>();
    let speak = move || {
        let reason =
            "leadership ended and the process did not react: the process is stuck and exits now";
        // Nobody is left to hear that nobody hears.
        let _ = writeln!(std::io::stderr(), "{reason}");
        drop(said);
    };
    if thread::Builder::new().spawn(speak).is_ok() {
        let _ = heard.recv_timeout(LAST_WORDS);
    }
    std::process::exit(1);
}

/// Guards one leadership; dropped, it lets go.
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
                    // No runtime in this thread: this is the operating system's clock.
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
        let bitten = ended.recv_timeout(LONG).expect("the watchdog bites");
        assert!(bitten >= leadership.deadline() + TICK);
    }

    #[test]
    fn lets_go_when_the_end_was_noticed() {
        let (leadership, watchdog, ended) = guarded(LONG);
        leadership.end();
        drop(watchdog);
        // The thread is gone (and its end of the channel with it), and did not bite.
        let outcome = ended.recv_timeout(LONG);
        assert_eq!(outcome, Err(RecvTimeoutError::Disconnected));
    }

    #[test]
    fn a_renewal_holds_it_back() {
        let (leadership, _watchdog, ended) = guarded(20 * TICK);
        let later = Clock::monotonic_only().now().plus(25 * TICK);
        leadership.extend(later).expect("in time");
        let bitten = ended.recv_timeout(LONG).expect("the watchdog bites");
        assert!(bitten >= later.monotonic + TICK);
    }
}
