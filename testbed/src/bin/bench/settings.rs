//! What all scenarios have in common.

use std::path::PathBuf;
use std::time::Duration;

/// The size of a measurement.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many Services there are, on both clouds together.
    pub services: usize,
    /// What each mutating call takes at a cloud.
    pub latency: Duration,
    /// Calls in flight at each cloud, the controller's `concurrency`.
    pub places: usize,
    /// How long after a cold start its memory is read once more; zero is not at all.
    pub rest: Duration,
    /// The program to measure.
    pub binary: PathBuf,
}

impl Settings {
    /// The least time that the busier cloud needs for one mutating call for each of
    /// `services`, which are on both clouds alternately.
    pub fn cloud_limit(&self, services: usize) -> Duration {
        self.cloud_limit_of_one(services.div_ceil(2))
    }

    /// The least time that one cloud needs for so many mutating calls.
    pub fn cloud_limit_of_one(&self, calls: usize) -> Duration {
        let calls = calls as f64 / self.places as f64;
        self.latency.mul_f64(calls)
    }
}
