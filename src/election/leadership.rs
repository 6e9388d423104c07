//! Leadership as a value: who holds it may write, until its deadline.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::clock::{Clock, Moment};

/// Far enough to never come, near enough not to overflow.
const NEVER: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 30);

/// How soon whoever waits for the end notices that the wall clock has moved
/// on without the monotonic one, by which timers run.
const LOOK_AT_THE_WALL: Duration = Duration::from_secs(1);

/// Which leadership a write belongs to: the `resourceVersion` of the write that
/// acquired the Lease. Each term is greater than all before it, because the API
/// server numbers all writes in one order; only a restore of etcd from a backup
/// goes back.
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

/// The leadership of the term is over; this process never gets it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("leadership of term {term} is over")]
pub struct LeadershipLost {
    term: Term,
}

impl LeadershipLost {
    /// The term that ended.
    pub const fn term(&self) -> Term {
        self.term
    }
}

/// What a replica is at the moment.
#[derive(Clone, Debug)]
pub enum Role {
    /// Another replica leads, or none.
    Standby,
    /// This replica may write.
    Leader(Leadership),
}

#[derive(Clone, Copy, Debug)]
struct LeaseState {
    deadline: Moment,
    /// Ended by us, not by a clock.
    ended: bool,
}

/// The right to write during one term. It ends by the clocks alone, even if
/// nothing in this process runs that could notice.
///
/// What no clock can exclude is a pause between asking for a permit and sending
/// the request. What remains then is the fencing token: the term goes with
/// every write to a cloud, a newer term is a greater number, and a cloud
/// refuses what carries a smaller one than it has seen.
#[derive(Clone, Debug)]
pub struct Leadership {
    term: Term,
    clock: Clock,
    state: Arc<watch::Sender<LeaseState>>,
}

impl Leadership {
    /// A leadership that lasts until the deadline unless it is extended, by
    /// the monotonic clock only.
    pub(crate) fn until(term: Term, deadline: Instant) -> Self {
        let clock = Clock::monotonic_only();
        let now = clock.now();
        let lasts = deadline.saturating_duration_since(now.monotonic);
        Self::granted(term, now.plus(lasts), clock)
    }

    /// A leadership that lasts, by either clock, until the deadline unless it
    /// is extended.
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

    /// The term.
    pub const fn term(&self) -> Term {
        self.term
    }

    /// Leave for one write. Ask right before each.
    ///
    /// # Errors
    /// [`LeadershipLost`] from the deadline on, and once it was ended.
    pub fn permit(&self) -> Result<WritePermit, LeadershipLost> {
        if self.is_over() {
            return Err(LeadershipLost { term: self.term });
        }
        Ok(WritePermit {
            leadership: self.clone(),
        })
    }

    /// Completes when the leadership is over: its deadline passed without a
    /// renewal, or another holder was seen, or it was given back.
    pub async fn ended(&self) {
        let mut changes = self.state.subscribe();
        loop {
            let state = *changes.borrow_and_update();
            if self.is_past(&state) {
                return;
            }
            let look = Instant::now() + LOOK_AT_THE_WALL;
            tokio::select! {
                () = tokio::time::sleep_until(state.deadline.monotonic.min(look)) => {}
                // Never fails: we hold the sender.
                _ = changes.changed() => {}
            }
        }
    }

    /// A renewal succeeded.
    ///
    /// # Errors
    /// [`LeadershipLost`] when the leadership was over before: a late answer
    /// does not bring it back.
    pub(super) fn extend(&self, deadline: Moment) -> Result<(), LeadershipLost> {
        let extended = self.state.send_if_modified(|state| {
            if self.is_past(state) {
                return false;
            }
            // By the later sending. Not the later of each clock: the wall clock may
            // have been set back since, and would then guard against nothing.
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

    /// Ends it now, for all who hold a clone or a permit.
    pub(crate) fn end(&self) {
        self.state.send_modify(|state| {
            state.deadline.monotonic = state.deadline.monotonic.min(Instant::now());
            state.ended = true;
        });
    }

    /// Whether somebody said that it is over; false if only its deadline passed.
    pub(super) fn was_ended(&self) -> bool {
        self.state.borrow().ended
    }

    /// When it is over unless it is extended, by the monotonic clock.
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

/// Leave for one write, of the term that it was given in. Only a
/// [`Leadership`] gives it, and the writing half of a cloud asks for it.
///
/// It follows its leadership: a renewal while the write is under way moves the
/// deadline, and the end of the leadership ends it at once.
#[derive(Debug)]
pub struct WritePermit {
    leadership: Leadership,
}

impl WritePermit {
    /// The term, for the fencing token.
    pub const fn term(&self) -> Term {
        self.leadership.term
    }

    /// When the leadership is over unless it is renewed.
    pub fn deadline(&self) -> Instant {
        self.leadership.deadline()
    }

    /// How long until the deadline; zero when it is over.
    pub fn time_left(&self) -> Duration {
        self.deadline().saturating_duration_since(Instant::now())
    }

    /// Completes when the permit ends. A write that may outlast one renewal is
    /// raced against this rather than given [`time_left`](Self::time_left) as
    /// its timeout.
    pub async fn ended(&self) {
        self.leadership.ended().await;
    }
}

/// Leadership without an election (`--leader-elect=false`): never ends. The
/// term is a resourceVersion that kube-apiserver just showed: greater after a
/// restart, and on one line with the terms of an election, so that a cloud that
/// keeps the highest does not refuse whoever comes after.
pub fn sole_leader(resource_version: u64) -> Leadership {
    Leadership::until(Term::new(resource_version), Instant::now() + NEVER)
}
