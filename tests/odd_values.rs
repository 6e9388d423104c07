//! Values that kube-apiserver admits and the typed objects of k8s-openapi do not: a list
//! with one of them is unreadable as a whole for a client of typed objects.

use anyhow::{Context, Result, ensure};
use http::Request;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Service;
use serde_json::{Value, json};
use testbed::environment::SOON;
use testbed::nodes::NewNode;
use testbed::{Environment, eventually};

/// kube-apiserver shows it in UTC, where it is in the year 10000, and then cannot read it
/// itself: it refuses all patches of the object.
const LATE: &str = "9999-12-31T23:59:59-23:59";

/// A request without types about the Services of the test.
async fn request(test: &Environment, method: &str, path: &str, body: Value) -> Result<Value> {
    let namespace = &test.namespace;
    let path = format!("/api/v1/namespaces/{namespace}/services{path}");
    request_at(test, method, &path, body).await
}

/// A request without types.
async fn request_at(test: &Environment, method: &str, path: &str, body: Value) -> Result<Value> {
    let kind = if method == "PATCH" {
        "application/merge-patch+json"
    } else {
        "application/json"
    };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("Content-Type", kind)
        .body(serde_json::to_vec(&body)?)?;
    let answer = test.client().request(request).await;
    answer.with_context(|| format!("{method} {path} {body}"))
}

/// Creates a Service, patches it, and fails if typed objects can represent the result.
async fn create(test: &Environment, name: &str, path: &str, odd: Value) -> Result<Value> {
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {
            "name": name,
            "annotations": {
                "mycloud.com/enable": "true", "mycloud.com/provider": "cloud1",
                "example.com/long": "x".repeat(20_000),
            },
        },
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
    });
    request(test, "POST", "", service).await?;
    let shown = request(test, "PATCH", &format!("/{name}{path}"), odd).await?;
    let typed = serde_json::from_value::<Service>(shown.clone());
    ensure!(typed.is_err(), "nothing is odd about {shown}");
    Ok(shown)
}

fn condition<'a>(service: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = service["status"]["conditions"].as_array()?;
    conditions
        .iter()
        .find(|condition| condition["type"] == kind)
}

#[tokio::test]
async fn a_service_with_values_that_only_go_reads_hides_no_other() -> Result<()> {
    let test = Environment::own("odd-values").await?;
    let node = NewNode::new("node", [127, 10, 0, 1].into());
    node.create(&test.client()).await?;
    let theirs = |time: Value| {
        json!({"status": {"conditions": [{
            "type": "example.com/Theirs", "status": "True", "reason": "R", "message": "M",
            "lastTransitionTime": time,
        }]}})
    };
    let before = create(&test, "timeless", "/status", theirs(Value::Null)).await?;
    create(&test, "late", "/status", theirs(json!(LATE))).await?;
    let manager = json!({"metadata": {"managedFields": [{
        "manager": "other", "operation": "Update", "apiVersion": "v1", "time": LATE,
        "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:type": {}}},
    }]}});
    create(&test, "late-manager", "", manager).await?;

    let replica = test.sole_replica().await?;
    test.service("plain").provider("cloud1").create().await?;
    test.until_ready("plain").await?;
    let until_ready = async |name: &str| {
        eventually("the odd Service to be ready", SOON, async || {
            let service = request(&test, "GET", &format!("/{name}"), Value::Null).await?;
            let ours = condition(&service, "mycloud.com/LoadBalancerReady");
            let is_ready = ours.is_some_and(|ours| ours["status"] == "True");
            Ok(is_ready.then_some(service))
        })
        .await
    };
    let ready = until_ready("timeless").await?;
    until_ready("late-manager").await?;
    // kube-apiserver refuses its finalizer, and repeats the whole object when it does.
    test.until_event("late", "SyncLoadBalancerFailed").await?;
    let log = std::fs::read_to_string(replica.log_path())?;
    let longest = log.lines().map(str::len).max().unwrap_or_default();
    ensure!(longest < 3000, "a line of {longest} bytes: {log}");
    let [was, is] = [&before, &ready].map(|service| condition(service, "example.com/Theirs"));
    ensure!(was.is_some() && was == is, "{was:?} became {is:?}");
    Ok(())
}

/// A Lease with a time that the typed Lease cannot read kept every replica from leading.
#[tokio::test]
async fn a_lease_with_values_that_only_go_reads_is_taken_all_the_same() -> Result<()> {
    let test = Environment::own("odd-lease").await?;
    let node = NewNode::new("node", [127, 10, 0, 1].into());
    node.create(&test.client()).await?;
    test.allow_election().await?;
    let namespace = &test.namespace;
    let leases = format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases");
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "my-cloud-controller-manager"},
        "spec": {"holderIdentity": "dead", "leaseDurationSeconds": 2},
    });
    request_at(&test, "POST", &leases, lease).await?;
    let late = "9999-12-31T23:59:59.000000-23:59";
    let odd = json!({
        "metadata": {"managedFields": [{
            "manager": "other", "operation": "Update", "apiVersion": "coordination.k8s.io/v1",
            "time": LATE, "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:renewTime": {}}},
        }]},
        "spec": {"renewTime": late, "acquireTime": late},
    });
    let path = format!("{leases}/my-cloud-controller-manager");
    let shown = request_at(&test, "PATCH", &path, odd).await?;
    let typed = serde_json::from_value::<Lease>(shown.clone());
    ensure!(typed.is_err(), "nothing is odd about {shown}");

    let replica = testbed::Replica::start(test.candidate("only")).await?;
    eventually("the replica to lead", SOON, async || {
        Ok(replica.leads().await?.then_some(()))
    })
    .await?;
    let log = std::fs::read_to_string(replica.log_path())?;
    ensure!(
        log.contains("another process holds the Lease") && log.contains("\"dead\""),
        "{log}"
    );
    Ok(())
}

/// Whoever may update one Service can do this. serde_json builds no value that is nested
/// deeper than 127 times.
#[tokio::test]
async fn managed_fields_that_are_nested_deeply_hide_no_service() -> Result<()> {
    const DEPTH: usize = 200;
    let test = Environment::own("nested").await?;
    let node = NewNode::new("node", [127, 10, 0, 1].into());
    node.create(&test.client()).await?;
    test.service("nested").provider("cloud1").create().await?;
    let nested = format!("{}{{}}{}", r#"{"f:x":"#.repeat(DEPTH), "}".repeat(DEPTH));
    let entry = format!(
        r#"{{"manager":"other","operation":"Update","apiVersion":"v1","time":"2026-01-01T00:00:00Z",
        "fieldsType":"FieldsV1","fieldsV1":{{"f:metadata":{{"f:annotations":{{"f:mycloud.com/enable":{nested}}}}}}}}}"#
    );
    let path = format!("/api/v1/namespaces/{}/services/nested", test.namespace);
    let patch = Request::patch(path)
        .header("Content-Type", "application/merge-patch+json")
        .body(format!(r#"{{"metadata":{{"managedFields":[{entry}]}}}}"#).into_bytes())?;
    let shown = test.client().request_text(patch).await?;
    ensure!(
        shown.contains(&nested),
        "kube-apiserver dropped it: {shown}"
    );

    let _replica = test.sole_replica().await?;
    test.service("plain").provider("cloud1").create().await?;
    test.until_ready("plain").await?;
    eventually(
        "the nested Service to have a load balancer",
        SOON,
        async || {
            let inventory = test.cloud1.inventory();
            let mut owners = inventory.iter().filter_map(|found| found.owner.as_ref());
            Ok(owners.any(|owner| owner.name == "nested").then_some(()))
        },
    )
    .await
}
