//! Waiting for a condition, with a deadline that names what was awaited.

use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::time::{Instant, sleep, timeout_at};

/// For anything that takes moments on an idle machine.
pub const SOON: Duration = Duration::from_secs(60);

const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Calls `probe` until it answers `Some`, at first every 5 ms, later every 100 ms.
///
/// `what` completes the sentence "waited 5s for …". A probe that answers an
/// error is called again, for many things fail until they are there; one that
/// hangs is given up at the deadline.
///
/// # Errors
/// The deadline passed: the message names `what`, and the last error if the
/// last call of `probe` had one.
pub async fn eventually<T>(
    what: &str,
    deadline: Duration,
    mut probe: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let end = Instant::now() + deadline;
    let mut pause = FIRST_PAUSE;
    let mut before = None;
    loop {
        let began = Instant::now();
        let last = match timeout_at(end, probe()).await {
            Ok(Ok(Some(value))) => return Ok(value),
            Ok(Ok(None)) => anyhow!("not so at the last look"),
            Ok(Err(error)) => error,
            // An attempt that had no time to end is less helpful than the one before.
            Err(_) => match before {
                Some(error) if began.elapsed() < LONGEST_PAUSE => error,
                _ => anyhow!("the last look did not end in time"),
            },
        };
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(last.context(format!("waited {deadline:?} for {what}")));
        }
        before = Some(last);
        sleep(pause.min(left)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(30);

    #[tokio::test]
    async fn a_value_ends_the_wait_whatever_came_before() {
        let mut answers = vec![Ok(Some(7)), Ok(None), Err(anyhow!("refused"))];
        let seen = eventually("seven", Duration::from_secs(5), async || {
            answers.pop().unwrap_or(Ok(None))
        });
        assert_eq!(seen.await.unwrap(), 7);
    }

    #[tokio::test]
    async fn the_error_names_what_was_awaited_and_what_went_wrong() {
        let seen: Result<()> =
            eventually("the moon", MOMENT, async || Err(anyhow!("cloudy"))).await;
        let message = format!("{:#}", seen.unwrap_err());
        assert_eq!(message, "waited 30ms for the moon: cloudy");
    }

    #[tokio::test]
    async fn a_look_that_the_deadline_cuts_short_hides_no_error() {
        let seen: Result<()> = eventually("the moon", MOMENT, async || {
            sleep(Duration::from_millis(1)).await;
            Err(anyhow!("cloudy"))
        })
        .await;
        let message = format!("{:#}", seen.unwrap_err());
        assert_eq!(message, "waited 30ms for the moon: cloudy");
    }

    #[tokio::test]
    async fn a_probe_that_hangs_is_given_up_at_the_deadline() {
        let seen: Result<()> = eventually("an answer", MOMENT, async || {
            std::future::pending::<Result<Option<()>>>().await
        })
        .await;
        assert!(format!("{:#}", seen.unwrap_err()).contains("did not end in time"));
    }
}
