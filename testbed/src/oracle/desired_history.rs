//! What users asked for over time.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use parking_lot::Mutex;

/// The clouds that each Service has named, and the times in which it did not.
#[derive(Debug, Default)]
pub struct DesiredHistory(Mutex<BTreeMap<String, OfService>>);

#[derive(Debug, Default)]
struct OfService {
    wanted: BTreeSet<String>,
    /// Times in which a cloud was not wanted, after having been.
    unwanted: Vec<Unwanted>,
}

#[derive(Debug)]
struct Unwanted {
    cloud: String,
    from: Timestamp,
    until: Option<Timestamp>,
}

impl DesiredHistory {
    /// Records that a Service names these clouds, by a request that was sent and
    /// answered at these times. In between, either state may have been read.
    pub fn record(
        &self,
        uid: &str,
        clouds: &BTreeSet<String>,
        sent: Timestamp,
        answered: Timestamp,
    ) {
        let mut histories = self.0.lock();
        let history = histories.entry(uid.to_owned()).or_default();
        for cloud in history.wanted.difference(clouds) {
            history.unwanted.push(Unwanted {
                cloud: cloud.clone(),
                from: sent,
                until: None,
            });
        }
        for open in &mut history.unwanted {
            if clouds.contains(&open.cloud) && open.until.is_none() {
                open.until = Some(answered);
            }
        }
        history.wanted.clone_from(clouds);
    }

    /// Whether a Service named a cloud all the time between these moments.
    pub(super) fn named_throughout(
        &self,
        uid: &str,
        cloud: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> bool {
        let histories = self.0.lock();
        let Some(history) = histories.get(uid) else {
            return false;
        };
        let ever = |gap: &&Unwanted| gap.cloud == cloud;
        let mut gaps = history.unwanted.iter().filter(ever).peekable();
        if gaps.peek().is_none() && !history.wanted.contains(cloud) {
            return false;
        }
        gaps.all(|gap| gap.from > to || gap.until.is_some_and(|until| until < from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn on(clouds: &[&str]) -> BTreeSet<String> {
        clouds.iter().map(|cloud| (*cloud).to_owned()).collect()
    }

    #[test]
    fn a_cloud_that_was_left_in_between_was_not_named_throughout() {
        let history = DesiredHistory::default();
        history.record("u", &on(&["cloud1"]), at(10), at(11));
        history.record("u", &on(&["cloud2"]), at(20), at(21));
        history.record("u", &on(&["cloud1"]), at(30), at(31));
        let cases = [
            ("cloud1", 11, 15, true, "from the beginning"),
            ("cloud1", 11, 20, false, "it may have been read already"),
            ("cloud1", 25, 28, false, "it was elsewhere"),
            ("cloud1", 32, 40, true, "it came back"),
            ("cloud1", 15, 40, false, "it was elsewhere in between"),
            ("cloud2", 22, 25, true, "it was there"),
            ("cloud2", 22, 40, false, "it went"),
        ];
        for (cloud, from, to, expected, reason) in cases {
            let held = history.named_throughout("u", cloud, at(from), at(to));
            assert_eq!(held, expected, "{cloud} {from} {to}: {reason}");
        }
        assert!(
            !history.named_throughout("v", "cloud1", at(0), at(1)),
            "an unknown Service"
        );
    }
}
