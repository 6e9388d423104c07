//! Throttles repeated log lines: the first line is logged, then only their number.
//!
//! A cloud that is down fails every call for every Service. Metrics count each
//! failure; a line for each would bury all other lines.

use std::collections::BTreeMap;
use std::mem::take;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::sleep;

/// Interval between two counts of a key. After an interval without a line the next
/// line is logged again.
const PERIOD: Duration = Duration::from_secs(10);

/// The key by which two lines count as repeated. The values of every field come from
/// a closed set, so that the number of keys stays small.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogKey {
    /// The cloud, if the line concerns a cloud.
    pub cloud: Option<String>,
    pub operation: &'static str,
    pub reason: &'static str,
}

/// The number of suppressed lines for each key. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct LogThrottle(Arc<Mutex<BTreeMap<LogKey, u64>>>);

impl LogThrottle {
    /// Whether to log a line with this key. Otherwise the line is counted, and the count
    /// is logged every 10 s as long as there are more.
    ///
    /// Must be called within a tokio runtime.
    pub fn should_log(&self, key: LogKey) -> bool {
        let mut suppressed = self.lock();
        if let Some(count) = suppressed.get_mut(&key) {
            *count += 1;
            return false;
        }
        suppressed.insert(key.clone(), 0);
        // The task ends after a quiet interval; there is at most one for each key.
        tokio::spawn(self.clone().log_counts(key));
        true
    }

    async fn log_counts(self, key: LogKey) {
        loop {
            sleep(PERIOD).await;
            let Some(count) = self.take(&key) else {
                return;
            };
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

    /// Takes the number of lines since the last call. Without a line it removes the key
    /// and returns `None`.
    fn take(&self, key: &LogKey) -> Option<u64> {
        let mut suppressed = self.lock();
        let count = take(suppressed.get_mut(key)?);
        if count == 0 {
            suppressed.remove(key);
            return None;
        }
        Some(count)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<LogKey, u64>> {
        self.0.lock()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;
    use tracing::subscriber::DefaultGuard;

    use super::*;
    use crate::telemetry::captured_logs::CapturedLogs;

    /// Collects the log lines of this thread.
    fn collect() -> (CapturedLogs, DefaultGuard) {
        let lines = CapturedLogs::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .without_time()
            .with_target(false)
            .with_writer(move || writer.clone())
            .finish();
        let guard = tracing::subscriber::set_default(subscriber);
        (lines, guard)
    }

    /// Takes the lines since the last call.
    fn taken(lines: &CapturedLogs) -> Vec<String> {
        let text = lines.take();
        text.lines().map(|line| line.trim().to_owned()).collect()
    }

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
        let (lines, _guard) = collect();
        let throttle = LogThrottle::default();
        let down = || key("cloud1", "timeout");
        assert!(throttle.should_log(down()));
        tokio::task::yield_now().await;
        for _ in 0..41 {
            assert!(!throttle.should_log(down()));
        }
        later(PERIOD - Duration::from_millis(1)).await;
        assert!(taken(&lines).is_empty(), "not yet");
        later(Duration::from_millis(1)).await;
        let count = |number: u64| {
            format!(
                "WARN suppressed {number} similar lines in 10s cloud=\"cloud1\" operation=\"create\" reason=\"timeout\""
            )
        };
        assert_eq!(taken(&lines), [count(41)]);
        assert!(!throttle.should_log(down()), "the failures continue");
        later(PERIOD).await;
        assert_eq!(taken(&lines), [count(1)]);
        later(PERIOD).await;
        assert!(taken(&lines).is_empty(), "no line, no count");
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
}
