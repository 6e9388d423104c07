//! Leadership as a value: its holder may write until the deadline.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::clock::{Clock, Moment};

/// Longer than any process runs, and short enough not to overflow.
const NEVER: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 30);

/// Interval at which [`Leadership::ended`] checks the wall clock. Timers run by the
/// monotonic clock, which may have stood still.
const WALL_CLOCK_INTERVAL: Duration = Duration::from_secs(1);

/// The number of a leadership: the `resourceVersion` of the write that acquired the
/// Lease. Each term is greater than all terms before it, because the API server
/// numbers all writes in one order; only a restore of etcd from a backup goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term(u64);

impl Term {
    pub(super) const fn new(resource_version: u64) -> Self {
        Self(resource_version)
    }

    /// The number, for a fencing token.
    pub const fn value(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Term {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The leadership of the term has ended; this process never gets it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("leadership of term {term} has ended")]
pub struct LeadershipLost {
    term: Term,
}

impl LeadershipLost {
    /// The term that ended.
    pub const fn term(&self) -> Term {
        self.term
    }
}

/// The present role of this replica.
#[derive(Clone, Debug)]
pub enum Role {
    /// Another replica leads, or no replica does.
    Standby,
    /// This replica may write.
    Leader(Leadership),
}

#[derive(Clone, Copy, Debug)]
struct LeaseState {
    deadline: Moment,
    /// The leadership was ended by this process, not by a clock.
    ended: bool,
}

/// The right to write during one term. The clocks alone end it, even if no task of
/// this process runs.
///
/// No clock can exclude a pause between obtaining a permit and sending the request.
/// The fencing token covers that: every write to a cloud carries the term, a newer
/// term is a greater number, and a cloud rejects a write with a smaller number than
/// it has seen.
#[derive(Clone, Debug)]
pub struct Leadership {
    term: Term,
    clock: Clock,
    state: Arc<watch::Sender<LeaseState>>,
}

impl Leadership {
    /// A leadership until the deadline, unless it is extended, by the monotonic clock
    /// only.
    pub(crate) fn until(term: Term, deadline: Instant) -> Self {
        let clock = Clock::monotonic_only();
        let now = clock.now();
        let lasts = deadline.saturating_duration_since(now.monotonic);
        Self::granted(term, now.plus(lasts), clock)
    }

    /// A leadership until the deadline, unless it is extended, by both clocks.
    pub(super) fn granted(term: Term, deadline: Moment, clock: Clock) -> Self {
        let state = watch::Sender::new(LeaseState {
            deadline,
            ended: false,
        });
        Self {
            term,
            clock,
            state: Arc::new(state),
        }
    }

    pub const fn term(&self) -> Term {
        self.term
    }

    /// Issues the permit for one write. Call it right before each write.
    ///
    /// # Errors
    /// [`LeadershipLost`] from the deadline on, or after [`end`](Self::end).
    pub fn permit(&self) -> Result<WritePermit, LeadershipLost> {
        if self.is_over() {
            return Err(LeadershipLost { term: self.term });
        }
        Ok(WritePermit {
            leadership: self.clone(),
        })
    }

    /// Completes when the leadership has ended: its deadline passed without a renewal,
    /// another holder was observed, or the Lease was released.
    pub async fn ended(&self) {
        let mut changes = self.state.subscribe();
        loop {
            let state = *changes.borrow_and_update();
            if self.is_past(&state) {
                return;
            }
            let next_check = Instant::now() + WALL_CLOCK_INTERVAL;
            tokio::select! {
                () = tokio::time::sleep_until(state.deadline.monotonic.min(next_check)) => {}
                // Never fails: we hold the sender.
                _ = changes.changed() => {}
            }
        }
    }

    /// Extends the leadership after a renewal.
    ///
    /// # Errors
    /// [`LeadershipLost`] if the leadership had ended before: a late response does not
    /// bring it back.
    pub(super) fn extend(&self, deadline: Moment) -> Result<(), LeadershipLost> {
        let extended = self.state.send_if_modified(|state| {
            if self.is_past(state) {
                return false;
            }
            // Take both clocks of the later request, not the later value of each clock:
            // if the wall clock was set back since, its old value would guard nothing.
            if deadline.monotonic > state.deadline.monotonic {
                state.deadline = deadline;
            }
            true
        });
        if extended {
            Ok(())
        } else {
            Err(LeadershipLost { term: self.term })
        }
    }

    /// Ends the leadership now, for every clone and permit.
    pub(crate) fn end(&self) {
        self.state.send_modify(|state| {
            state.deadline.monotonic = state.deadline.monotonic.min(Instant::now());
            state.ended = true;
        });
    }

    /// Whether [`end`](Self::end) was called; false if only the deadline passed.
    pub(super) fn was_ended(&self) -> bool {
        self.state.borrow().ended
    }

    /// The end of the leadership by the monotonic clock, unless it is extended.
    pub(super) fn deadline(&self) -> Instant {
        self.state.borrow().deadline.monotonic
    }

    fn is_over(&self) -> bool {
        self.is_past(&self.state.borrow())
    }

    fn is_past(&self, state: &LeaseState) -> bool {
        state.ended || self.clock.has_passed(state.deadline)
    }
}

/// The permit for one write, of the term in which it was issued. Only a
/// [`Leadership`] issues it, and the writing methods of a cloud require it.
///
/// A permit follows its leadership: a renewal during the write moves the deadline,
/// and the end of the leadership ends the permit at once.
#[derive(Debug)]
pub struct WritePermit {
    leadership: Leadership,
}

impl WritePermit {
    /// The term, for the fencing token.
    pub const fn term(&self) -> Term {
        self.leadership.term
    }

    /// The end of the leadership, unless it is renewed.
    pub fn deadline(&self) -> Instant {
        self.leadership.deadline()
    }

    /// The time until the deadline; zero after it.
    pub fn time_left(&self) -> Duration {
        self.deadline().saturating_duration_since(Instant::now())
    }

    /// Completes when the permit ends. Race a write that may outlast one renewal
    /// against this rather than give it [`time_left`](Self::time_left) as its timeout.
    pub async fn ended(&self) {
        self.leadership.ended().await;
    }
}

/// A leadership without an election (`--leader-elect=false`), which never ends. The
/// term is a current resourceVersion of kube-apiserver: it is greater after a restart
/// and comparable with the terms of an election, so that a cloud that remembers the
/// greatest term does not reject a later leader.
pub fn sole_leader(resource_version: u64) -> Leadership {
    Leadership::until(Term::new(resource_version), Instant::now() + NEVER)
}
