//! Percentiles of times.

use std::time::Duration;

/// The nearest-rank percentile; zero for no times.
pub fn percentile(times: &[Duration], percent: usize) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_times() {
        let times: Vec<Duration> = (1..=200).rev().map(Duration::from_millis).collect();
        let of = |percent| percentile(&times, percent).as_millis();
        assert_eq!((of(0), of(50), of(99), of(100)), (1, 100, 198, 200));
        assert_eq!(percentile(&[], 50), Duration::ZERO);
        assert_eq!(
            percentile(&[Duration::from_secs(7)], 99),
            Duration::from_secs(7)
        );
    }
}
