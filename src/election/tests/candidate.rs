//! A whole candidate: from standby to leader to the end.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Method;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::lease_of;
use super::server::{Fault, Server};
use crate::election::elector::Elector;
use crate::election::lease::HeldLease;
use crate::election::sight::{Sight, Source};
use crate::election::trouble::TroubleLog;
use crate::election::{Candidate, ElectionError, Leadership, Observation, Role, Timing};

const SECOND: Duration = Duration::from_secs(1);

struct Running {
    task: JoinHandle<Result<(), ElectionError>>,
    roles: watch::Receiver<Role>,
    sight: Arc<Sight>,
    release: CancellationToken,
    seen: Arc<Mutex<Vec<Observation>>>,
}

fn start(identity: &str, server: &Server) -> Running {
    let timing = Timing::default();
    let candidate = Candidate {
        namespace: "namespace".to_owned(),
        lease: "lease".to_owned(),
        identity: identity.to_owned(),
        timing,
    };
    let sight = Arc::new(Sight::new(timing.lease_duration));
    let (roles, receiver) = watch::channel(Role::Standby);
    let release = CancellationToken::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let notes = seen.clone();
    let elector = Elector {
        timing,
        identity: identity.to_owned(),
        lease: HeldLease::new(server.service(), &candidate, sight.clone()),
        sight: sight.clone(),
        roles,
        observe: Arc::new(move |observation| notes.lock().expect("a lock").push(observation)),
        release: release.clone(),
        end_process: Arc::new(|| panic!("the runtime is not stuck")),
        log: TroubleLog::new("the election"),
    };
    Running {
        task: tokio::spawn(elector.run()),
        roles: receiver,
        sight,
        release,
        seen,
    }
}

impl Running {
    async fn leads(&mut self) -> Leadership {
        let role = self.roles.wait_for(|role| matches!(role, Role::Leader(_)));
        match &*role.await.expect("the candidate runs") {
            Role::Leader(leadership) => leadership.clone(),
            Role::Standby => unreachable!("waited for a leader"),
        }
    }

    fn is_standby(&self) -> bool {
        matches!(*self.roles.borrow(), Role::Standby)
    }

    async fn lost(self) -> ElectionError {
        let result = self.task.await.expect("no panic");
        let error = result.expect_err("leadership was lost");
        let seen = self.seen.lock().expect("a lock");
        assert_eq!(seen.last(), Some(&Observation::Lost));
        assert!(matches!(*self.roles.borrow(), Role::Standby));
        error
    }
}

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
async fn a_renewal_counts_from_when_it_was_sent() {
    let server = Server::default();
    let mut candidate = start("us", &server);
    let leadership = candidate.leads().await;
    let slow = 3 * SECOND;
    server.fail(Method::PATCH, Fault::LateAnswer(slow));
    let first = leadership.permit().expect("leads").deadline();
    // Two seconds of pause, then three until the answer.
    sleep(6 * SECOND).await;
    let second = leadership.permit().expect("leads").deadline();
    let moved = second - first;
    assert!(moved >= 2 * SECOND && moved < 3 * SECOND, "{moved:?}");
}

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
async fn another_holder_in_the_watch_ends_leadership_at_once() {
    let server = Server::default();
    let mut candidate = start("us", &server);
    let leadership = candidate.leads().await;
    let other = lease_of("other", 15);
    let version = server.put(&other);
    let before = Instant::now();
    candidate.sight.note(version, &other, Source::Watch);
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
    candidate.sight.note(version, &old, Source::Watch);
    sleep(60 * SECOND).await;
    assert!(leadership.permit().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_deleted_lease_is_written_anew_at_once_by_its_leader() {
    let server = Server::default();
    let mut candidate = start("us", &server);
    let leadership = candidate.leads().await;
    server.delete();
    let before = Instant::now();
    candidate.sight.note_gone();
    while server.state().requests.len() < 3 {
        sleep(Duration::from_millis(1)).await;
    }
    assert!(before.elapsed() < SECOND);
    sleep(60 * SECOND).await;
    assert!(leadership.permit().is_ok());
    assert_eq!(server.spec("holderIdentity"), "us");
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
    candidate.sight.note(version, &emptied, Source::Watch);
    candidate.leads().await;
    assert!(before.elapsed() < Duration::from_millis(10));
}

#[tokio::test(start_paused = true)]
async fn a_standby_takes_a_dead_holders_lease_the_moment_it_runs_out() {
    let server = Server::default();
    let mut candidate = start("us", &server);
    // Seen by the watch before the first read.
    let lease = lease_of("other", 15);
    let version = server.put(&lease);
    candidate.sight.note(version, &lease, Source::Watch);
    let before = Instant::now();
    candidate.leads().await;
    let waited = before.elapsed();
    assert!(waited >= 15 * SECOND && waited < 15 * SECOND + Duration::from_millis(50));
}

#[tokio::test(start_paused = true)]
async fn a_standby_outlasts_an_api_server_that_is_away_or_refuses() {
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
    let seen = candidate.seen.lock().expect("a lock");
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
async fn a_standby_whose_acquisition_is_unanswered_gives_it_back() {
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
    assert_eq!(server.spec("holderIdentity"), "us", "left to run out");
}

#[tokio::test(start_paused = true)]
async fn two_candidates_never_lead_at_once_and_terms_increase() {
    let server = Server::default();
    let (mut first, mut second) = (start("first", &server), start("second", &server));
    let (mut terms, started) = (Vec::new(), Instant::now());
    let leader = tokio::select! {
        leadership = first.leads() => leadership,
        leadership = second.leads() => leadership,
    };
    terms.push(leader.term());
    sleep(60 * SECOND).await;
    assert_ne!(first.is_standby(), second.is_standby());
    let (leading, mut waiting) = if first.is_standby() {
        (second, first)
    } else {
        (first, second)
    };
    leading.task.abort();
    terms.push(waiting.leads().await.term());
    assert!(
        terms.is_sorted_by(|earlier, later| earlier < later),
        "{terms:?}"
    );
    assert!(started.elapsed() >= 60 * SECOND);
}
