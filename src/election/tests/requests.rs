//! Single attempts at the Lease through the layer.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::json;
use tokio::time::{Instant, advance};

use super::lease_of;
use super::server::{Fault, Server};
use crate::election::lease::{Attempt, HeldLease, ReleaseOutcome};
use crate::election::lease_error::LeaseError;
use crate::election::observed_lease::ObservedLease;
use crate::election::{Candidate, Clock, Timing};
use crate::error_chain::with_causes;

const SECOND: Duration = Duration::from_secs(1);

fn candidate(identity: &str) -> Candidate {
    Candidate {
        namespace: "namespace".to_owned(),
        lease: "lease".to_owned(),
        identity: identity.to_owned(),
        timing: Timing::default(),
        clock: Clock::system(),
        sees: tokio::sync::watch::channel(true).1,
    }
}

fn lease_for(identity: &str, server: &Server) -> HeldLease {
    let candidate = candidate(identity);
    let observed_lease = Arc::new(ObservedLease::new(candidate.timing.lease_duration));
    HeldLease::new(server.service(), &candidate, observed_lease)
}

fn is_held(attempt: &Attempt) -> bool {
    matches!(attempt, Attempt::Held { .. })
}

fn is_held_by(attempt: &Attempt, other: &str) -> bool {
    matches!(attempt, Attempt::HeldBy(holder) if holder == other)
}

#[tokio::test(start_paused = true)]
async fn the_term_is_the_version_of_the_acquiring_write() {
    let server = Server::default();
    server.put_spec(json!({"holderIdentity": ""}));
    let Attempt::Held { term, .. } = lease_for("us", &server).attempt().await else {
        panic!("a free Lease is taken");
    };
    assert_eq!(term.value(), server.version());
}

#[tokio::test(start_paused = true)]
async fn each_patch_carries_the_version_of_the_read_before_it() {
    let server = Server::default();
    let lease = lease_for("us", &server);
    for _ in 0..3 {
        assert!(is_held(&lease.attempt().await));
    }
    let patches: Vec<_> = server
        .state()
        .requests
        .iter()
        .filter(|(method, _)| method == Method::PATCH)
        .map(|(_, body)| body["metadata"]["resourceVersion"].clone())
        .collect();
    assert_eq!(patches, [json!("1"), json!("2")]);
}

