//! What a patch repeats.

use std::convert::Infallible;

use http::{Request, Response};
use kube::client::Body;

use super::*;
use crate::kubernetes::condition::ConditionReason;

fn writer() -> ServiceWriter {
    let nobody = tower::service_fn(async |_: Request<Body>| {
        std::future::pending::<Result<Response<Body>, Infallible>>().await
    });
    let client = Client::new(nobody, "default");
    ServiceWriter::new(
        client,
        MetadataKeys::new("mycloud.com"),
        Arc::default(),
        Arc::new(Metrics::for_test(&[])),
    )
}

#[tokio::test]
async fn a_patch_replaces_managed_fields_that_the_api_server_cannot_read() {
    for (time, expected) in [
        ("10000-01-01T23:58:59Z", json!([{}])),
        ("2026-01-01T00:00:00Z", Value::Null),
    ] {
        let service = json!({"metadata": {
            "name": "web", "namespace": "shop", "managedFields": [{"manager": "m", "time": time}],
        }});
        let service: Service = serde_json::from_value(service).expect("a Service");
        let service = writer().trimmed(service);
        let change = ServicePatch {
            finalizer: Some(true),
            ..ServicePatch::default()
        };
        let patch = writer().merge_patch(&service, &change).expect("a change");
        assert_eq!(patch["metadata"]["managedFields"], expected, "{time}");
    }
}

#[tokio::test]
async fn the_conditions_of_others_are_repeated_as_they_are() {
    let theirs = [
        json!({"type": "a", "status": "True", "reason": "", "message": "", "lastTransitionTime": null}),
        json!({"type": "b", "status": "Unknown", "reason": "R", "message": "M", "lastTransitionTime": "10000-01-01T23:58:59Z"}),
        json!({"type": "c", "status": "False", "reason": "R", "message": "M", "observedGeneration": 7, "field": {"of": ["later"]}}),
        json!({"type": "d", "status": 7, "reason": "R", "message": "M"}),
    ];
    let ours = json!({"type": "mycloud.com/LoadBalancerReady", "status": "False", "reason": "SyncFailed", "message": "M", "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let all: Vec<&Value> = [&ours].into_iter().chain(&theirs).collect();
    let service =
        json!({"metadata": {"name": "web", "namespace": "shop"}, "status": {"conditions": all}});
    let service: Service = serde_json::from_value(service).expect("a Service");
    let readiness = Readiness::new(ConditionReason::InvalidConfiguration, "another");
    let change = ServicePatch {
        readiness: Some(&readiness),
        ..ServicePatch::default()
    };
    let patch = writer().merge_patch(&service, &change).expect("a change");
    let conditions = patch["status"]["conditions"].as_array().expect("a list");
    assert_eq!(conditions[..theirs.len()], theirs);
    let last = conditions.last().expect("ours");
    assert_eq!(last["message"], "another");
    assert_eq!(
        last["lastTransitionTime"], ours["lastTransitionTime"],
        "still False"
    );
}
