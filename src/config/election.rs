//! The flags of the leader election, with the rules of client-go.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::duration;
use super::error::{ConfigErrors, Location, Violation, quote};
use super::validation;
use crate::args::Args;
use crate::election::Timing;

const ENABLED: [(&str, bool); 2] = [("true", true), ("false", false)];
const LEASE_DURATION: &str = "--leader-elect-lease-duration";
const RENEW_DEADLINE: &str = "--leader-elect-renew-deadline";
const RETRY_PERIOD: &str = "--leader-elect-retry-period";
const RANGE: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(3600);

/// Default name of the Lease.
pub const DEFAULT_LEASE: &str = "my-cloud-controller-manager";
/// Default namespace of the Lease.
pub const DEFAULT_NAMESPACE: &str = "kube-system";

/// The settings of the leader election.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElectionConfig {
    pub namespace: String,
    pub lease: String,
    pub timing: Timing,
}

/// Reads the flags; `None` for `--leader-elect=false`. All flags are validated either
/// way.
pub(super) fn read(args: &Args, errors: &mut ConfigErrors) -> Option<ElectionConfig> {
    let enabled = args
        .leader_elect
        .as_deref()
        .and_then(|text| {
            errors.check(
                Location::Flag("--leader-elect"),
                text,
                validation::one_of(&ENABLED),
            )
        })
        .unwrap_or(true);
    let lease = args.leader_elect_resource_name.as_deref();
    let namespace = args.leader_elect_resource_namespace.as_deref();
    let config = ElectionConfig {
        namespace: errors
            .check(
                Location::Flag("--leader-elect-resource-namespace"),
                namespace.unwrap_or(DEFAULT_NAMESPACE),
                validation::dns_label,
            )
            .unwrap_or_default(),
        lease: errors
            .check(
                Location::Flag("--leader-elect-resource-name"),
                lease.unwrap_or(DEFAULT_LEASE),
                validation::dns_subdomain,
            )
            .unwrap_or_default(),
        timing: read_timing(args, errors),
    };
    enabled.then_some(config)
}

fn read_timing(args: &Args, errors: &mut ConfigErrors) -> Timing {
    let before = errors.len();
    let standard = Timing::default();
    let mut read = |flag, text: &Option<String>, standard: Duration| {
        text.as_deref()
            .and_then(|text| {
                errors.check(Location::Flag(flag), text, validation::duration_in(RANGE))
            })
            .unwrap_or(standard)
    };
    let timing = Timing {
        lease_duration: read(
            LEASE_DURATION,
            &args.leader_elect_lease_duration,
            standard.lease_duration,
        ),
        renew_deadline: read(
            RENEW_DEADLINE,
            &args.leader_elect_renew_deadline,
            standard.renew_deadline,
        ),
        retry_period: read(
            RETRY_PERIOD,
            &args.leader_elect_retry_period,
            standard.retry_period,
        ),
    };
    if errors.len() == before {
        for (flag, found, violation) in violations(timing) {
            errors.add(
                Location::Flag(flag),
                quote(&duration::write(found)),
                violation.rule,
            );
        }
    }
    timing
}

/// The rules of `leaderelection.NewLeaderElector` in client-go, and whole seconds,
/// because a Lease stores `leaseDurationSeconds`.
fn violations(timing: Timing) -> Vec<(&'static str, Duration, Violation)> {
    let Timing {
        lease_duration,
        renew_deadline,
        retry_period,
    } = timing;
    let mut violations = Vec::new();
    if lease_duration.subsec_nanos() != 0 {
        let rule = "it must be whole seconds: a Lease holds no fractions";
        violations.push((LEASE_DURATION, lease_duration, Violation::new(rule)));
    }
    if lease_duration <= renew_deadline {
        let deadline = duration::write(renew_deadline);
        let rule = format!("it must be longer than {RENEW_DEADLINE} ({deadline})");
        violations.push((LEASE_DURATION, lease_duration, Violation::new(rule)));
    }
    if renew_deadline * 5 <= retry_period * 6 {
        let period = duration::write(retry_period);
        let rule = format!("it must be longer than 1.2 times {RETRY_PERIOD} ({period})");
        violations.push((RENEW_DEADLINE, renew_deadline, Violation::new(rule)));
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(lease: u64, renew: u64, retry: u64) -> Vec<&'static str> {
        let timing = Timing {
            lease_duration: Duration::from_millis(lease),
            renew_deadline: Duration::from_millis(renew),
            retry_period: Duration::from_millis(retry),
        };
        violations(timing)
            .into_iter()
            .map(|(flag, _, _)| flag)
            .collect()
    }

    #[test]
    fn times_follow_the_rules_of_client_go() {
        let cases: [(u64, u64, u64, &[&str], &str); 7] = [
            (15_000, 10_000, 2_000, &[], "the defaults"),
            (1_000, 700, 200, &[], "short ones for tests"),
            (
                10_000,
                10_000,
                2_000,
                &[LEASE_DURATION],
                "equal is not longer",
            ),
            (
                15_000,
                12_000,
                10_000,
                &[RENEW_DEADLINE],
                "exactly 1.2 times is too short",
            ),
            (15_000, 12_001, 10_000, &[], "just above 1.2 times will do"),
            (
                1_500,
                700,
                200,
                &[LEASE_DURATION],
                "a Lease holds whole seconds",
            ),
            (
                1_000,
                2_000,
                5_000,
                &[LEASE_DURATION, RENEW_DEADLINE],
                "both are named",
            ),
        ];
        for (lease, renew, retry, expected, reason) in cases {
            assert_eq!(broken(lease, renew, retry), expected, "{reason}");
        }
    }
}
