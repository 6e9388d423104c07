//! The load balancer classes of the configuration: a Service of one needs no annotation.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testbed::Environment;
use testbed::cloud::{Capabilities, CloudSimulator, Settings};
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
    internal: true
    mayOverride: [bandwidth]
  - name: example.com/{name}-open
    cloud: cloud1
    spec: gold
    bandwidth: 50M
    internal: true
    mayOverride: [cloud, spec, internal]
"
    )
}

async fn replica(test: &Environment, name: &str, classes: &str) -> Result<Replica> {
    let mut options = test.replica_options(name);
    options.config_yaml += classes;
    options.extra_args.push("--leader-elect=false".into());
    Replica::start(options).await
}

/// What a cloud has of a Service that is ready.
async fn settings(test: &Environment, cloud: &CloudSimulator, name: &str) -> Result<Settings> {
    let uid = test
        .until_ready(name)
        .await?
        .metadata
        .uid
        .unwrap_or_default();
    let mut there = cloud.inventory().into_iter();
    let its = there.find(|one| one.owner.as_ref().is_some_and(|owner| owner.uid == uid));
    Ok(its
        .with_context(|| format!("{name} has a load balancer"))?
        .settings)
}

#[tokio::test]
async fn a_service_of_our_class_gets_what_the_class_says_and_may_override_what_it_leaves()
-> Result<()> {
    let test = Environment::shared("classes").await?;
    for cloud in [&test.cloud1, &test.cloud2] {
        cloud.set_capabilities(Some(Capabilities::all()));
    }
    let _replica = replica(&test, "one", &class("gold")).await?;
    let of = |name: &str, class: &str| {
        let service = test.service(name).without("enable");
        service.field("loadBalancerClass", json!(class))
    };
    let of_class = |name: &str| of(name, "example.com/gold");
    of_class("plain").create().await?;
    let wide = of_class("wide").ours("lb-bandwidth", "80M");
    wide.create().await?;
    of_class("off").ours("enable", "false").create().await?;
    of_class("large").ours("lb-spec", "large").create().await?;
    of_class("outside")
        .ours("internal", "false")
        .create()
        .await?;
    of_class("elsewhere").provider("cloud2").create().await?;
    let open = of("open", "example.com/gold-open").provider("cloud2");
    let open = open.ours("lb-spec", "large").ours("internal", "false");
    open.create().await?;
    let foreign = of("foreign", "example.com/silver").provider("cloud1");
    foreign.create().await?;

    for (name, cloud, spec, bandwidth, internal) in [
        ("plain", &test.cloud1, "gold", "50M", true),
        ("wide", &test.cloud1, "gold", "80M", true),
        ("open", &test.cloud2, "large", "50M", false),
    ] {
        let found = settings(&test, cloud, name).await?;
        ensure!(
            found.spec == spec && found.bandwidth == bandwidth && found.internal == internal,
            "{name}: {found:?}"
        );
    }
    for (name, fixed) in [
        ("large", "gold"),
        ("outside", "true"),
        ("elsewhere", "cloud1"),
    ] {
        let message = test.until_reason(name, "InvalidConfiguration").await?;
        let rule = format!("the load balancer class example.com/gold fixes it to {fixed:?}");
        ensure!(message.contains(&rule), "{name}: {message}");
    }
    ensure!(
        test.cloud1.inventory().len() == 2 && test.cloud2.inventory().len() == 1,
        "neither off nor foreign, nor one that is refused"
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
    test.cloud1.set_capabilities(Some(Capabilities::all()));
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
