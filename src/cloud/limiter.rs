//! Limits the calls to one cloud: slots, cooldown and rate limit.
//!
//! A call first gets a slot (`concurrency` limits the calls in flight), then waits for
//! the end of a cooldown that the cloud requested, then for its start under the rate
//! limit. Calls for which a user waits get their slots first; within a priority, calls
//! are served in the order of their arrival.

use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::priority::{Priority, PriorityPermit, PrioritySemaphore};

/// The limits of one cloud.
#[derive(Debug)]
pub(super) struct Limiter {
    slots: PrioritySemaphore,
    /// Time between the starts of two calls; `None` without a rate limit.
    spacing: Option<Duration>,
    schedule: Mutex<Schedule>,
}

#[derive(Debug)]
struct Schedule {
    /// End of the cooldown that the cloud requested.
    resume: Instant,
    /// The next start that no call has reserved.
    next_start: Instant,
}

/// The reason why a call cannot start within its `patience`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Too many calls are ahead.
    Busy,
    /// The cloud is in a cooldown, with this remaining time.
    Paused(Duration),
}

impl Limiter {
    pub(super) fn new(concurrency: usize, requests_per_second: u32) -> Self {
        let now = Instant::now();
        Self {
            slots: PrioritySemaphore::new(concurrency.max(1)),
            spacing: Duration::from_secs(1).checked_div(requests_per_second),
            schedule: Mutex::new(Schedule {
                resume: now,
                next_start: now,
            }),
        }
    }

    /// Waits, for at most `patience`, until a call may start, and returns its slot.
    /// Fails at once if that cannot happen in time.
    pub(super) async fn admit(
        &self,
        priority: Priority,
        patience: Duration,
    ) -> Result<PriorityPermit, Refusal> {
        let give_up = Instant::now() + patience;
        self.check_cooldown(give_up)?;
        let slot = timeout_at(give_up, self.slots.acquire(priority));
        let slot = slot.await.map_err(|_| Refusal::Busy)?;
        let mut reserved = None;
        while let Some(start) = self.not_before(&mut reserved, give_up)? {
            sleep_until(start).await;
        }
        Ok(slot)
    }

    /// Starts no call for this long, or until a longer cooldown ends.
    pub(super) fn cool_down(&self, length: Duration) {
        let now = Instant::now();
        let mut schedule = self.schedule();
        // Limited, because the clock cannot represent every length.
        let resume = now.checked_add(length).unwrap_or(now + CENTURY);
        schedule.resume = schedule.resume.max(resume);
    }

    fn check_cooldown(&self, give_up: Instant) -> Result<(), Refusal> {
        let resume = self.schedule().resume;
        if resume > give_up {
            return Err(Refusal::Paused(resume - Instant::now()));
        }
        Ok(())
    }

    /// The instant of the next check; `None` if the call may start now.
    fn not_before(
        &self,
        reserved: &mut Option<Instant>,
        give_up: Instant,
    ) -> Result<Option<Instant>, Refusal> {
        self.check_cooldown(give_up)?;
        let now = Instant::now();
        let mut schedule = self.schedule();
        if schedule.resume > now {
            // A reserved start inside a cooldown is void: otherwise all of them would
            // start together when it ends.
            *reserved = None;
            return Ok(Some(schedule.resume));
        }
        let start = match (*reserved, self.spacing) {
            (_, None) => now,
            (Some(start), Some(_)) => start,
            (None, Some(spacing)) => {
                let next = schedule.next_start.max(now);
                if next > give_up {
                    return Err(Refusal::Busy);
                }
                schedule.next_start = next + spacing;
                *reserved = Some(next);
                next
            }
        };
        Ok((start > now).then_some(start))
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock()
    }
}

const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);

#[cfg(test)]
mod tests;
