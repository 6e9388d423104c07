//! What the bare loop writes: of the same size as the controller's own writes.

use serde_json::{Value, json};

pub const NAMESPACE: &str = "bare";
pub const PREFIX: &str = "bare.example";

/// As the controller writes it before the first call to a cloud.
pub fn finalizer() -> Value {
    json!({
        "metadata": {"finalizers": [format!("{PREFIX}/load-balancer")]},
        "status": {"conditions": [condition("False", "Provisioning", "Ensuring load balancer")]},
    })
}

/// As the controller writes it after the cloud has answered.
pub fn publication() -> Value {
    let ready = "The load balancer serves";
    json!({
        "metadata": {"annotations": {
            format!("{PREFIX}/lb-id"): "lb-12345",
            format!("{PREFIX}/lb-cloud"): "cloud1",
        }},
        "status": {
            "loadBalancer": {"ingress": [{"ip": "198.18.12.34"}]},
            "conditions": [condition("True", "Ready", ready)],
        },
    })
}

/// As the controller writes it when the load balancer is gone.
pub fn end() -> Value {
    json!({
        "metadata": {"finalizers": [], "annotations": {
            format!("{PREFIX}/lb-id"): null,
            format!("{PREFIX}/lb-cloud"): null,
        }},
        "status": {"loadBalancer": {"ingress": []}, "conditions": []},
    })
}

fn condition(status: &str, reason: &str, message: &str) -> Value {
    json!({
        "type": format!("{PREFIX}/LoadBalancerReady"),
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": "2026-01-02T03:04:05Z",
        "observedGeneration": 0,
    })
}

/// As the controller writes it for a Service.
pub fn event(service: &str, reason: &str) -> Value {
    json!({
        "metadata": {"name": format!("{service}.{reason}").to_lowercase(), "namespace": NAMESPACE},
        "eventTime": "2026-01-02T03:04:05.678901Z",
        "type": "Normal",
        "reason": reason,
        "action": format!("{reason}-0123abcd"),
        "note": format!("Ensuring load balancer: creating {NAMESPACE}-{service}-0123456789abcdef on cloud1"),
        "regarding": {
            "apiVersion": "v1",
            "kind": "Service",
            "name": service,
            "namespace": NAMESPACE,
            "resourceVersion": "123456",
            "uid": "01234567-89ab-cdef-0123-456789abcdef",
        },
        "reportingController": "my-cloud-controller-manager",
        "reportingInstance": "first_0123456789abcdef",
    })
}
