//! Objects that kube-apiserver admits, and that a client of typed objects cannot read.

use std::collections::BTreeMap;
use std::net::IpAddr;

use anyhow::{Context, Result, bail, ensure};
use http::Request;
use k8s_openapi::api::core::v1::{Node, Service};
use serde_json::{Value, json};
use testbed::Environment;

/// kube-apiserver shows it in the year 10000, which it cannot read itself.
const LATE: &str = "9999-12-31T23:59:59-23:59";

/// Creates them: Services in a namespace of their own, and a Node with this address.
///
/// # Errors
/// kube-apiserver refused one, or one can be read after all.
pub async fn create(test: &Environment, node: IpAddr) -> Result<()> {
    let mut shown = Vec::new();
    for (path, object) in objects(&format!("{}-odd", test.namespace), node) {
        shown.push(request(test, &path, &object).await?);
    }
    let [.., timeless, late, node] = &shown[..] else {
        bail!("{shown:?}");
    };
    for service in [timeless, late] {
        let typed = serde_json::from_value::<Service>(service.clone());
        ensure!(typed.is_err(), "nothing is odd about {service}");
    }
    let typed = serde_json::from_value::<Node>(node.clone());
    ensure!(typed.is_err(), "nothing is odd about {node}");
    Ok(())
}

/// The objects and the changes of them, each with its path.
fn objects(namespace: &str, node: IpAddr) -> Vec<(String, Value)> {
    let services = format!("/api/v1/namespaces/{namespace}/services");
    let service = |name: &str| {
        let spec = json!({"ports": [{"port": 80}]});
        json!({"metadata": {"name": name}, "spec": spec})
    };
    let condition = BTreeMap::from([
        ("type", "example.com/Theirs"),
        ("status", "True"),
        ("reason", "R"),
        ("message", "M"),
    ]);
    let manager = json!({
        "manager": "other", "operation": "Update", "apiVersion": "v1", "time": LATE,
        "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:type": {}}},
    });
    let address = json!({"type": "InternalIP", "address": node});
    let heartbeat = json!({"type": "Ready", "status": "True", "lastHeartbeatTime": LATE});
    vec![
        (
            "/api/v1/namespaces".into(),
            json!({"metadata": {"name": namespace}}),
        ),
        (services.clone(), service("timeless")),
        (services.clone(), service("late")),
        (
            format!("{services}/timeless/status"),
            json!({"status": {"conditions": [condition]}}),
        ),
        (
            format!("{services}/late"),
            json!({"metadata": {"managedFields": [manager]}}),
        ),
        (
            "/api/v1/nodes".into(),
            json!({
                "metadata": {"name": "late"},
                "status": {"addresses": [address], "conditions": [heartbeat]},
            }),
        ),
    ]
}

/// A request without types: a patch of what is there, or a create.
async fn request(test: &Environment, path: &str, object: &Value) -> Result<Value> {
    let (method, kind) = match path.contains("/services/") {
        true => ("PATCH", "application/merge-patch+json"),
        false => ("POST", "application/json"),
    };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("Content-Type", kind)
        .body(serde_json::to_vec(object)?)?;
    let answer = test.client().request::<Value>(request).await;
    answer.with_context(|| format!("{method} {path} {object}"))
}
