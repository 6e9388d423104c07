//! A liveness check for a leader that should have exited: `HealthzAdaptor` of
//! client-go.
//!
//! A leader that cannot renew exits by itself, and the watchdog ends a leader whose
//! runtime is stuck. This check covers the rest: a process that lost its Lease, or
//! does not renew it, and does not exit. Only a restart helps then.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::Observation;

/// Time after the expiry of the Lease until the check fails, as in cloud-provider.
const GRACE: Duration = Duration::from_secs(20);

/// The time since this process last acquired or renewed the Lease.
#[derive(Debug)]
pub struct LeaseHealth {
    lease_duration: Duration,
    /// `None` if this process never led or has released the Lease.
    last: Mutex<Option<Instant>>,
}

impl LeaseHealth {
    pub fn new(lease_duration: Duration) -> Self {
        Self {
            lease_duration,
            last: Mutex::default(),
        }
    }

    /// Records an event of the election.
    pub fn record(&self, observation: Observation) {
        let mut last = self.last.lock();
        match observation {
            Observation::Acquired | Observation::Renewed { .. } => *last = Some(Instant::now()),
            Observation::Released => *last = None,
            // A process that lost the Lease must exit: its time keeps running.
            Observation::RenewFailed { .. } | Observation::Lost => {}
        }
    }

    /// Checks the last renewal; a standby is always healthy.
    ///
    /// # Errors
    /// The last renewal is older than the lease duration plus 20 s.
    pub fn check(&self) -> Result<(), String> {
        let last = *self.last.lock();
        let age = last.map(|last| last.elapsed()).unwrap_or_default();
        if age <= self.lease_duration + GRACE {
            return Ok(());
        }
        let (age, lasts) = (age.as_secs(), self.lease_duration.as_secs());
        Err(format!(
            "the Lease was last renewed {age} s ago and lasts {lasts} s: this process should have exited"
        ))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const LEASE: Duration = Duration::from_secs(15);
    const SECOND: Duration = Duration::from_secs(1);
    const RENEWED: Observation = Observation::Renewed { took: SECOND };
    const FAILED: Observation = Observation::RenewFailed { took: SECOND };

    #[tokio::test(start_paused = true)]
    async fn a_standby_is_healthy_for_ever() {
        let health = LeaseHealth::new(LEASE);
        advance(1000 * LEASE).await;
        assert_eq!(health.check(), Ok(()));
        health.record(FAILED);
        assert_eq!(health.check(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_is_healthy_while_it_renews() {
        let health = LeaseHealth::new(LEASE);
        health.record(Observation::Acquired);
        for _ in 0..10 {
            advance(LEASE + GRACE).await;
            assert_eq!(health.check(), Ok(()));
            health.record(RENEWED);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_that_stays_without_renewing_is_not() {
        for afterwards in [None, Some(FAILED), Some(Observation::Lost)] {
            let health = LeaseHealth::new(LEASE);
            health.record(Observation::Acquired);
            advance(LEASE + GRACE).await;
            if let Some(observation) = afterwards {
                health.record(observation);
            }
            assert_eq!(health.check(), Ok(()), "{afterwards:?}: not yet");
            advance(SECOND).await;
            let reason = health.check().expect_err("long past its Lease");
            assert!(reason.contains("36 s ago and lasts 15 s"), "{reason}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_former_leader_that_released_the_lease_is_healthy() {
        let health = LeaseHealth::new(LEASE);
        health.record(Observation::Acquired);
        health.record(Observation::Released);
        advance(10 * LEASE).await;
        assert_eq!(health.check(), Ok(()));
    }
}
