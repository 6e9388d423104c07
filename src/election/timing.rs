//! The durations of the leader election.

use std::time::Duration;

/// The three durations of client-go's leader election.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Time from the last observed change of the Lease until a standby takes it. Whole
    /// seconds, at least 1 s.
    pub lease_duration: Duration,
    /// Time from sending the last successful renewal until the leadership ends. Less
    /// than the lease duration: the difference is the safety margin.
    pub renew_deadline: Duration,
    /// Time between two attempts.
    pub retry_period: Duration,
}

impl Default for Timing {
    /// The values of kube-controller-manager: 15 s, 10 s, 2 s.
    fn default() -> Self {
        Self {
            lease_duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
        }
    }
}

impl Timing {
    /// The rules of client-go's `NewLeaderElector`: lease duration > renew
    /// deadline > 1.2 x retry period > 0.
    ///
    /// A Lease stores its duration as whole seconds (`leaseDurationSeconds`),
    /// so a lease duration of 1.25 s is an error rather than rounded: standbys
    /// would wait for less time than was configured. The other two durations never
    /// leave this process and may be fractions of a second (250 ms).
    ///
    /// # Errors
    /// The message names the duration, its value and the rule.
    pub fn check(&self) -> Result<(), String> {
        let (lease, renew, retry) = (self.lease_duration, self.renew_deadline, self.retry_period);
        if lease < Duration::from_secs(1) || lease.subsec_nanos() != 0 {
            return Err(format!(
                "lease duration is {lease:?}: it must be whole seconds, at least 1s"
            ));
        }
        if i32::try_from(lease.as_secs()).is_err() {
            return Err(format!(
                "lease duration is {lease:?}: it must be at most {}s",
                i32::MAX
            ));
        }
        if retry.is_zero() {
            return Err("retry period is 0s: it must be more than 0s".to_owned());
        }
        if renew >= lease {
            return Err(format!(
                "renew deadline is {renew:?}: it must be less than the lease duration ({lease:?})"
            ));
        }
        // 6/5 is the factor by which the pause of a standby varies.
        if renew.as_nanos() * 5 <= retry.as_nanos() * 6 {
            return Err(format!(
                "renew deadline is {renew:?}: it must be more than 1.2 times the retry period ({retry:?})"
            ));
        }
        Ok(())
    }

    /// Time limit for one request: a third of the renew deadline, so that one hanging
    /// request leaves time for a second attempt on a new connection.
    pub(super) fn request_timeout(&self) -> Duration {
        self.renew_deadline / 3
    }

    /// Pause of a standby: 1 to 2.2 retry periods as in client-go, so that many
    /// standbys do not send their requests at the same instant.
    pub(super) fn standby_pause(&self) -> Duration {
        self.retry_period + self.retry_period.mul_f64(1.2 * fastrand::f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing(lease: u64, renew: u64, retry: u64) -> Timing {
        Timing {
            lease_duration: Duration::from_millis(lease),
            renew_deadline: Duration::from_millis(renew),
            retry_period: Duration::from_millis(retry),
        }
    }

    #[test]
    fn the_rules_of_client_go_hold() {
        let cases = [
            (timing(15_000, 10_000, 2_000), None, "the defaults"),
            (
                timing(1_000, 750, 250),
                None,
                "renew and retry may be fractions",
            ),
            (
                timing(500, 300, 100),
                Some("lease duration"),
                "a Lease lasts 1 s at least",
            ),
            (
                timing(2_500, 2_000, 100),
                Some("whole seconds"),
                "a Lease stores whole seconds",
            ),
            (
                timing(10_000, 10_000, 2_000),
                Some("renew deadline"),
                "no margin",
            ),
            (
                timing(15_000, 2_400, 2_000),
                Some("1.2 times"),
                "exactly 1.2 is not enough",
            ),
            (timing(15_000, 2_401, 2_000), None, "just above 1.2"),
            (
                timing(15_000, 10_000, 0),
                Some("retry period"),
                "no pause at all",
            ),
            (
                timing(3_000_000_000_000, 10_000, 2_000),
                Some("at most"),
                "more than an int32",
            ),
        ];
        for (timing, wrong, why) in cases {
            match (timing.check(), wrong) {
                (Ok(()), None) => {}
                (Err(message), Some(word)) => assert!(message.contains(word), "{why}: {message}"),
                (got, _) => panic!("{why}: {got:?}"),
            }
        }
    }

    #[test]
    fn standbys_pause_between_one_and_two_point_two_periods() {
        let timing = Timing::default();
        for _ in 0..1000 {
            let pause = timing.standby_pause().as_secs_f64();
            assert!((2.0..=4.4).contains(&pause), "{pause}");
        }
    }
}
