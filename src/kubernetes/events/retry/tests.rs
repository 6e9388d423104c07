use futures::FutureExt;

use super::*;

fn down() -> KubernetesError {
    KubernetesError::Unavailable("connection refused".to_owned())
}

#[tokio::test(start_paused = true)]
async fn an_event_is_retried_with_growing_delays_and_then_given_up() {
    let (mut backoff, mut attempts, start) = (Backoff::default(), 0, Instant::now());
    let mut delays = Vec::new();
    while let Verdict::Retry(at) = backoff.failed(&down(), &mut attempts, start) {
        delays.push((at - start).as_millis());
    }
    let expected = [
        500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000,
    ];
    assert_eq!(delays, expected);
    assert_eq!(attempts, ATTEMPTS);
}

#[tokio::test(start_paused = true)]
async fn what_no_repetition_can_change_is_not_repeated() {
    let denied = KubernetesError::Forbidden("namespace is terminating".to_owned());
    let invalid = KubernetesError::Rejected("invalid".to_owned());
    for error in [denied, invalid, KubernetesError::Gone] {
        let mut backoff = Backoff::default();
        let verdict = backoff.failed(&error, &mut 0, Instant::now());
        assert_eq!(verdict, Verdict::GiveUp, "{error}");
        assert!(backoff.until_resumed(7).now_or_never().is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn in_an_outage_one_request_at_a_time_is_tried_after_a_pause() {
    let (mut backoff, start) = (Backoff::default(), Instant::now());
    for _ in 1..OUTAGE {
        backoff.failed(&down(), &mut 0, start);
        let others = backoff.until_resumed(7).now_or_never();
        assert!(others.is_some(), "a few failures delay nothing else");
    }
    for pause in [500, 1_000, 2_000, 4_000, 5_000, 5_000] {
        let failed = Instant::now();
        backoff.failed(&down(), &mut 0, failed);
        assert!(backoff.until_resumed(1).now_or_never().is_none(), "one");
        backoff.until_resumed(0).await;
        assert_eq!(failed.elapsed(), Duration::from_millis(pause));
    }
    backoff.succeeded();
    let others = backoff.until_resumed(7).now_or_never();
    assert!(others.is_some(), "the outage is over");
}

#[tokio::test(start_paused = true)]
async fn all_events_wait_as_long_as_the_api_server_asks_for() {
    let (mut backoff, start) = (Backoff::default(), Instant::now());
    let busy = KubernetesError::Throttled(Duration::from_secs(3));
    let verdict = backoff.failed(&busy, &mut 0, start);
    assert_eq!(verdict, Verdict::Retry(start + Duration::from_secs(3)));
    backoff.until_resumed(0).await;
    assert_eq!(start.elapsed(), Duration::from_secs(3));
    let endless = KubernetesError::Throttled(Duration::MAX);
    backoff.failed(&endless, &mut 0, start);
    backoff.until_resumed(0).await;
    assert_eq!(start.elapsed(), LONGEST_DELAY);
}
