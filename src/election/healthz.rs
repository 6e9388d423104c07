//! Whether a leader that should be over is still there: client-go's
//! `HealthzAdaptor`.
//!
//! A leader that cannot renew ends by itself, and the watchdog ends one whose
//! runtime is stuck. This is for what neither foresees: a process that lost its
//! Lease, or does not renew it, and goes on living. Only a restart helps then.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::Observation;

/// How long after the Lease has run out; cloud-provider has the same.
const GRACE: Duration = Duration::from_secs(20);

/// When this process last got or renewed the Lease.
#[derive(Debug)]
pub struct LeaseHealth {
    lease_duration: Duration,
    /// `None`: it never led, or gave the Lease back.
    last: Mutex<Option<Instant>>,
}

impl LeaseHealth {
    /// Of a Lease that lasts so long.
    pub fn new(lease_duration: Duration) -> Self {
        Self {
            lease_duration,
            last: Mutex::default(),
        }
    }

    /// Notes what happened.
    pub fn record(&self, observation: Observation) {
        let mut last = self.last.lock();
        match observation {
            Observation::Acquired | Observation::Renewed { .. } => *last = Some(Instant::now()),
            Observation::Released => *last = None,
            // Whoever lost the Lease has to end: the time goes on.
            Observation::RenewFailed { .. } | Observation::Lost => {}
        }
    }

    /// A standby is always healthy.
    ///
    /// # Errors
    /// The last renewal is older than the lease duration and 20 s.
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
    async fn whoever_gave_the_lease_back_may_take_its_time() {
        let health = LeaseHealth::new(LEASE);
        health.record(Observation::Acquired);
        health.record(Observation::Released);
        advance(10 * LEASE).await;
        assert_eq!(health.check(), Ok(()));
    }
}
