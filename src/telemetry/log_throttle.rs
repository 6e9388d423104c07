//! Throttles repeated log lines: the first line is logged, then only their number.
//!
//! A cloud that is down fails every call for every Service. Metrics count each
//! failure; a line for each would bury all other lines.
//!
//! Where the line is the only place that names an object, such as a Node that a kubelet writes,
//! the first line about each of a few objects is logged.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::take;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::sleep;

/// Interval between two counts of a key. After an interval without a line the next
/// line is logged again.
const PERIOD: Duration = Duration::from_secs(10);

/// Objects that the lines of a key name in a [`PERIOD`], and that one line names.
pub const NAMED: usize = 20;

/// The key by which two lines count as repeated. The values of every field come from
/// a closed set, so that the number of keys stays small.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogKey {
    /// The cloud, if the line concerns a cloud.
    pub cloud: Option<String>,
    pub operation: &'static str,
    pub reason: &'static str,
}

/// The lines of a key since the last count.
#[derive(Debug, Default)]
struct Lines {
    suppressed: u64,
    /// The objects that were named.
    named: BTreeSet<String>,
}

/// The suppressed lines of each key. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct LogThrottle(Arc<Mutex<BTreeMap<LogKey, Lines>>>);

impl LogThrottle {
    /// Whether to log a line with this key. Otherwise the line is counted, and the count
    /// is logged every 10 s as long as there are more.
    ///
    /// Must be called within a tokio runtime.
    pub fn should_log(&self, key: LogKey) -> bool {
        let mut keys = self.lock();
        if let Some(lines) = keys.get_mut(&key) {
            lines.suppressed += 1;
            return false;
        }
        self.begin(&mut keys, key);
        true
    }

    /// Whether to log a line with this key about an object: the first one in 10 s, and of
    /// [`NAMED`] objects at most. The others are counted as by [`LogThrottle::should_log`].
    ///
    /// Must be called within a tokio runtime.
    pub fn should_name(&self, key: LogKey, object: &str) -> bool {
        let mut keys = self.lock();
        let lines = match keys.get_mut(&key) {
            Some(lines) => lines,
            None => self.begin(&mut keys, key),
        };
        let is_named = lines.named.len() < NAMED && lines.named.insert(object.to_owned());
        lines.suppressed += u64::from(!is_named);
        is_named
    }

    fn begin<'a>(&self, keys: &'a mut BTreeMap<LogKey, Lines>, key: LogKey) -> &'a mut Lines {
        // The task ends after a quiet interval; there is at most one for each key.
        tokio::spawn(self.clone().log_counts(key.clone()));
        keys.entry(key).or_default()
    }

    async fn log_counts(self, key: LogKey) {
        loop {
            sleep(PERIOD).await;
            let Some(count) = self.take(&key) else {
                return;
            };
            if count == 0 {
                continue;
            }
            let cloud = key.cloud.as_deref();
            let (operation, reason) = (key.operation, key.reason);
            tracing::warn!(
                cloud,
                operation,
                reason,
                "suppressed {count} similar lines in {PERIOD:?}"
            );
        }
    }

    /// Takes the number of suppressed lines since the last call. Without any line it removes
    /// the key and returns `None`.
    fn take(&self, key: &LogKey) -> Option<u64> {
        let mut keys = self.lock();
        let Lines { suppressed, named } = take(keys.get_mut(key)?);
        if suppressed == 0 && named.is_empty() {
            keys.remove(key);
            return None;
        }
        Some(suppressed)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<LogKey, Lines>> {
        self.0.lock()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::telemetry::captured_logs::CapturedLogs;

    fn key(cloud: &str, reason: &'static str) -> LogKey {
        LogKey {
            cloud: Some(cloud.to_owned()),
            operation: "create",
            reason,
        }
    }

    async fn later(time: Duration) {
        advance(time).await;
        // The tasks that log the counts are due now and run first.
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_line_is_logged_and_the_rest_is_a_count_every_period() {
        let (lines, _guard) = CapturedLogs::collect();
        let throttle = LogThrottle::default();
        let down = || key("cloud1", "timeout");
        assert!(throttle.should_log(down()));
        tokio::task::yield_now().await;
        for _ in 0..41 {
            assert!(!throttle.should_log(down()));
        }
        later(PERIOD - Duration::from_millis(1)).await;
        assert!(lines.taken().is_empty(), "not yet");
        later(Duration::from_millis(1)).await;
        let count = |number: u64| {
            format!(
                "WARN suppressed {number} similar lines in 10s cloud=\"cloud1\" operation=\"create\" reason=\"timeout\""
            )
        };
        assert_eq!(lines.taken(), [count(41)]);
        assert!(!throttle.should_log(down()), "the failures continue");
        later(PERIOD).await;
        assert_eq!(lines.taken(), [count(1)]);
        later(PERIOD).await;
        assert!(lines.taken().is_empty(), "no line, no count");
        assert!(throttle.lock().is_empty(), "no key is left");
        assert!(
            throttle.should_log(down()),
            "logged again after a quiet period"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn another_cloud_or_reason_is_logged() {
        let throttle = LogThrottle::default();
        assert!(throttle.should_log(key("cloud1", "timeout")));
        assert!(throttle.should_log(key("cloud2", "timeout")));
        assert!(throttle.should_log(key("cloud1", "quota")));
        assert!(!throttle.clone().should_log(key("cloud1", "timeout")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_objects_are_named_and_the_rest_is_a_count() {
        let (lines, _guard) = CapturedLogs::collect();
        let throttle = LogThrottle::default();
        let name = |object: &str| throttle.should_name(key("cloud1", "odd"), object);
        assert!(name("a") && name("b"));
        tokio::task::yield_now().await;
        assert!(!name("a"), "once in the period");
        let others = (2..NAMED + 5).filter(|number| name(&number.to_string()));
        assert_eq!(others.count(), NAMED - 2);
        later(PERIOD).await;
        let counts = lines.taken();
        assert_eq!(counts.len(), 1, "{counts:?}");
        assert!(
            counts[0].starts_with("WARN suppressed 6 similar lines"),
            "{counts:?}"
        );
        assert!(name("a"), "in each period");
        later(PERIOD).await;
        assert!(lines.taken().is_empty(), "no line, no count");
        later(PERIOD).await;
        assert!(throttle.lock().is_empty(), "no key is left");
    }
}
