//! What becomes of the answers that a good cloud never gives.

use std::time::Duration;

use axum::body::Bytes;
use axum::response::IntoResponse;
use my_cloud_controller_manager::cloud::{Cloud, CloudError, ErrorKind, Profile, Which};
use my_cloud_controller_manager::plan::naming::LoadBalancerId;
use my_cloud_controller_manager::priority::Priority;
use my_cloud_controller_manager::reason::Reason;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::edge::{Edge, client, permit, plain_request, settings};

async fn create(edge: &Edge) -> CloudError {
    let cloud = edge.client(Profile::Standard);
    let created = cloud
        .create(&permit(), &plain_request("web"), Priority::User)
        .await;
    created.expect_err("no good answer")
}

#[tokio::test]
async fn answers_that_fail_a_create() {
    let too_large = format!(
        r#"{{"err":"","lbId":"a","message":"{}"}}"#,
        "x".repeat(1 << 20)
    );
    let cases = [
        (200, "<html>\u{7}", Reason::Protocol, true, "not JSON"),
        (
            200,
            r#"["gone","NotFound"]"#,
            Reason::Protocol,
            true,
            "a list, not an object",
        ),
        (
            404,
            r#"["gone"]"#,
            Reason::Protocol,
            true,
            "a list, not an object",
        ),
        (
            200,
            r#"{"err":"","ip":"192.0.2.1"}"#,
            Reason::Protocol,
            true,
            "no lbId",
        ),
        (
            200,
            r#"{"err":"","lbId":7,"ip":"192.0.2.1"}"#,
            Reason::Protocol,
            true,
            "no text as lbId",
        ),
        (200, &too_large, Reason::Protocol, true, "too large"),
        (
            200,
            r#"{"err":"quota","code":"QuotaExceeded"}"#,
            Reason::Quota,
            false,
            "code in 200",
        ),
        (
            200,
            r#"{"err":"who knows"}"#,
            Reason::CloudUnavailable,
            true,
            "err without code",
        ),
        (
            409,
            r#"{"err":"taken"}"#,
            Reason::Conflict,
            false,
            "status without code",
        ),
        (429, "", Reason::CloudThrottled, false, "nothing was done"),
        (
            503,
            "<html>",
            Reason::CloudUnavailable,
            true,
            "it may have been done",
        ),
        (
            409,
            r#"{"err":"","code":"FailedPrecondition"}"#,
            Reason::Fenced,
            false,
            "a later term",
        ),
    ];
    for (status, body, reason, unknown, why) in cases {
        let edge = Edge::always(status, &[], Bytes::from(body.to_owned())).await;
        let error = create(&edge).await;
        assert_eq!(
            (error.reason(), error.outcome_unknown()),
            (reason, unknown),
            "{why}: {error}"
        );
        assert!(
            !error.to_string().contains(char::is_control),
            "{why}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_body_of_unknown_length_is_cut_off() {
    let edge = Edge::start(|_, _| {
        Box::pin(async {
            let chunk = || Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 1 << 16]));
            let endless = futures::stream::repeat_with(chunk);
            axum::body::Body::from_stream(endless).into_response()
        })
    })
    .await;
    assert_eq!(create(&edge).await.kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = Edge::always(200, &[], r#"{"err":"","lbId":"a"}"#).await;
    for status in [301, 302, 307, 308] {
        let edge = Edge::always(status, &[("location", &target.endpoint)], "").await;
        assert_eq!(
            create(&edge).await.kind(),
            ErrorKind::Redirected,
            "{status}"
        );
    }
    assert!(
        target.seen().is_empty(),
        "the token must not go where an answer says"
    );
}

#[tokio::test]
async fn silence_ends_at_the_timeout() {
    let edge = Edge::start(|_, _| Box::pin(std::future::pending())).await;
    let mut settings = settings(&edge.endpoint, Profile::Standard);
    settings.request_timeout = Duration::from_millis(100);
    let (cloud, _) = client(settings);
    let created = cloud
        .create(&permit(), &plain_request("web"), Priority::User)
        .await;
    let error = created.expect_err("silence");
    assert_eq!(
        (error.kind(), error.outcome_unknown()),
        (ErrorKind::Timeout, true)
    );
    let id = LoadBalancerId::new("a");
    let queried = cloud.query(Which::Id(&id), Priority::User).await;
    let error = queried.expect_err("silence");
    assert_eq!(
        (error.kind(), error.outcome_unknown()),
        (ErrorKind::Timeout, false)
    );
}

#[tokio::test]
async fn a_connection_refused_and_one_lost_differ_in_what_they_leave_open() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let endpoint = format!("http://{}", listener.local_addr().expect("address"));
    let (cloud, _) = client(settings(&endpoint, Profile::Standard));
    let (permit, request) = (permit(), plain_request("web"));
    let hang_up = async {
        let (mut connection, _) = listener.accept().await.expect("connection");
        let read = connection.read_u8().await;
        read.expect("a request");
    };
    let (created, ()) = futures::join!(cloud.create(&permit, &request, Priority::User), hang_up);
    let error = created.expect_err("hung up");
    assert_eq!(
        (error.kind(), error.outcome_unknown()),
        (ErrorKind::ConnectionLost, true)
    );

    drop(listener);
    let error = cloud
        .create(&permit, &request, Priority::User)
        .await
        .expect_err("refused");
    assert_eq!(
        (error.kind(), error.outcome_unknown()),
        (ErrorKind::Connect, false)
    );
}

