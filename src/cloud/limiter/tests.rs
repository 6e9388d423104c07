//! On tokio's paused clock: time passes only when all tasks wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use tokio::time::sleep;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const PATIENT: Duration = Duration::from_secs(3_600);

/// Makes a call that takes a second; returns its start.
async fn call(limiter: &Limiter, priority: Priority) -> Instant {
    let _slot = limiter.admit(priority, PATIENT).await.expect("admitted");
    let started = Instant::now();
    sleep(SECOND).await;
    started
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_than_allowed_are_in_flight() {
    let limiter = Limiter::new(4, 0);
    let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let began = Instant::now();
    join_all((0..20).map(|_| async {
        let _slot = limiter
            .admit(Priority::User, PATIENT)
            .await
            .expect("admitted");
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        sleep(SECOND).await;
        now.fetch_sub(1, Ordering::SeqCst);
    }))
    .await;
    assert_eq!(most.into_inner(), 4);
    assert_eq!(began.elapsed().as_secs(), 5, "all slots are used");
}

#[tokio::test(start_paused = true)]
async fn background_calls_use_all_slots_but_one_and_give_way_to_a_user() {
    let limiter = Arc::new(Limiter::new(4, 0));
    let began = Instant::now();
    let background: Vec<_> = (0..100)
        .map(|_| {
            let limiter = Arc::clone(&limiter);
            tokio::spawn(async move { call(&limiter, Priority::Background).await })
        })
        .collect();
    tokio::task::yield_now().await;
    let started = call(&limiter, Priority::User).await;
    assert_eq!(started - began, Duration::ZERO);
    for task in background {
        task.await.expect("no panic");
    }
    assert_eq!(began.elapsed().as_secs(), 34, "three at a time");
}

#[tokio::test(start_paused = true)]
async fn users_that_take_every_slot_do_not_shut_out_background_calls() {
    let limiter = Limiter::new(2, 0);
    let users = join_all((0..10).map(|_| call(&limiter, Priority::User)));
    let began = Instant::now();
    let background = call(&limiter, Priority::Background);
    let (_, started) = futures::join!(users, background);
    assert_eq!((started - began).as_secs(), 4, "after seven users");
}

#[tokio::test(start_paused = true)]
async fn no_call_starts_during_a_cooldown() {
    let limiter = Limiter::new(4, 0);
    let began = Instant::now();
    limiter.cool_down(7 * SECOND);
    limiter.cool_down(SECOND);
    let started = join_all((0..4).map(|_| call(&limiter, Priority::User))).await;
    assert!(
        started.iter().all(|at| *at - began == 7 * SECOND),
        "{started:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_cooldown_also_delays_calls_that_wait_for_the_rate_limit() {
    let limiter = Limiter::new(4, 1);
    let began = Instant::now();
    let calls = join_all((0..3).map(|_| call(&limiter, Priority::User)));
    let cooldown = async {
        sleep(SECOND / 2).await;
        limiter.cool_down(10 * SECOND);
    };
    let (started, ()) = futures::join!(calls, cooldown);
    let mut at: Vec<_> = started.iter().map(|at| (*at - began).as_millis()).collect();
    at.sort_unstable();
    assert_eq!(at, [0, 10_500, 11_500], "and then one a second again");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_cannot_start_in_time_fails_at_once() {
    let limiter = Limiter::new(1, 0);
    limiter.cool_down(Duration::MAX);
    let refused = limiter.admit(Priority::User, SECOND).await.map(|_| ());
    assert!(matches!(refused, Err(Refusal::Paused(left)) if left > PATIENT));

    let limiter = Limiter::new(1, 0);
    let _slot = limiter.admit(Priority::User, SECOND).await.expect("free");
    let began = Instant::now();
    let refused = limiter.admit(Priority::User, SECOND).await.map(|_| ());
    assert_eq!((refused, began.elapsed()), (Err(Refusal::Busy), SECOND));
}

#[tokio::test(start_paused = true)]
async fn starts_are_evenly_spaced() {
    let limiter = Limiter::new(100, 4);
    let began = Instant::now();
    let started = join_all((0..5).map(|_| call(&limiter, Priority::User))).await;
    let at: Vec<_> = started.iter().map(|at| (*at - began).as_millis()).collect();
    assert_eq!(at, [0, 250, 500, 750, 1_000]);
}
