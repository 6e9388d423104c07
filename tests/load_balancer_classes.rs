//! The load balancer classes of the configuration: a Service of one needs no annotation.

use anyhow::{Result, ensure};
use serde_json::json;
use testbed::Environment;
use testbed::environment::{SOON, addresses};
use testbed::replica::Replica;

/// The tests share a cluster, and a class has no prefix that would tell them apart.
fn class(name: &str) -> String {
    format!(
        "
loadBalancerClasses:
  - name: example.com/{name}
    cloud: cloud1
    spec: gold
    bandwidth: 50M
    mayOverride: [bandwidth]
"
    )
}

async fn replica(test: &Environment, name: &str, classes: &str) -> Result<Replica> {
    let mut options = test.replica_options(name);
    options.config_yaml += classes;
    options.extra_args.push("--leader-elect=false".into());
    Replica::start(options).await
}

#[tokio::test]
async fn a_service_of_our_class_gets_what_the_class_says_and_may_override_what_it_leaves()
-> Result<()> {
    let test = Environment::shared("classes").await?;
    let _replica = replica(&test, "one", &class("gold")).await?;
    let of_class = |name: &str| {
        let service = test.service(name).without("enable");
        service.field("loadBalancerClass", json!("example.com/gold"))
    };
    of_class("plain").create().await?;
    of_class("wide")
        .ours("lb-bandwidth", "80M")
        .create()
        .await?;
    of_class("off").ours("enable", "false").create().await?;
    of_class("large").ours("lb-spec", "large").create().await?;
    test.service("foreign")
        .provider("cloud1")
        .field("loadBalancerClass", json!("example.com/silver"))
        .create()
        .await?;

    for (name, bandwidth) in [("plain", "50M"), ("wide", "80M")] {
        let service = test.until_ready(name).await?;
        let uid = service.metadata.uid.unwrap_or_default();
        let there = test.cloud1.inventory();
        let is_its = |owner: &testbed::cloud::Owner| owner.uid == uid;
        let mut its = there
            .iter()
            .filter(|one| one.owner.as_ref().is_some_and(is_its));
        let settings = its.next().map(|one| &one.settings);
        ensure!(
            settings.is_some_and(|found| found.spec == "gold" && found.bandwidth == bandwidth),
            "{name}: {settings:?}"
        );
    }
    let message = test.until_reason("large", "InvalidConfiguration").await?;
    let rule = "the load balancer class example.com/gold fixes it to \"gold\"";
    ensure!(message.contains(rule), "{message}");
    ensure!(
        test.cloud1.inventory().len() == 2,
        "neither off nor foreign"
    );
    for name in ["off", "foreign"] {
        let service = test.get(name).await?;
        ensure!(service.metadata.finalizers.is_none(), "{name}: {service:?}");
    }
    Ok(())
}

/// That a class left the configuration is more likely a mistake than a wish to delete.
#[tokio::test]
async fn what_a_class_made_outlives_the_class() -> Result<()> {
    let test = Environment::shared("classgone").await?;
    let mut first = replica(&test, "one", &class("kept")).await?;
    let service = test.service("web").without("enable");
    let service = service.field("loadBalancerClass", json!("example.com/kept"));
    service.create().await?;
    let before = addresses(&test.until_ready("web").await?);
    first.terminate()?;
    first.wait_exit(SOON).await?;

    let mut second = replica(&test, "two", "").await?;
    let message = test.until_reason("web", "InvalidConfiguration").await?;
    ensure!(message.contains("no such class any more"), "{message}");
    ensure!(addresses(&test.get("web").await?) == before);
    ensure!(test.cloud1.inventory().len() == 1);
    second.terminate()?;
    second.wait_exit(SOON).await?;

    let _third = replica(&test, "three", &class("kept")).await?;
    ensure!(addresses(&test.until_ready("web").await?) == before);
    test.delete("web").await?;
    test.until_gone("web").await?;
    ensure!(test.cloud1.inventory().is_empty());
    Ok(())
}