#[tokio::test]
async fn a_load_balancer_of_somebody_else_is_not_taken_for_ours() {
    let name = plain_request("web").name;
    let shown = |name: &str, uid: &str| {
        let owner = format!(r#"{{"cluster":"cluster","namespace":"n","name":"n","uid":"{uid}"}}"#);
        format!(r#"{{"err":"","lbId":"a","name":"{name}","owner":{owner}}}"#)
    };
    let edge = Edge::always(200, &[], shown(name.as_str(), "another")).await;
    assert_eq!(create(&edge).await.kind(), ErrorKind::NameTaken);

    let edge = Edge::always(200, &[], shown("another", "uid-of-web")).await;
    assert_eq!(create(&edge).await.kind(), ErrorKind::Protocol);
    let cloud = edge.client(Profile::Standard);
    let queried = cloud.query(Which::Name(&name), Priority::User).await;
    assert_eq!(
        queried.expect_err("another name").kind(),
        ErrorKind::Protocol
    );
    let id = LoadBalancerId::new("b");
    let queried = cloud.query(Which::Id(&id), Priority::User).await;
    assert_eq!(queried.expect_err("another id").kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn absence_is_believed_from_the_api_and_nobody_else() {
    let id = LoadBalancerId::new("a");
    let absent = [
        (
            Profile::Standard,
            200,
            r#"{"err":"none","code":"NotFound"}"#,
        ),
        (Profile::Standard, 404, r#"{"err":"none"}"#),
        (Profile::Basic, 404, r#"{"err":"none"}"#),
        (Profile::Basic, 200, r#"{"err":"lb not found"}"#),
    ];
    for (profile, status, body) in absent {
        let cloud = Edge::always(status, &[], body).await.client(profile);
        let queried = cloud.query(Which::Id(&id), Priority::User).await;
        assert!(matches!(queried, Ok(None)), "{profile:?} {status} {body}");
        let deleted = cloud.delete(&permit(), &id).await;
        assert!(deleted.is_ok(), "{profile:?} {status} {body}");
    }
    let cloud = Edge::always(404, &[], "no such path")
        .await
        .client(Profile::Basic);
    let deleted = cloud.delete(&permit(), &id).await;
    assert_eq!(
        deleted.expect_err("a gateway's 404").kind(),
        ErrorKind::Protocol
    );
    let queried = cloud.query(Which::Id(&id), Priority::User).await;
    assert_eq!(
        queried.expect_err("a gateway's 404").kind(),
        ErrorKind::Protocol
    );
}
