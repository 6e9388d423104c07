//! Limits the calls to one cloud: slots, cooldown and rate limit.
//!
//! A call first gets a slot (`concurrency` limits the calls in flight), then waits for
//! the end of a cooldown that the cloud requested, then for its start under the rate
//! limit. All calls are served in the order of their arrival.

use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::Priority;

/// The limits of one cloud.
#[derive(Debug)]
pub(super) struct Limiter {
    slots: Semaphore,
    /// The slots that background calls may take. They queue here, so that at most this
    /// many of them are ever ahead of a user's call.
    background: Semaphore,
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

/// A slot for a call in flight, released when dropped.
#[derive(Debug)]
pub(super) struct Slot<'a> {
    _slot: SemaphorePermit<'a>,
    _background: Option<SemaphorePermit<'a>>,
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
        let concurrency = concurrency.clamp(1, Semaphore::MAX_PERMITS);
        let now = Instant::now();
        Self {
            slots: Semaphore::new(concurrency),
            background: Semaphore::new((concurrency / 2).max(1)),
            spacing: Duration::from_secs(1).checked_div(requests_per_second),
            schedule: Mutex::new(Schedule {
                resume: now,
                next_start: now,
            }),
        }
    }

    /// Waits, for at most `patience`, until a call may start. Fails at once if that
    /// cannot happen in time.
    pub(super) async fn admit(
        &self,
        priority: Priority,
        patience: Duration,
    ) -> Result<Slot<'_>, Refusal> {
        let give_up = Instant::now() + patience;
        self.check_cooldown(give_up)?;
        let slot = timeout_at(give_up, self.slot(priority))
            .await
            .unwrap_or(Err(Refusal::Busy))?;
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

    async fn slot(&self, priority: Priority) -> Result<Slot<'_>, Refusal> {
        // The semaphores are never closed.
        let background = match priority {
            Priority::User => None,
            Priority::Background => {
                Some(self.background.acquire().await.map_err(|_| Refusal::Busy)?)
            }
        };
        Ok(Slot {
            _slot: self.slots.acquire().await.map_err(|_| Refusal::Busy)?,
            _background: background,
        })
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
