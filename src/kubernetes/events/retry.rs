//! Decides whether and when an Event that was not written is written again.
//!
//! An Event has a backoff of its own, so that trouble with one namespace (an admission
//! webhook that fails, for example) delays no other. When nothing succeeds any more, or the
//! API server asks for fewer requests, the whole writer waits: otherwise an outage of the
//! API server would use up the attempts of every Event.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::kubernetes::KubernetesError;

/// The delay before the first retry; it doubles for each further one.
const FIRST_DELAY: Duration = Duration::from_millis(500);
/// The maximum of that delay, and of the delay that the API server may ask for.
const LONGEST_DELAY: Duration = Duration::from_secs(30);
/// Maximum number of attempts for one Event: they take two minutes, as in client-go.
const ATTEMPTS: u8 = 10;
/// Failures without a success in between, after which the whole writer waits: all requests
/// in flight have failed.
const OUTAGE: u32 = 8;
/// Maximum time that the whole writer waits during an outage. A single request then
/// shows whether the outage is over.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Write it again, at this instant or later.
    Retry(Instant),
    /// A repetition is useless, or there were too many.
    GiveUp,
}

/// The state of the whole writer.
#[derive(Default)]
pub(super) struct Backoff {
    /// Failures since the last success.
    failures: u32,
    /// No request starts before this instant.
    resume: Option<Instant>,
}

impl Backoff {
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Counts a failure, and the attempt at the Event.
    pub(super) fn failed(
        &mut self,
        error: &KubernetesError,
        attempts: &mut u8,
        now: Instant,
    ) -> Verdict {
        *attempts = attempts.saturating_add(1);
        let wanted = match error {
            KubernetesError::Throttled(delay) => {
                let delay = (*delay).min(LONGEST_DELAY);
                self.pause_until(now + delay);
                delay
            }
            KubernetesError::Timeout(_) | KubernetesError::Unavailable(_) => {
                self.failures = self.failures.saturating_add(1);
                if self.failures >= OUTAGE {
                    let delay = doubled(FIRST_DELAY, self.failures - OUTAGE);
                    self.pause_until(now + delay.min(LONGEST_PAUSE));
                }
                Duration::ZERO
            }
            // Only a person can change that: a right is missing, the namespace is
            // terminating or gone, or the Event is invalid.
            KubernetesError::Forbidden(_)
            | KubernetesError::Gone
            | KubernetesError::Rejected(_)
            | KubernetesError::Unreadable(_)
            | KubernetesError::Conflict
            | KubernetesError::NotLeader(_) => return Verdict::GiveUp,
        };
        if *attempts >= ATTEMPTS {
            return Verdict::GiveUp;
        }
        let delay = doubled(FIRST_DELAY, u32::from(*attempts) - 1).min(LONGEST_DELAY);
        Verdict::Retry(now + delay.max(wanted))
    }

    /// Waits until a request may start beside this number of others.
    pub(super) async fn until_resumed(&self, in_flight: usize) {
        if self.failures >= OUTAGE && in_flight > 0 {
            // The end of a request cancels this.
            std::future::pending::<()>().await;
        }
        if let Some(resume) = self.resume {
            sleep_until(resume).await;
        }
    }

    fn pause_until(&mut self, instant: Instant) {
        self.resume = self.resume.max(Some(instant));
    }
}

fn doubled(delay: Duration, times: u32) -> Duration {
    delay.saturating_mul(2_u32.saturating_pow(times))
}

#[cfg(test)]
mod tests;
