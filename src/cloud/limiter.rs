//! When a call may start: places, pauses and turns of one cloud.
//!
//! A call first gets a place (at most so many are in flight), then waits out a
//! pause that the cloud asked for, then its turn if calls per second are
//! limited. All of it is first come, first served.

use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::Priority;

/// The limits of one cloud.
#[derive(Debug)]
pub(super) struct Limiter {
    slots: Semaphore,
    /// What background calls may take of the places. They queue here, so that
    /// at most this many of them are ever ahead of a user's call.
    background: Semaphore,
    /// Time between two calls; `None` without a limit of calls per second.
    spacing: Option<Duration>,
    schedule: Mutex<Schedule>,
}

#[derive(Debug)]
struct Schedule {
    /// End of the pause that the cloud asked for.
    resume: Instant,
    /// The next start that no call has reserved.
    next_start: Instant,
}

/// A place among the calls in flight, given back when dropped.
#[derive(Debug)]
pub(super) struct Slot<'a> {
    _slot: SemaphorePermit<'a>,
    _background: Option<SemaphorePermit<'a>>,
}

/// Why a call may not start within its caller's patience.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Too many calls are before it.
    Busy,
    /// The cloud asked for a pause, of which this is left.
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

    /// Waits, for at most `patience`, until a call may start. A caller that
    /// would wait in vain is told at once.
    pub(super) async fn admit(
        &self,
        priority: Priority,
        patience: Duration,
    ) -> Result<Slot<'_>, Refusal> {
        let give_up = Instant::now() + patience;
        self.check_pause(give_up)?;
        let slot = timeout_at(give_up, self.slot(priority))
            .await
            .unwrap_or(Err(Refusal::Busy))?;
        let mut reserved = None;
        while let Some(start) = self.not_before(&mut reserved, give_up)? {
            sleep_until(start).await;
        }
        Ok(slot)
    }

    /// Starts no call for this long, or until a longer pause ends.
    pub(super) fn cool_down(&self, length: Duration) {
        let now = Instant::now();
        let mut schedule = self.schedule();
        // A pause too long for the clock is one that nobody lives to see end.
        let resume = now.checked_add(length).unwrap_or(now + CENTURY);
        schedule.resume = schedule.resume.max(resume);
    }

    async fn slot(&self, priority: Priority) -> Result<Slot<'_>, Refusal> {
        // Neither semaphore is ever closed; were one, nothing could start.
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

    fn check_pause(&self, give_up: Instant) -> Result<(), Refusal> {
        let resume = self.schedule().resume;
        if resume > give_up {
            return Err(Refusal::Paused(resume - Instant::now()));
        }
        Ok(())
    }

    /// The instant to sleep until before looking again; `None` when the call
    /// may start now.
    fn not_before(
        &self,
        reserved: &mut Option<Instant>,
        give_up: Instant,
    ) -> Result<Option<Instant>, Refusal> {
        self.check_pause(give_up)?;
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
