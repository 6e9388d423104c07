//! `deletion-policy: retain`: the load balancers of a Service that ends stay at their clouds,
//! without our owner. What a cloud cannot do is said beforehand, and what a Service does not
//! say clearly is not guessed: a load balancer that is deleted does not come back.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use testbed::Environment;
use testbed::environment::calls;

const RETAIN: [(&str, Option<&str>); 1] = [("deletion-policy", Some("retain"))];
const DELETE: [(&str, Option<&str>); 1] = [("deletion-policy", Some("delete"))];

#[tokio::test]
async fn a_cloud_that_keeps_owners_on_is_named_before_anything_is_made() -> Result<()> {
    let test = Environment::shared("retained-unsupported").await?;
    let _replica = test.sole_replica().await?;
    let new = test.service("web").provider("cloud1");
    new.ours("deletion-policy", "retain").create().await?;
    let message = test.until_reason("web", "Unsupported").await?;
    for part in ["deletion-policy is \"retain\"", "cloud1", "\"delete\""] {
        ensure!(message.contains(part), "{message} lacks {part}");
    }
    ensure!(test.until_event("web", "Unsupported").await? == message);
    ensure!(calls(&test.cloud1).is_empty(), "{:?}", calls(&test.cloud1));
    test.annotate("web", &DELETE).await?;
    test.until_ready("web").await?;
    test.annotate("web", &[("deletion-policy", None)]).await?;
    test.delete("web").await?;
    test.until_gone("web").await?;
    ensure!(test.cloud1.inventory().is_empty());
    Ok(())
}

/// Waits until the condition has this reason although the Service is being deleted.
async fn until_held(test: &Environment, name: &str, reason: &str) -> Result<Service> {
    let is_held = |service: &Service| {
        let (_, found, message) = test.condition(service).unwrap_or_default();
        let is_ending = service.metadata.deletion_timestamp.is_some();
        is_ending && found == reason && message.contains("deletion-policy")
    };
    test.until(name, "the deletion to be held up", is_held)
        .await
}

#[tokio::test]
async fn what_cannot_be_retained_is_not_deleted_either() -> Result<()> {
    let test = Environment::shared("retained-held").await?;
    let _replica = test.sole_replica().await?;
    let cases = [
        ("web", "retain", "Unsupported"),
        ("typo", "reatin", "InvalidConfiguration"),
    ];
    for (name, policy, reason) in cases {
        test.service(name).provider("cloud1").create().await?;
        test.until_ready(name).await?;
        let made = test.cloud1.inventory();
        let policy = [("deletion-policy", Some(policy))];
        test.annotate(name, &policy).await?;
        test.until_reason(name, reason).await?;
        test.delete(name).await?;
        let held = until_held(&test, name, reason).await?;
        ensure!(held.finalizers().contains(&test.finalizer()));
        // Whatever a barrier takes, nothing happens meanwhile.
        let barrier = format!("barrier-{name}");
        test.service(&barrier).provider("cloud2").create().await?;
        test.until_ready(&barrier).await?;
        ensure!(test.cloud1.inventory() == made, "{name}");

        test.annotate(name, &DELETE).await?;
        test.until_gone(name).await?;
        ensure!(test.cloud1.inventory().is_empty(), "{name}");
    }
    Ok(())
}

/// The same holds for a Service that stays and is no longer managed.
#[tokio::test]
async fn a_service_that_is_disabled_keeps_what_it_does_not_clearly_give_up() -> Result<()> {
    let test = Environment::shared("retained-disabled").await?;
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    let made = test.cloud1.inventory();
    test.annotate("web", &RETAIN).await?;
    test.until_reason("web", "Unsupported").await?;
    test.annotate("web", &[("enable", None)]).await?;
    let is_told = |service: &Service| {
        let (_, reason, message) = test.condition(service).unwrap_or_default();
        reason == "Unsupported" && message.contains("to be retained")
    };
    let held = test
        .until("web", "the release to be held up", is_told)
        .await?;
    ensure!(test.record(&held).context("a record")?.1 == "cloud1");
    ensure!(test.cloud1.inventory() == made);
    test.annotate("web", &DELETE).await?;
    let is_let_go = |service: &Service| test.ensure_unmarked(service).is_ok();
    test.until("web", "our marks to be gone", is_let_go).await?;
    ensure!(test.cloud1.inventory().is_empty());
    Ok(())
}
