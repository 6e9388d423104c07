//! What a patch repeats.

use std::convert::Infallible;

use http::{Request, Response};
use kube::client::Body;

use super::*;
use crate::kubernetes::condition::ConditionReason;
use crate::plan::ip_mode::IpMode;

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

/// A Service whose status has these entries.
fn showing(ingress: Value) -> Service {
    let service = json!({
        "metadata": {"name": "web", "namespace": "shop"},
        "status": {"loadBalancer": {"ingress": ingress}},
    });
    serde_json::from_value(service).expect("a Service")
}

#[tokio::test]
async fn a_mode_is_written_at_an_ip_address_and_only_if_the_server_shows_another() {
    let ip = "192.0.2.1".parse().expect("an address");
    let other = "192.0.2.2".parse().expect("an address");
    let publication = Publication {
        ingress: vec![
            Ingress::Ip(ip),
            Ingress::Ip(other),
            Ingress::Hostname("lb.example".into()),
        ],
        modes: [(ip, IpMode::Proxy), (other, IpMode::Vip)]
            .into_iter()
            .collect(),
        ..Publication::default()
    };
    let change = ServicePatch {
        publication: Some(&publication),
        ..ServicePatch::default()
    };
    let expected = json!([
        {"ip": "192.0.2.1", "ipMode": "Proxy"},
        {"ip": "192.0.2.2"},
        {"hostname": "lb.example"},
    ]);
    let shown = |first: Value, second: Value| {
        showing(json!([
            {"ip": "192.0.2.1", "ipMode": first},
            {"ip": "192.0.2.2", "ipMode": second},
            {"hostname": "lb.example"},
        ]))
    };
    for (first, second, writes, why) in [
        (json!("Proxy"), json!("VIP"), false, "it is there"),
        (json!("VIP"), json!("VIP"), true, "the default is not meant"),
        (json!("Proxy"), json!("Proxy"), true, "another writer's"),
        (Value::Null, Value::Null, false, "it would be dropped"),
        (json!("Tunnel"), json!(7), false, "of a later server"),
    ] {
        let patch = writer().merge_patch(&shown(first, second), &change);
        let ingress = patch.map(|patch| patch["status"]["loadBalancer"]["ingress"].clone());
        assert_eq!(ingress, writes.then(|| expected.clone()), "{why}");
    }
    let patch = writer().merge_patch(&showing(json!([])), &change);
    let patch = patch.expect("a first publication");
    assert_eq!(patch["status"]["loadBalancer"]["ingress"], expected);
}

#[tokio::test]
async fn a_patch_of_ports_repeats_the_modes_of_all_addresses() {
    let service = showing(json!([
        {"ip": "192.0.2.1", "ipMode": "Proxy", "ports": [
            {"port": 80, "protocol": "TCP", "error": "mycloud.com/UnsupportedProtocol"}]},
        {"ip": "192.0.2.2", "ipMode": "VIP"},
    ]));
    let change = ServicePatch {
        ports: Some(&PortErrors::default()),
        ..ServicePatch::default()
    };
    let patch = writer().merge_patch(&service, &change).expect("a change");
    let expected = json!([{"ip": "192.0.2.1", "ipMode": "Proxy"}, {"ip": "192.0.2.2"}]);
    assert_eq!(patch["status"]["loadBalancer"]["ingress"], expected);
}
