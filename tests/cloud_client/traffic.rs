//! Limits, pauses and what is observed, on real connections. The limits' own
//! rules are tested beside them, on a paused clock.

use std::time::{Duration, Instant};

use futures::FutureExt;
use my_cloud_controller_manager::cloud::{
    Call, CallEvent, Cloud, ErrorKind, Profile, RestSettings, Verb, Which,
};
use my_cloud_controller_manager::plan::naming::LoadBalancerId;
use my_cloud_controller_manager::priority::Priority;

use crate::edge::{Edge, Events, answer, client, permit, plain_request, settings};

/// Answers everything but what is asked about the load balancer `silent`.
async fn partly_silent() -> Edge {
    Edge::start(|_, seen| {
        let silent = seen.body["lbId"] == "silent";
        Box::pin(async move {
            if silent {
                std::future::pending::<()>().await;
            }
            answer(404, r#"{"err":"none"}"#)
        })
    })
    .await
}

fn codes(events: &Events) -> Vec<String> {
    let events = events.lock().expect("lock");
    let codes = events.iter().map(|event| match event {
        CallEvent::Started { verb, .. } => format!("started {verb}"),
        CallEvent::Finished(Call { code, .. }) => code.as_str().to_owned(),
        CallEvent::NotSent(Call { code, .. }) => format!("not sent: {}", code.as_str()),
        CallEvent::Skipped { item, .. } => format!("skipped {}", item.as_str()),
        CallEvent::Paused { length, .. } => format!("paused for {length:?}"),
    });
    codes.collect()
}

#[tokio::test]
async fn background_calls_that_hang_leave_room_for_users() {
    let edge = partly_silent().await;
    let (cloud, _) = client(settings(&edge.endpoint, Profile::Standard));
    let (silent, other) = (LoadBalancerId::new("silent"), LoadBalancerId::new("other"));
    let hanging = (0..20).map(|_| cloud.query(Which::Id(&silent), Priority::Background));
    let hanging = futures::future::join_all(hanging);
    let users = async {
        for _ in 0..10 {
            let found = cloud.query(Which::Id(&other), Priority::User).await;
            assert!(matches!(found, Ok(None)));
        }
    };
    tokio::select! {
        _ = hanging => panic!("the background calls hang"),
        () = users => {}
    }
    let hung = edge
        .seen()
        .iter()
        .filter(|seen| seen.body["lbId"] == "silent")
        .count();
    assert!(hung <= 3, "{hung} of 4 places taken by background calls");
}

#[tokio::test]
async fn no_call_starts_before_retry_after() {
    for (status, code) in [(429, "429"), (503, "503")] {
        let edge = Edge::start(move |number, _| {
            let mut response = answer(200, r#"{"err":""}"#);
            if number == 0 {
                response = answer(status, "");
                let header = "1".parse().expect("header");
                response.headers_mut().insert("retry-after", header);
            }
            Box::pin(async move { response })
        })
        .await;
        let (cloud, events) = client(settings(&edge.endpoint, Profile::Standard));
        let id = LoadBalancerId::new("a");
        let asked = Instant::now();
        let error = cloud.delete(&permit(), &id).await.expect_err("throttled");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(1)));
        cloud.delete(&permit(), &id).await.expect("deleted");
        assert!(asked.elapsed() >= Duration::from_secs(1));
        assert_eq!(
            codes(&events),
            [
                "started delete",
                "paused for 1s",
                code,
                "started delete",
                "200"
            ]
        );
    }
}

#[tokio::test]
async fn a_pause_longer_than_a_call_may_wait_is_reported_with_what_is_left() {
    let edge = Edge::always(429, &[("retry-after", "3600")], "").await;
    let (cloud, events) = client(settings(&edge.endpoint, Profile::Standard));
    let request = plain_request("web");
    for _ in 0..2 {
        let error = cloud
            .create(&permit(), &request, Priority::User)
            .await
            .expect_err("throttled");
        let left = error.retry_after().expect("a pause");
        assert!(left > Duration::from_secs(3_500), "{left:?}");
        assert!(!error.outcome_unknown());
    }
    assert_eq!(edge.seen().len(), 1);
    assert_eq!(
        codes(&events),
        [
            "started create",
            "paused for 3600s",
            "429",
            "not sent: paused"
        ]
    );
}

#[tokio::test]
async fn a_call_that_is_given_up_is_no_longer_in_flight() {
    let edge = partly_silent().await;
    let (cloud, events) = client(settings(&edge.endpoint, Profile::Standard));
    let id = LoadBalancerId::new("silent");
    let given_up = cloud.query(Which::Id(&id), Priority::User).now_or_never();
    assert!(given_up.is_none());
    assert_eq!(codes(&events), ["started query", "cancelled"]);
}

#[tokio::test]
async fn a_call_without_a_place_gives_up_at_the_timeout() {
    let edge = partly_silent().await;
    let (cloud, events) = client(RestSettings {
        concurrency: 1,
        request_timeout: Duration::from_millis(100),
        ..settings(&edge.endpoint, Profile::Standard)
    });
    let (silent, permit) = (LoadBalancerId::new("silent"), permit());
    let first = cloud.delete(&permit, &silent);
    let second = cloud.delete(&permit, &silent);
    let third = cloud.delete(&permit, &silent);
    let (first, second, third) = futures::join!(first, second, third);
    let kinds = [first, second, third].map(|result| result.expect_err("silence").kind());
    assert_eq!(kinds[0], ErrorKind::Timeout);
    assert!(kinds.contains(&ErrorKind::Busy), "{kinds:?}");
    let events = events.lock().expect("lock");
    let call = events.iter().find_map(|event| match event {
        CallEvent::NotSent(call) => Some(call.clone()),
        _ => None,
    });
    let call = call.expect("one was not sent");
    assert_eq!((call.verb, call.took), (Verb::Delete, Duration::ZERO));
    assert!(call.waited >= Duration::from_millis(100));
}
