//! The repairs of drift that may have been undone: by a cloud that takes a value, shows it and
//! returns to its own, or by another program that changes the load balancer too. Repairing the
//! same difference again and again would go on for ever, and help nobody.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use super::per_spec::PerSpec;
use crate::controller::attempt::SpecHash;
use crate::plan::kept::Kept;
use crate::plan::naming::{CloudName, ServiceUid};

/// The number of identical repairs after which the same difference is left as it is. One
/// change by hand needs one; a second one shows that somebody or something insists.
pub const REPAIRS_IN_A_ROW: u32 = 2;

/// The time after which an identical repair counts as the first one: a job of every night is to
/// be found out, and a person who makes the same change once a month is not.
pub const IN_A_ROW: Duration = Duration::from_secs(48 * 3600);

/// The last repairs of each Service.
#[derive(Default)]
pub struct RepeatedRepairs(PerSpec<BTreeMap<CloudName, Repeated>>);

struct Repeated {
    difference: Kept,
    times: u32,
    /// The time of the last repair, or of the last look after it was given up.
    last: Instant,
    is_reported: bool,
}

impl RepeatedRepairs {
    /// Records a repair that succeeded, and the difference before it.
    pub fn record(
        &self,
        uid: &ServiceUid,
        spec_hash: SpecHash,
        cloud: &CloudName,
        difference: Kept,
    ) {
        self.0.change(uid, spec_hash, |clouds| {
            let (now, before) = (Instant::now(), clouds.get(cloud));
            let before = before.filter(|before| {
                before.difference == difference && now.duration_since(before.last) < IN_A_ROW
            });
            let repeated = Repeated {
                times: before.map_or(1, |before| before.times.saturating_add(1)),
                difference,
                last: now,
                is_reported: false,
            };
            clouds.insert(cloud.clone(), repeated);
        });
    }

    /// The differences that are not to be repaired again.
    pub fn given_up(&self, uid: &ServiceUid, spec_hash: SpecHash) -> BTreeMap<CloudName, Kept> {
        let is_given_up = |repeated: &Repeated| {
            repeated.times >= REPAIRS_IN_A_ROW && repeated.last.elapsed() < IN_A_ROW
        };
        let given_up = self.0.read(uid, spec_hash, |clouds| {
            let given_up = clouds.iter().filter(|(_, repeated)| is_given_up(repeated));
            given_up
                .map(|(cloud, repeated)| (cloud.clone(), repeated.difference.clone()))
                .collect()
        });
        given_up.unwrap_or_default()
    }

    /// Records that a difference that was given up is there. Returns whether it is the first
    /// time.
    pub fn is_first_look(&self, uid: &ServiceUid, spec_hash: SpecHash, cloud: &CloudName) -> bool {
        let is_first = self.0.update(uid, spec_hash, |clouds| {
            let repeated = clouds.get_mut(cloud)?;
            repeated.last = Instant::now();
            Some(!std::mem::replace(&mut repeated.is_reported, true))
        });
        is_first.flatten().unwrap_or_default()
    }

    pub fn forget(&self, uid: &ServiceUid) {
        self.0.forget(uid);
    }

    pub fn retain(&self, alive: &HashSet<ServiceUid>) {
        self.0.retain(alive);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::load_balancer::{LoadBalancer, LoadBalancerSpec};
    use crate::plan::naming::LoadBalancerName;

    const SPEC: SpecHash = SpecHash::for_test(1);
    const EDITED: SpecHash = SpecHash::for_test(2);

    fn uid() -> ServiceUid {
        ServiceUid::new("uid")
    }

    fn cloud() -> CloudName {
        CloudName::new("cloud1")
    }

    /// The difference between the default bandwidth and this one.
    fn shown(bandwidth: &str) -> Kept {
        let mut found = LoadBalancer::plain("lb-1", LoadBalancerName::new("web"), None);
        let requested: LoadBalancerSpec = found.spec.clone();
        found.spec.bandwidth = bandwidth.into();
        Kept::before_update(&requested, &found).expect("a difference")
    }

    /// Whether the last of these repairs, with the time after each, leads to the end of them.
    async fn are_given_up(repairs: &[(&str, SpecHash, Duration)]) -> bool {
        let store = RepeatedRepairs::default();
        for (bandwidth, spec, pause) in repairs {
            store.record(&uid(), *spec, &cloud(), shown(bandwidth));
            tokio::time::advance(*pause).await;
        }
        let last = repairs.last().map_or(SPEC, |(_, spec, _)| *spec);
        !store.given_up(&uid(), last).is_empty()
    }

    #[tokio::test(start_paused = true)]
    async fn two_identical_repairs_in_a_row_are_the_last() {
        let (day, second) = (Duration::from_secs(24 * 3600), Duration::from_secs(1));
        let cases: [(&[_], bool, &str); 6] = [
            (&[("1K", SPEC, second)], false, "one"),
            (&[("1K", SPEC, second), ("1K", SPEC, second)], true, "two"),
            (&[("1K", SPEC, day), ("1K", SPEC, day)], true, "every night"),
            (
                &[("1K", SPEC, IN_A_ROW), ("1K", SPEC, second)],
                false,
                "the first was long ago",
            ),
            (
                &[
                    ("1K", SPEC, second),
                    ("2K", SPEC, second),
                    ("1K", SPEC, second),
                ],
                false,
                "not in a row",
            ),
            (
                &[("1K", SPEC, second), ("1K", EDITED, second)],
                false,
                "an edit between them",
            ),
        ];
        for (repairs, expected, reason) in cases {
            assert_eq!(are_given_up(repairs).await, expected, "{reason}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_given_up_is_reported_once_and_stays_so_while_it_is_seen() {
        let store = RepeatedRepairs::default();
        for _ in 0..REPAIRS_IN_A_ROW {
            store.record(&uid(), SPEC, &cloud(), shown("1K"));
        }
        assert!(store.is_first_look(&uid(), SPEC, &cloud()));
        for _ in 0..4 {
            tokio::time::advance(IN_A_ROW / 2).await;
            assert!(!store.given_up(&uid(), SPEC).is_empty());
            assert!(!store.is_first_look(&uid(), SPEC, &cloud()));
        }
        assert!(store.given_up(&uid(), EDITED).is_empty(), "an edit");
        tokio::time::advance(IN_A_ROW).await;
        assert!(store.given_up(&uid(), SPEC).is_empty(), "not seen for long");
    }
}