#[tokio::test(start_paused = true)]
async fn of_two_that_read_the_same_lease_one_gets_it() {
    let server = Server::default();
    server.put_spec(json!({"holderIdentity": ""}));
    // Both reads come before either write.
    server.fail(Method::PATCH, Fault::LateStart(SECOND));
    let (first, second) = (lease_for("first", &server), lease_for("second", &server));
    let (first, second) = tokio::join!(first.attempt(), second.attempt());
    assert!(
        matches!(
            (&first, &second),
            (Attempt::Held { .. }, Attempt::Contended) | (Attempt::Contended, Attempt::Held { .. })
        ),
        "{first:?} {second:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_lands_late_does_not_take_the_lease_back() {
    let server = Server::default();
    let lease = lease_for("us", &server);
    assert!(is_held(&lease.attempt().await));
    server.fail(Method::PATCH, Fault::LateStart(2 * SECOND));
    let (attempt, ()) = tokio::join!(lease.attempt(), async {
        tokio::time::sleep(SECOND).await;
        server.put(&lease_of("other", 15));
    });
    assert!(matches!(attempt, Attempt::Contended), "{attempt:?}");
    assert_eq!(server.spec("holderIdentity"), "other");
}

#[tokio::test(start_paused = true)]
async fn no_wall_clock_counts() {
    let cases = [
        ("1999-01-01T00:00:00.000000Z", "the holder's clock is slow"),
        ("2199-01-01T00:00:00.000000Z", "the holder's clock is fast"),
    ];
    for (renewed, why) in cases {
        let server = Server::default();
        let lease = lease_for("us", &server);
        server.put_spec(json!({
            "holderIdentity": "other", "leaseDurationSeconds": 15, "leaseTransitions": 3,
            "acquireTime": renewed, "renewTime": renewed,
        }));
        assert!(
            is_held_by(&lease.attempt().await, "other"),
            "first seen: {why}"
        );
        advance(14 * SECOND).await;
        assert!(
            is_held_by(&lease.attempt().await, "other"),
            "after 14 s: {why}"
        );
        advance(SECOND).await;
        assert!(is_held(&lease.attempt().await), "after 15 s: {why}");
        assert_eq!(server.spec("leaseTransitions"), 4);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_without_a_holder_is_taken_whatever_else_it_lacks() {
    let cases = [
        (json!(null), 1, "made empty"),
        (
            json!({"leaseTransitions": 12}),
            13,
            "released by setting null",
        ),
        (
            json!({"holderIdentity": "", "leaseDurationSeconds": 1}),
            1,
            "released like client-go",
        ),
        (
            json!({"holderIdentity": "", "leaseTransitions": i32::MAX}),
            1,
            "no number is left",
        ),
    ];
    for (spec, transitions, why) in cases {
        let server = Server::default();
        server.put_spec(spec);
        let attempt = lease_for("us", &server).attempt().await;
        assert!(is_held(&attempt), "{why}: {attempt:?}");
        assert_eq!(server.spec("leaseTransitions"), transitions, "{why}");
        assert_eq!(server.spec("leaseDurationSeconds"), 15, "{why}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_holder_with_null_fields_is_waited_for() {
    let server = Server::default();
    server.put_spec(json!({"holderIdentity": "other"}));
    let lease = lease_for("us", &server);
    assert!(is_held_by(&lease.attempt().await, "other"));
    advance(15 * SECOND).await;
    assert!(is_held(&lease.attempt().await));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_lease_is_not_created_again_while_its_holder_may_live() {
    let server = Server::default();
    server.put(&lease_of("other", 15));
    let lease = lease_for("us", &server);
    assert!(is_held_by(&lease.attempt().await, "other"));
    server.delete();
    assert!(is_held_by(&lease.attempt().await, "other"));
    advance(15 * SECOND).await;
    assert!(is_held(&lease.attempt().await));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_hangs_ends_at_its_deadline() {
    for method in [Method::GET, Method::PATCH] {
        let server = Server::default();
        server.put_spec(json!({}));
        server.fail(method.clone(), Fault::LateStart(3600 * SECOND));
        let started = Instant::now();
        let attempt = lease_for("us", &server).attempt().await;
        let Attempt::Failed(LeaseError::Unreachable(error)) = attempt else {
            panic!("{attempt:?}");
        };
        let why = with_causes(&error);
        assert!(why.contains(method.as_str()), "{why}");
        assert!(started.elapsed() < 4 * SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn errors_are_classified_by_their_code() {
    let server = Server::default();
    let lease = lease_for("us", &server);
    for (method, code) in [(Method::GET, 403), (Method::POST, 403)] {
        server.fail(method, Fault::Refuse(code));
        let attempt = lease.attempt().await;
        assert!(
            matches!(attempt, Attempt::Failed(LeaseError::Forbidden(_))),
            "{attempt:?}"
        );
    }
    server.fail(Method::POST, Fault::Refuse(404));
    let attempt = lease.attempt().await;
    assert!(
        matches!(attempt, Attempt::Failed(LeaseError::NoNamespace(_))),
        "{attempt:?}"
    );
    server.fail(Method::GET, Fault::Refuse(500));
    let attempt = lease.attempt().await;
    assert!(
        matches!(
            attempt,
            Attempt::Failed(LeaseError::Refused { code: 500, .. })
        ),
        "{attempt:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn only_our_own_lease_is_released() {
    let server = Server::default();
    let lease = lease_for("us", &server);
    assert!(is_held(&lease.attempt().await));
    server.put(&lease_of("other", 15));
    assert_eq!(
        lease.release().await.expect("an answer"),
        ReleaseOutcome::NotOurs
    );
    assert_eq!(server.spec("holderIdentity"), "other");
    server.delete();
    assert_eq!(
        lease.release().await.expect("an answer"),
        ReleaseOutcome::NotOurs
    );
    server.put(&lease_of("", 1));
    assert!(is_held(&lease.attempt().await));
    assert_eq!(
        lease.release().await.expect("an answer"),
        ReleaseOutcome::Done
    );
    assert_eq!(server.spec("holderIdentity"), "");
    assert_eq!(server.spec("leaseDurationSeconds"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_release_that_lands_late_does_not_empty_anothers_lease() {
    let server = Server::default();
    let lease = lease_for("us", &server);
    assert!(is_held(&lease.attempt().await));
    server.fail(Method::PATCH, Fault::LateStart(2 * SECOND));
    let (release, ()) = tokio::join!(lease.release(), async {
        tokio::time::sleep(SECOND).await;
        server.put(&lease_of("other", 15));
    });
    assert!(matches!(release, Err(LeaseError::Conflict)), "{release:?}");
    assert_eq!(server.spec("holderIdentity"), "other");
}

#[tokio::test(start_paused = true)]
async fn a_write_without_a_response_is_unconfirmed_until_the_next() {
    let server = Server::default();
    let lease = lease_for("us", &server);
    server.fail(Method::POST, Fault::LateAnswer(3600 * SECOND));
    assert!(matches!(lease.attempt().await, Attempt::Failed(_)));
    assert!(lease.has_unconfirmed_write());
    server.work();
    assert!(is_held(&lease.attempt().await), "it had become ours");
    assert!(!lease.has_unconfirmed_write());
}
