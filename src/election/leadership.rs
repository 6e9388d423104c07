//! Leadership as a value: who holds it may write, until its deadline.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
// The monotonic clock (the same as `std::time::Instant`, and tests can turn it).
//
// On Linux it is CLOCK_MONOTONIC: it runs on while this process is stopped or
// starved, but stands still while the whole machine is suspended. After a
// suspend a leader may thus believe in a term that another replica has taken
// over. No lease can exclude that: a pause between asking for a permit and
// sending the request has the same effect. What remains is the fencing token:
// the term goes with every write to a cloud, a newer term is a greater number,
// and a cloud refuses what carries a smaller one than it has seen.
use tokio::time::Instant;

/// Far enough to never come, near enough not to overflow.
const NEVER: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 30);

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
struct Tenure {
    deadline: Instant,
    /// Ended by us, not by the clock.
    ended: bool,
}

impl Tenure {
    fn is_over(&self) -> bool {
        self.ended || Instant::now() >= self.deadline
    }
}

/// The right to write during one term. It ends by the clock alone, even if
/// nothing in this process runs that could notice.
#[derive(Clone, Debug)]
pub struct Leadership {
    term: Term,
    tenure: Arc<watch::Sender<Tenure>>,
}

impl Leadership {
    /// A leadership that lasts until the deadline unless it is extended.
    pub(crate) fn until(term: Term, deadline: Instant) -> Self {
        let tenure = watch::Sender::new(Tenure {
            deadline,
            ended: false,
        });
        Self {
            term,
            tenure: Arc::new(tenure),
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
        let mut changes = self.tenure.subscribe();
        loop {
            let tenure = *changes.borrow_and_update();
            if tenure.is_over() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep_until(tenure.deadline) => {}
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
    pub(super) fn extend(&self, deadline: Instant) -> Result<(), LeadershipLost> {
        let extended = self.tenure.send_if_modified(|tenure| {
            if tenure.is_over() {
                return false;
            }
            tenure.deadline = tenure.deadline.max(deadline);
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
        self.tenure.send_modify(|tenure| {
            tenure.deadline = tenure.deadline.min(Instant::now());
            tenure.ended = true;
        });
    }

    /// Whether somebody said that it is over; false if only its deadline passed.
    pub(super) fn was_ended(&self) -> bool {
        self.tenure.borrow().ended
    }

    /// When it is over unless it is extended.
    pub(super) fn deadline(&self) -> Instant {
        self.tenure.borrow().deadline
    }

    fn is_over(&self) -> bool {
        self.tenure.borrow().is_over()
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
