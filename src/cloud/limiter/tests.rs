//! On tokio's paused clock: time passes only when everything waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use tokio::time::sleep;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const PATIENT: Duration = Duration::from_secs(3_600);

/// Starts a call that takes a second; gives when it started.
async fn call(limits: &Limiter, priority: Priority) -> Instant {
    let _place = limits.admit(priority, PATIENT).await.expect("admitted");
    let started = Instant::now();
    sleep(SECOND).await;
    started
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_than_allowed_are_in_flight() {
    let limits = Limiter::new(4, 0);
    let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let began = Instant::now();
    join_all((0..20).map(|_| async {
        let _place = limits
            .admit(Priority::User, PATIENT)
            .await
            .expect("admitted");
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        sleep(SECOND).await;
        now.fetch_sub(1, Ordering::SeqCst);
    }))
    .await;
    assert_eq!(most.into_inner(), 4);
    assert_eq!(began.elapsed().as_secs(), 5, "all places are used");
}

#[tokio::test(start_paused = true)]
async fn background_calls_leave_half_of_the_places_to_users() {
    let limits = Arc::new(Limiter::new(4, 0));
    let began = Instant::now();
    let background: Vec<_> = (0..100)
        .map(|_| {
            let limits = Arc::clone(&limits);
            tokio::spawn(async move { call(&limits, Priority::Background).await })
        })
        .collect();
    tokio::task::yield_now().await;
    let started = call(&limits, Priority::User).await;
    assert_eq!(started - began, Duration::ZERO);
    for task in background {
        task.await.expect("no panic");
    }
    assert_eq!(began.elapsed().as_secs(), 50, "two at a time");
}

#[tokio::test(start_paused = true)]
async fn users_that_take_every_place_do_not_shut_out_background_calls() {
    let limits = Limiter::new(2, 0);
    let users = join_all((0..10).map(|_| call(&limits, Priority::User)));
    let began = Instant::now();
    let background = call(&limits, Priority::Background);
    let (_, started) = futures::join!(users, background);
    assert_eq!((started - began).as_secs(), 5, "first come, first served");
}

#[tokio::test(start_paused = true)]
async fn no_call_starts_before_a_pause_is_over() {
    let limits = Limiter::new(4, 0);
    let began = Instant::now();
    limits.cool_down(7 * SECOND);
    limits.cool_down(SECOND);
    let started = join_all((0..4).map(|_| call(&limits, Priority::User))).await;
    assert!(
        started.iter().all(|at| *at - began == 7 * SECOND),
        "{started:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_pause_also_holds_calls_that_already_wait_for_their_turn() {
    let limits = Limiter::new(4, 1);
    let began = Instant::now();
    let calls = join_all((0..3).map(|_| call(&limits, Priority::User)));
    let pause = async {
        sleep(SECOND / 2).await;
        limits.cool_down(10 * SECOND);
    };
    let (started, ()) = futures::join!(calls, pause);
    let mut at: Vec<_> = started.iter().map(|at| (*at - began).as_millis()).collect();
    at.sort_unstable();
    assert_eq!(at, [0, 10_500, 11_500], "and then one a second again");
}

#[tokio::test(start_paused = true)]
async fn whoever_would_wait_in_vain_is_told_at_once() {
    let limits = Limiter::new(1, 0);
    limits.cool_down(Duration::MAX);
    let refused = limits.admit(Priority::User, SECOND).await.map(|_| ());
    assert!(matches!(refused, Err(Refusal::Paused(left)) if left > PATIENT));

    let limits = Limiter::new(1, 0);
    let _place = limits.admit(Priority::User, SECOND).await.expect("free");
    let began = Instant::now();
    let refused = limits.admit(Priority::User, SECOND).await.map(|_| ());
    assert_eq!((refused, began.elapsed()), (Err(Refusal::Busy), SECOND));
}

#[tokio::test(start_paused = true)]
async fn turns_are_evenly_spaced() {
    let limits = Limiter::new(100, 4);
    let began = Instant::now();
    let started = join_all((0..5).map(|_| call(&limits, Priority::User))).await;
    let at: Vec<_> = started.iter().map(|at| (*at - began).as_millis()).collect();
    assert_eq!(at, [0, 250, 500, 750, 1_000]);
}
