//! Renewals of the leadership, and the ways to lose it.

use std::time::Duration;

use http::Method;
use tokio::time::{Instant, advance, sleep};

use super::candidate::{SECOND, start};
use super::lease_of;
use super::server::{Fault, Server};
use crate::election::observed_lease::Source;
use crate::election::{ElectionError, Role, WritePermit};

#[tokio::test(start_paused = true)]
async fn leads_as_long_as_it_renews() {
    let server = Server::default();
    let mut candidate = start("us", &server);
    let leadership = candidate.leads().await;
    sleep(3600 * SECOND).await;
    let permit = leadership.permit().expect("renewed all the time");
    assert!(permit.time_left() >= 7 * SECOND, "{:?}", permit.time_left());
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_hangs_ends_leadership_at_the_deadline() {
    let server = Server::default();
    let mut candidate = start("us", &server);
    let leadership = candidate.leads().await;
    let deadline = leadership.permit().expect("leads").deadline();
    server.fail(Method::GET, Fault::LateStart(3600 * SECOND));
    let error = candidate.lost().await;
    assert!(
        matches!(error, ElectionError::LostByDeadline { .. }),
        "{error}"
    );
    assert!(Instant::now() >= deadline && Instant::now() < deadline + SECOND);
    assert!(leadership.permit().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_term_and_its_renewals_count_from_when_they_were_sent() {
    let started = Instant::now();
    let server = Server::default();
    server.fail(Method::POST, Fault::LateAnswer(3 * SECOND));
    let mut candidate = start("us", &server);
    let leadership = candidate.leads().await;
    let deadline = || leadership.permit().expect("leads").deadline() - started;
    assert_eq!(deadline().as_secs(), 10, "three seconds have passed since");
    server.fail(Method::PATCH, Fault::LateAnswer(3 * SECOND));
    // Two seconds of pause, then three until the answer.
    sleep(6 * SECOND).await;
    assert_eq!(deadline().as_secs(), 15);
}

#[tokio::test(start_paused = true)]
async fn a_process_frozen_while_it_renews_has_lost() {
    let server = Server::default();
    let mut candidate = start("us", &server);
    let leadership = candidate.leads().await;
    server.fail(Method::PATCH, Fault::LateAnswer(SECOND));
    server.requests(4).await;
    advance(12 * SECOND).await;
    assert!(leadership.permit().is_err(), "before anything else has run");
    let error = candidate.lost().await;
    assert!(
        matches!(error, ElectionError::LostByDeadline { .. }),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn another_holder_in_the_watch_ends_leadership_at_once() {
    let server = Server::default();
    let mut candidate = start("us", &server);
    let leadership = candidate.leads().await;
    let other = lease_of("other", 15);
    let version = server.put(&other);
    let before = Instant::now();
    candidate
        .observed_lease
        .record(version, &other, Source::Watch);
    leadership.ended().await;
    assert_eq!(before.elapsed(), Duration::ZERO);
    let error = candidate.lost().await;
    assert!(
        matches!(&error, ElectionError::LostToAnother { holder, .. } if holder == "other"),
        "{error}"
    );
    assert_eq!(server.spec("holderIdentity"), "other");
}

#[tokio::test(start_paused = true)]
async fn another_holder_in_a_read_ends_leadership_without_the_watch() {
    let server = Server::default();
    let mut candidate = start("us", &server);
    let leadership = candidate.leads().await;
    server.put(&lease_of("other", 15));
    let before = Instant::now();
    leadership.ended().await;
    assert!(before.elapsed() <= 2 * SECOND + Duration::from_millis(10));
    candidate.lost().await;
}

#[tokio::test(start_paused = true)]
async fn an_old_event_of_the_watch_does_not_end_leadership() {
    let server = Server::default();
    let old = lease_of("other", 15);
    let version = server.put(&old);
    let mut candidate = start("us", &server);
    let leadership = candidate.leads().await;
    candidate
        .observed_lease
        .record(version, &old, Source::Watch);
    sleep(60 * SECOND).await;
    assert!(leadership.permit().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_deleted_lease_is_created_again_at_once_by_its_leader() {
    let server = Server::default();
    let mut candidate = start("us", &server);
    let leadership = candidate.leads().await;
    server.delete();
    let before = Instant::now();
    candidate.observed_lease.record_deletion();
    server.requests(4).await;
    assert!(before.elapsed() < SECOND);
    sleep(60 * SECOND).await;
    assert!(leadership.permit().is_ok());
    assert_eq!(server.spec("holderIdentity"), "us");
}

#[tokio::test(start_paused = true)]
async fn two_candidates_never_lead_at_once_and_terms_increase() {
    let server = Server::default();
    let candidates = [start("first", &server), start("second", &server)];
    let mut terms = Vec::new();
    // A tenth of a second at a time; the leader fails after a minute.
    for tenth in 0..1200 {
        sleep(SECOND / 10).await;
        let permits: Vec<_> = candidates
            .iter()
            .filter_map(|candidate| match &*candidate.roles.borrow() {
                Role::Leader(leadership) => leadership.permit().ok(),
                Role::Standby => None,
            })
            .collect();
        assert!(permits.len() <= 1, "after {tenth} tenths: {permits:?}");
        terms.extend(permits.first().map(WritePermit::term));
        if tenth == 600 {
            let leading = candidates.iter().find(|candidate| !candidate.is_standby());
            leading.expect("a leader after a minute").task.abort();
        }
    }
    assert!(terms.is_sorted());
    terms.dedup();
    assert_eq!(terms.len(), 2, "{terms:?}");
}

#[tokio::test(start_paused = true)]
async fn a_leader_whose_lease_went_back_in_time_makes_way_for_a_higher_term() {
    let server = Server::default();
    server.state().restore(900);
    let mut candidate = start("us", &server);
    let before = candidate.leads().await.term().value();
    sleep(10 * SECOND).await;
    let highest = server.version();
    // The backup is from within this leadership.
    server.state().restore(7);
    server.put(&lease_of("us", 15));
    let error = candidate.lost().await;
    assert!(
        matches!(error, ElectionError::TimeWentBack { .. }),
        "{error}"
    );
    assert_eq!(server.spec("holderIdentity"), "", "released");
    let mut next = start("next", &server);
    let term = next.leads().await.term().value();
    assert!(
        term > highest && highest > before,
        "{before} {highest} {term}"
    );
    assert!(server.version() < 100);
}
