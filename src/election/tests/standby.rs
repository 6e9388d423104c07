//! From standby to leader.

use std::time::Duration;

use http::Method;
use tokio::time::{Instant, advance, sleep};

use super::candidate::{SECOND, start};
use super::lease_of;
use super::server::{Fault, Server};
use crate::election::observed_lease::{Source, TERM_OFFSET};

#[tokio::test(start_paused = true)]
async fn an_acquisition_without_an_answer_leads_from_the_next_write_on() {
    let server = Server::default();
    server.fail(Method::POST, Fault::LateAnswer(3600 * SECOND));
    let mut candidate = start("us", &server);
    let leadership = candidate.leads().await;
    // The create had no answer; the Lease was then found to be ours, and
    // renewed: that write is the term and starts the deadline.
    assert_eq!((leadership.term().value(), server.version()), (2, 2));
    let left = leadership.permit().expect("leads").time_left();
    assert!(left >= 9 * SECOND, "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn a_process_frozen_while_it_acquires_does_not_lead_by_the_late_answer() {
    let server = Server::default();
    server.fail(Method::POST, Fault::LateAnswer(SECOND));
    let mut candidate = start("us", &server);
    server.requests(2).await;
    // One jump: the answer, the request's deadline and the end of what it would
    // have granted are all in the past when the process runs again.
    advance(12 * SECOND).await;
    assert_eq!(
        candidate.leads().await.term().value(),
        2,
        "not by the create"
    );
}

#[tokio::test(start_paused = true)]
async fn a_standby_takes_an_emptied_lease_at_once() {
    let server = Server::default();
    server.put(&lease_of("other", 15));
    let mut candidate = start("us", &server);
    sleep(SECOND).await;
    assert!(candidate.is_standby());
    let version = server.put(&lease_of("", 1));
    let before = Instant::now();
    let emptied = lease_of("", 1);
    candidate
        .observed_lease
        .record(version, &emptied, Source::Watch);
    candidate.leads().await;
    assert!(before.elapsed() < Duration::from_millis(10));
}

#[tokio::test(start_paused = true)]
async fn a_standby_takes_the_lease_of_a_dead_holder_the_moment_it_expires() {
    let server = Server::default();
    let mut candidate = start("us", &server);
    // Seen by the watch before the first read.
    let lease = lease_of("other", 15);
    let version = server.put(&lease);
    candidate
        .observed_lease
        .record(version, &lease, Source::Watch);
    let before = Instant::now();
    candidate.leads().await;
    let waited = before.elapsed();
    assert!(waited >= 15 * SECOND && waited < 15 * SECOND + Duration::from_millis(50));
}

#[tokio::test(start_paused = true)]
async fn a_standby_outlasts_an_api_server_that_is_down_or_rejects() {
    for fault in [
        Fault::LateStart(3600 * SECOND),
        Fault::Refuse(403),
        Fault::Refuse(500),
    ] {
        let server = Server::default();
        server.fail(Method::GET, fault);
        let mut candidate = start("us", &server);
        sleep(3600 * SECOND).await;
        assert!(candidate.is_standby() && !candidate.task.is_finished());
        server.work();
        candidate.leads().await;
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_restore_of_etcd_the_next_term_is_greater_than_all_before() {
    let server = Server::default();
    server.state().restore(900);
    server.put(&lease_of("other", 15));
    let mut standby = start("us", &server);
    sleep(3 * SECOND).await;
    let highest = server.version();
    server.state().restore(7);
    server.put(&lease_of("other", 15));
    // One that knows nothing of the time before acquires the Lease all the same.
    sleep(5 * SECOND).await;
    assert_eq!(server.annotation(TERM_OFFSET), highest.to_string());
    let mut ignorant = start("ignorant", &server);
    sleep(30 * SECOND).await;
    let (one, other) = (&mut standby, &mut ignorant);
    let leadership = tokio::select! {
        leadership = one.leads() => leadership,
        leadership = other.leads() => leadership,
    };
    assert!(server.version() < 100);
    assert!(leadership.term().value() > highest, "{}", leadership.term());
}
