//! Tables of cases for [`Response::classify`], each with its reason.

use super::*;
use crate::plan::naming::CloudName;

fn classify(
    profile: Profile,
    verb: Verb,
    status: u16,
    body: &str,
) -> Result<(), (ErrorKind, String)> {
    let response = Response {
        status: StatusCode::from_u16(status).expect("status"),
        retry_after: Some(Duration::from_secs(7)),
        body: body.into(),
    };
    let operation = Operation {
        cloud: CloudName::new("cloud1"),
        verb,
    };
    let classified = response.classify(profile, &operation);
    classified
        .map(|_| ())
        .map_err(|error| (error.kind(), error.code().as_str().to_owned()))
}

#[test]
fn responses_of_the_standard_api() {
    use ErrorKind::*;
    use Verb::{Capabilities, Create, Delete, Query, Update};
    let wait = Some(Duration::from_secs(7));
    let cases = [
        (
            Create,
            200,
            r#"{"err":"","lbId":"a"}"#,
            None,
            "200",
            "success",
        ),
        (
            Create,
            201,
            r#"{"err":""}"#,
            None,
            "201",
            "any 2xx is success",
        ),
        (
            Query,
            200,
            r#"{"err":"x","code":"NotFound"}"#,
            Some(NotFound),
            "NotFound",
            "code in 200",
        ),
        (
            Query,
            500,
            r#"{"err":"x","code":"NotFound"}"#,
            Some(NotFound),
            "NotFound",
            "code over status",
        ),
        (
            Query,
            200,
            r#"{"err":"","code":"NotFound"}"#,
            Some(NotFound),
            "NotFound",
            "code over err",
        ),
        (
            Create,
            200,
            r#"{"err":"x","code":"AlreadyExists"}"#,
            Some(NameTaken),
            "AlreadyExists",
            "another owner",
        ),
        (
            Create,
            200,
            r#"{"err":"x","code":"QuotaExceeded"}"#,
            Some(Rejected(Rejection::QuotaExceeded)),
            "QuotaExceeded",
            "terminal",
        ),
        (
            Create,
            409,
            r#"{"err":"x","code":"FailedPrecondition"}"#,
            Some(Fenced),
            "FailedPrecondition",
            "a later term was seen",
        ),
        (
            Create,
            200,
            r#"{"err":"x","code":"Throttled"}"#,
            Some(Throttled { retry_after: wait }),
            "Throttled",
            "throttled by code",
        ),
        (
            Create,
            200,
            r#"{"err":"x","code":"Weird"}"#,
            Some(Unspecified),
            "unspecified",
            "an unknown code is no code",
        ),
        (
            Create,
            200,
            r#"{"err":"","code":0}"#,
            None,
            "200",
            "nor is one that is no text",
        ),
        (
            Create,
            200,
            r#"{"err":"lb not found"}"#,
            Some(Unspecified),
            "unspecified",
            "the text means nothing here",
        ),
        (
            Query,
            404,
            r#"{"err":"gone"}"#,
            Some(NotFound),
            "404",
            "status without code",
        ),
        (
            Delete,
            404,
            "<html>404</html>",
            Some(Protocol),
            "protocol",
            "a gateway has no load balancers",
        ),
        (
            Capabilities,
            404,
            "<html>404</html>",
            Some(Unsupported),
            "404",
            "a server of before this call",
        ),
        (
            Capabilities,
            405,
            r#"{"err":"x"}"#,
            Some(Unsupported),
            "405",
            "a server with other methods at this path",
        ),
        (
            Capabilities,
            503,
            "",
            Some(Unavailable { retry_after: wait }),
            "503",
            "says nothing about the call",
        ),
        (
            Delete,
            404,
            r#"{"message":"no route"}"#,
            Some(Protocol),
            "protocol",
            "other JSON is not the API",
        ),
        (
            Delete,
            404,
            r#"{"err":""}"#,
            Some(Protocol),
            "protocol",
            "neither success nor an error",
        ),
        (
            Create,
            409,
            r#"{"err":"x"}"#,
            Some(NameTaken),
            "409",
            "a create's conflict is its name",
        ),
        (
            Update,
            409,
            r#"{"err":"x"}"#,
            Some(Conflict),
            "409",
            "an update's conflict is another change",
        ),
        (
            Create,
            422,
            r#"{"err":"x"}"#,
            Some(Rejected(Rejection::InvalidArgument)),
            "422",
            "wrong request",
        ),
        (
            Create,
            400,
            "bad request",
            Some(Protocol),
            "protocol",
            "a gateway's 400 must not be terminal",
        ),
        (
            Create,
            401,
            "",
            Some(Rejected(Rejection::Unauthenticated)),
            "401",
            "also from a gateway",
        ),
        (
            Create,
            403,
            "",
            Some(Rejected(Rejection::PermissionDenied)),
            "403",
            "also from a gateway",
        ),
        (
            Create,
            429,
            "",
            Some(Throttled { retry_after: wait }),
            "429",
            "also from a gateway",
        ),
        (
            Create,
            503,
            "<html>",
            Some(Unavailable { retry_after: wait }),
            "503",
            "also from a gateway",
        ),
        (
            Create,
            500,
            "",
            Some(Unavailable { retry_after: None }),
            "500",
            "Retry-After counts with 429 and 503",
        ),
        (Create, 307, "", Some(Redirected), "307", "not followed"),
        (Create, 200, "OK", Some(Protocol), "protocol", "not JSON"),
        (
            Create,
            200,
            r#"{"lbId":"a"}"#,
            Some(Protocol),
            "protocol",
            "every answer carries err",
        ),
        (
            Create,
            200,
            r#"{"err":5}"#,
            Some(Protocol),
            "protocol",
            "err is a text",
        ),
    ];
    for (verb, status, body, kind, code, reason) in cases {
        let result = classify(Profile::Standard, verb, status, body);
        let found = match result {
            Ok(()) => (None, status.to_string()),
            Err((kind, code)) => (Some(kind), code),
        };
        assert_eq!(found, (kind, code.to_owned()), "{reason}: {status} {body}");
    }
}

#[test]
fn the_text_of_a_cloud_without_codes_can_mean_not_found() {
    for text in [
        "LB not found",
        "NotFound",
        "lb_not_found",
        "lb a: Not-Found.",
    ] {
        let result = classify(
            Profile::Basic,
            Verb::Query,
            200,
            &format!(r#"{{"err":"{text}"}}"#),
        );
        assert_eq!(
            result.map_err(|(kind, _)| kind),
            Err(ErrorKind::NotFound),
            "{text}"
        );
    }
    let result = classify(
        Profile::Basic,
        Verb::Query,
        500,
        r#"{"err":"host not found"}"#,
    );
    let broken = ErrorKind::Unavailable { retry_after: None };
    assert_eq!(
        result.map_err(|(kind, _)| kind),
        Err(broken),
        "a failure proves nothing"
    );
}
