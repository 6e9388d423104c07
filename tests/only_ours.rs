//! What is not ours is never written and never causes a call to a cloud.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::events::v1::Event;
use kube::ResourceExt;
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use testbed::Environment;
use testbed::environment::{SOON, addresses, calls};

/// The Service that is ours, created last: watches are in order, so when it is
/// done the others have been looked at.
const BARRIER: &str = "enabled-at-last";

async fn create_what_is_not_ours(test: &Environment) -> Result<Vec<(String, Value)>> {
    let service = |name: &str| test.service(name).provider("cloud1");
    let created = [
        service("cluster-ip")
            .field("type", json!("ClusterIP"))
            .create()
            .await?,
        service("node-port")
            .field("type", json!("NodePort"))
            .create()
            .await?,
        service("not-enabled").without("enable").create().await?,
        service("enable-false")
            .ours("enable", "false")
            .create()
            .await?,
        service("enable-off")
            .ours("enable", " Off")
            .create()
            .await?,
        service("enable-zero").ours("enable", "0").create().await?,
        service("foreign-class")
            .field("loadBalancerClass", json!("example.com/other"))
            .create()
            .await?,
        // What we would have much to say about, were it ours.
        service("not-enabled-and-wrong")
            .without("enable")
            .provider("cloud9")
            .ours("bandwith", "fast")
            .create()
            .await?,
        // A record that nobody of us wrote.
        service("not-enabled-with-record")
            .without("enable")
            .ours("lb-id", "lb-1")
            .ours("lb-cloud", "cloud1")
            .create()
            .await?,
    ];
    let state = |service: Service| Ok((service.name_any(), serde_json::to_value(service)?));
    created.into_iter().map(state).collect()
}

async fn ensure_untouched(test: &Environment, before: &[(String, Value)]) -> Result<()> {
    for (name, before) in before {
        let after = serde_json::to_value(test.get(name).await?)?;
        ensure!(after == *before, "{name}: {before} became {after}");
    }
    Ok(())
}

#[tokio::test]
async fn services_that_are_not_ours_are_left_alone() -> Result<()> {
    let test = Environment::shared("onlyours").await?;
    let mut replica = test.sole_replica().await?;
    let before = create_what_is_not_ours(&test).await?;
    test.service(BARRIER).provider("cloud2").create().await?;
    test.until_ready(BARRIER).await?;
    test.until_event(BARRIER, "EnsuredLoadBalancer").await?;
    // Its last act is to write all Events that are pending.
    replica.terminate()?;
    replica.wait_exit(SOON).await?;

    ensure_untouched(&test, &before).await?;
    let events: Api<Event> = Api::namespaced(test.client(), &test.namespace);
    // kube-apiserver emits Events of its own about the ports of Services.
    let ours = ListParams::default().fields("reportingController=my-cloud-controller-manager");
    for event in events.list(&ours).await? {
        let about = event.regarding.and_then(|object| object.name);
        ensure!(
            about.as_deref() == Some(BARRIER),
            "an Event about {about:?}"
        );
    }
    let elsewhere = |name: &str| name != BARRIER && !name.starts_with(&format!("{BARRIER}."));
    let strays = test.writes()?;
    let strays: Vec<_> = strays.iter().filter(|w| elsewhere(&w.name)).collect();
    ensure!(strays.is_empty(), "{strays:?}");
    let at_cloud1 = calls(&test.cloud1);
    ensure!(at_cloud1.is_empty(), "{at_cloud1:?}");
    let at_cloud2 = calls(&test.cloud2);
    ensure!(at_cloud2.len() == 1, "the barrier's create: {at_cloud2:?}");
    Ok(())
}

#[tokio::test]
async fn a_start_leaves_them_alone_too() -> Result<()> {
    let test = Environment::shared("onlyours-start").await?;
    let before = create_what_is_not_ours(&test).await?;
    test.service(BARRIER).provider("cloud2").create().await?;
    let _replica = test.sole_replica().await?;
    test.until_ready(BARRIER).await?;

    ensure_untouched(&test, &before).await?;
    ensure!(calls(&test.cloud1).is_empty(), "{:?}", calls(&test.cloud1));
    Ok(())
}

/// The finalizer is no proof that a Service was ever ours, because anyone may add it.
#[tokio::test]
async fn a_forged_finalizer_costs_another_controller_nothing() -> Result<()> {
    let test = Environment::shared("onlyours-forged").await?;
    let theirs = "192.0.2.55";
    let ways = ["not-enabled", "deleted"];
    for name in ways {
        let mut service = test.service(name).provider("cloud1").without("enable");
        service = service.finalizer(&test.finalizer());
        if name == "deleted" {
            // Their finalizer keeps it after ours has gone.
            service = service.finalizer("example.com/theirs");
        }
        service.create().await?;
        let status = json!({"status": {"loadBalancer": {"ingress": [{"ip": theirs}]}}});
        let services = test.services();
        let patch = Patch::Merge(status);
        services
            .patch_status(name, &PatchParams::default(), &patch)
            .await?;
    }
    test.delete("deleted").await?;
    let _replica = test.sole_replica().await?;
    for name in ways {
        let is_off = |service: &Service| !service.finalizers().contains(&test.finalizer());
        let service = test.until(name, "our finalizer to go", is_off).await?;
        ensure!(addresses(&service) == [theirs], "{name}: {service:?}");
    }
    ensure!(test.mutations().is_empty());
    Ok(())
}
