//! The stop of a candidate.

use std::time::Duration;

use http::Method;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::candidate::{SECOND, start};
use super::lease_of;
use super::server::{Fault, Server};
use crate::election::{ElectionError, Observation, Role};

#[tokio::test(start_paused = true)]
async fn permits_and_role_end_before_the_release_is_written() {
    let server = Server::default();
    let mut candidate = start("us", &server);
    let leadership = candidate.leads().await;
    server.fail(Method::PATCH, Fault::LateStart(SECOND));
    candidate.release.cancel();
    candidate
        .roles
        .wait_for(|role| matches!(role, Role::Standby))
        .await
        .expect("the candidate runs");
    assert!(leadership.permit().is_err());
    assert_eq!(server.spec("holderIdentity"), "us", "not yet released");
    candidate.task.await.expect("no panic").expect("released");
    assert_eq!(server.spec("holderIdentity"), "");
    let seen = candidate.seen.lock();
    assert_eq!(*seen, [Observation::Acquired, Observation::Released]);
}

#[tokio::test(start_paused = true)]
async fn a_release_goes_on_after_a_conflict() {
    let server = Server::default();
    let mut candidate = start("us", &server);
    candidate.leads().await;
    server.fail(Method::PATCH, Fault::Refuse(409));
    candidate.release.cancel();
    sleep(SECOND).await;
    server.work();
    candidate.task.await.expect("no panic").expect("released");
    assert_eq!(server.spec("holderIdentity"), "");
}

#[tokio::test(start_paused = true)]
async fn a_release_that_cannot_be_written_is_an_error_within_the_renew_deadline() {
    let server = Server::default();
    let mut candidate = start("us", &server);
    candidate.leads().await;
    server.fail(Method::PATCH, Fault::LateStart(3600 * SECOND));
    let before = Instant::now();
    candidate.release.cancel();
    let error = candidate
        .task
        .await
        .expect("no panic")
        .expect_err("not released");
    assert!(
        matches!(error, ElectionError::NotReleased { .. }),
        "{error}"
    );
    assert!(before.elapsed() <= 10 * SECOND + Duration::from_millis(10));
}

#[tokio::test(start_paused = true)]
async fn a_standby_stops_without_a_write() {
    let server = Server::default();
    server.put(&lease_of("other", 15));
    let candidate = start("us", &server);
    sleep(SECOND).await;
    candidate.release.cancel();
    candidate
        .task
        .await
        .expect("no panic")
        .expect("nothing to release");
    assert!(
        server
            .state()
            .requests
            .iter()
            .all(|(method, _)| method == Method::GET)
    );
    assert_eq!(server.spec("holderIdentity"), "other");
}

#[tokio::test(start_paused = true)]
async fn a_standby_whose_acquisition_has_no_response_releases_the_lease() {
    let server = Server::default();
    server.put_spec(json!({}));
    server.fail(Method::PATCH, Fault::LateAnswer(3600 * SECOND));
    let candidate = start("us", &server);
    sleep(SECOND).await;
    assert_eq!(
        server.spec("holderIdentity"),
        "us",
        "the write has happened"
    );
    server.work();
    candidate.release.cancel();
    candidate.task.await.expect("no panic").expect("released");
    assert_eq!(server.spec("holderIdentity"), "");
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_is_dropped_leads_no_more() {
    let server = Server::default();
    let mut candidate = start("us", &server);
    let leadership = candidate.leads().await;
    candidate.task.abort();
    leadership.ended().await;
    assert!(leadership.permit().is_err());
    assert_eq!(
        server.spec("holderIdentity"),
        "us",
        "the Lease expires later"
    );
}
