//! A load balancer's life: created as asked, published, changed, deleted.

use anyhow::{Result, ensure};
use kube::ResourceExt;
use kube::api::DeleteParams;
use testbed::Environment;
use testbed::cloud::Verb;
use testbed::environment::{SHARED_NODES, addresses};

#[tokio::test]
async fn a_fresh_service_is_provisioned_with_one_cloud_call_and_two_writes() -> Result<()> {
    let test = Environment::shared("fresh").await?;
    let _replica = test.sole_replica().await?;
    test.service("web")
        .provider("cloud1")
        .ours("lb-bandwidth", "10M")
        .create()
        .await?;
    let service = test.until_ready("web").await?;

    let calls = test.cloud1.events();
    let calls: Vec<_> = calls
        .iter()
        .filter(|call| call.verb != Verb::List)
        .collect();
    ensure!(
        calls.len() == 1 && calls[0].verb == Verb::Create,
        "one create: {calls:?}"
    );
    let request = &calls[0].request;
    let node_port = service
        .spec
        .as_ref()
        .and_then(|spec| spec.ports.as_ref()?[0].node_port);
    let name = request["name"].as_str().unwrap_or_default();
    ensure!(
        name.starts_with(&format!("{}-web-", test.namespace)),
        "{name}"
    );
    let expected = serde_json::json!({
        "name": name, "nodes": SHARED_NODES, "port": 80, "nodePort": node_port,
        "spec": "standard", "bandwidth": "10M", "algorithm": "round-robin",
        "listeners": [{"name": "http", "protocol": "TCP", "port": 80, "nodePort": node_port}],
        "owner": {"cluster": test.namespace, "namespace": test.namespace, "name": "web", "uid": service.uid()},
    });
    for (field, value) in expected.as_object().into_iter().flatten() {
        ensure!(
            request[field] == *value,
            "{field}: {} instead of {value}",
            request[field]
        );
    }
    ensure!(
        test.cloud2.mutations().is_empty(),
        "cloud2 has nothing to do with it"
    );

    let made = &test.cloud1.inventory()[0];
    ensure!(
        addresses(&service)
            == made
                .ip
                .map(|ip| ip.to_string())
                .into_iter()
                .collect::<Vec<_>>()
    );
    ensure!(service.annotations().get(&format!("{}/lb-id", test.prefix)) == Some(&made.id));
    ensure!(
        service
            .annotations()
            .get(&format!("{}/lb-cloud", test.prefix))
            .map(String::as_str)
            == Some("cloud1")
    );
    ensure!(
        service
            .finalizers()
            .contains(&format!("{}/load-balancer", test.prefix))
    );

    let writes = test.control_plane.audit_events()?;
    let writes: Vec<_> = writes
        .iter()
        .filter(|event| {
            event.namespace == test.namespace && event.name == "web" && event.verb == "patch"
        })
        .collect();
    ensure!(
        writes.len() == 2,
        "finalizer, then record with status: {writes:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_deleted_service_takes_its_load_balancer_along() -> Result<()> {
    let test = Environment::shared("deleted").await?;
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud2").create().await?;
    test.until_ready("web").await?;
    ensure!(test.cloud2.inventory().len() == 1);

    test.services()
        .delete("web", &DeleteParams::default())
        .await?;
    test.until_gone("web").await?;
    ensure!(
        test.cloud2.inventory().is_empty(),
        "{:?}",
        test.cloud2.inventory()
    );
    test.until_event("web", "DeletedLoadBalancer").await?;
    Ok(())
}
