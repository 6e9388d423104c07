use http::StatusCode;

use super::*;
use crate::cloud::{AddressPolicy, RestSettings};
use crate::plan::naming::CloudName;

/// A client of a cloud that nobody calls here.
fn client(profile: Profile) -> RestCloud {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let settings = RestSettings {
        name: CloudName::new("cloud1"),
        endpoint: "http://127.0.0.1:1".parse().expect("URL"),
        request_timeout: std::time::Duration::from_secs(1),
        concurrency: 1,
        requests_per_second: 0,
        profile,
        addresses: AddressPolicy::default(),
        token_file: None,
        ca_file: None,
    };
    RestCloud::new(settings, std::sync::Arc::new(|_| {})).expect("client")
}

/// Whether the answer tells something, or the reason why it is of no use.
fn read(status: u16, body: &str) -> Result<bool, ErrorKind> {
    let answer = Answer {
        status: StatusCode::from_u16(status).expect("a status"),
        body: body.as_bytes().to_vec(),
    };
    let told = client(Profile::Standard).read_capabilities_answer(answer);
    told.map(|told| told.is_some())
        .map_err(|error| error.kind())
}

#[tokio::test]
async fn a_cloud_without_the_call_is_what_its_profile_says() {
    let absent = [
        (404, ""),
        (404, "<html>no such page"),
        (404, r#"{"err":"no such call"}"#),
        (200, r#"{"err":"no such call","code":"NotFound"}"#),
        (405, ""),
        (405, r#"{"err":"POST"}"#),
        (501, ""),
        (400, r#"{"err":"unknown verb","code":"InvalidArgument"}"#),
    ];
    for (status, body) in absent {
        assert_eq!(read(status, body), Ok(false), "{status} {body}");
    }
    assert_eq!(read(200, r#"{"err":""}"#), Ok(true), "it tells nothing new");
}

#[tokio::test]
async fn an_answer_that_cannot_be_used_is_an_error() {
    let useless = [
        (200, "garbage"),
        (200, "[]"),
        (200, r#"{"err":"","protocols":"TCP"}"#),
        (200, r#"{"err":"","limits":{"used":-1}}"#),
        (400, "<html>a gateway"),
        (401, ""),
        (403, r#"{"err":"no"}"#),
        (429, ""),
        (500, r#"{"err":"oops"}"#),
        (503, ""),
    ];
    for (status, body) in useless {
        assert!(read(status, body).is_err(), "{status} {body}");
    }
}
