//! Permits, and their end by the clock or by a call.

use std::time::Duration;

use tokio::time::Instant;

use crate::election::clock::{Clock, Moment};
use crate::election::leadership::{Leadership, Term, sole_leader};
use crate::election::tests::WrongClock;

const SECOND: Duration = Duration::from_secs(1);

fn for_ten_seconds() -> Leadership {
    Leadership::granted(Term::new(7), after(10 * SECOND), Clock::system())
}

fn after(duration: Duration) -> Moment {
    Clock::system().now().plus(duration)
}

#[tokio::test(start_paused = true)]
async fn a_permit_ends_at_the_deadline_by_itself() {
    let leadership = for_ten_seconds();
    let permit = leadership.permit().expect("before the deadline");
    assert_eq!(permit.term().value(), 7);
    tokio::time::advance(9 * SECOND).await;
    assert_eq!(permit.time_left(), SECOND);
    assert!(leadership.permit().is_ok());
    tokio::time::advance(SECOND).await;
    assert_eq!(permit.time_left(), Duration::ZERO);
    let lost = leadership.permit().expect_err("at the deadline");
    assert_eq!(lost.term(), Term::new(7));
}

#[tokio::test(start_paused = true)]
async fn a_renewal_moves_the_deadline_of_permits_already_given() {
    let leadership = for_ten_seconds();
    let permit = leadership.permit().expect("before the deadline");
    tokio::time::advance(4 * SECOND).await;
    leadership.extend(after(10 * SECOND)).expect("in time");
    assert_eq!(permit.time_left(), 10 * SECOND);
    let before = Instant::now();
    permit.ended().await;
    // Timers have a resolution of one millisecond.
    assert!(before.elapsed() >= 10 * SECOND && before.elapsed() < 11 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_does_not_bring_it_back() {
    let leadership = for_ten_seconds();
    tokio::time::advance(10 * SECOND).await;
    let late = leadership.extend(after(10 * SECOND));
    assert!(late.is_err());
    assert!(leadership.permit().is_err());
}

#[tokio::test(start_paused = true)]
async fn an_earlier_deadline_does_not_shorten_it() {
    let leadership = for_ten_seconds();
    leadership.extend(after(SECOND)).expect("in time");
    tokio::time::advance(9 * SECOND).await;
    assert!(leadership.permit().is_ok());
}

#[tokio::test(start_paused = true)]
async fn ending_it_ends_every_clone_and_permit_at_once() {
    let leadership = for_ten_seconds();
    let (clone, permit) = (leadership.clone(), leadership.permit().expect("leads"));
    let started = Instant::now();
    let waiting = tokio::spawn(async move {
        permit.ended().await;
        permit.time_left()
    });
    tokio::task::yield_now().await;
    clone.end();
    assert_eq!(waiting.await.expect("no panic"), Duration::ZERO);
    assert!(started.elapsed() < SECOND);
    assert!(leadership.permit().is_err());
    assert!(leadership.extend(after(SECOND)).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_sole_leader_leads_for_years() {
    let leadership = sole_leader(1);
    tokio::time::advance(Duration::from_secs(60 * 60 * 24 * 365)).await;
    assert!(leadership.permit().is_ok());
    assert_eq!(leadership.term().value(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_was_suspended_has_lost() {
    let wall = WrongClock::default();
    let clock = wall.clock();
    let deadline = clock.now().plus(10 * SECOND);
    let leadership = Leadership::granted(Term::new(7), deadline, clock.clone());
    // The monotonic clock stood still meanwhile.
    wall.turn_forward(9 * SECOND);
    assert!(leadership.permit().is_ok(), "a short nap");
    wall.turn_forward(SECOND);
    assert!(leadership.permit().is_err());
    let late = clock.now().plus(10 * SECOND);
    assert!(leadership.extend(late).is_err(), "a late answer");
    let before = Instant::now();
    leadership.ended().await;
    assert_eq!(before.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn ended_completes_soon_after_a_suspension() {
    let wall = WrongClock::default();
    let clock = wall.clock();
    let deadline = clock.now().plus(10 * SECOND);
    let leadership = Leadership::granted(Term::new(7), deadline, clock);
    let before = Instant::now();
    let (waited, ()) = tokio::join!(
        async {
            leadership.ended().await;
            before.elapsed()
        },
        async { wall.turn_forward(600 * SECOND) },
    );
    assert!(waited <= SECOND + Duration::from_millis(10), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_is_set_back_lengthens_nothing() {
    let wall = WrongClock::default();
    let clock = wall.clock();
    let deadline = clock.now().plus(10 * SECOND);
    let leadership = Leadership::granted(Term::new(7), deadline, clock);
    wall.turn_back(600 * SECOND);
    assert!(leadership.permit().is_ok(), "it costs nothing either");
    tokio::time::advance(SECOND).await;
    leadership
        .extend(wall.clock().now().plus(10 * SECOND))
        .expect("in time");
    wall.turn_forward(10 * SECOND);
    assert!(leadership.permit().is_err(), "suspended after the step");
}
