//! The tags and the idle timeout of load balancers.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use testbed::cloud::{Capabilities, LoadBalancer};
use testbed::environment::{SOON, calls};
use testbed::{Environment, eventually};

type Tags = BTreeMap<String, String>;

fn tags<const N: usize>(tags: [(&str, &str); N]) -> Tags {
    tags.map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

fn made(test: &Environment) -> Result<LoadBalancer> {
    let there = test.cloud1.inventory().into_iter();
    let mut there = there.filter(|found| !found.settings.nodes.is_empty() || found.owner.is_some());
    there.next().context("a load balancer")
}

async fn until_tags(test: &Environment, wanted: Tags) -> Result<()> {
    eventually(&format!("the tags {wanted:?}"), SOON, async || {
        Ok((made(test)?.settings.tags == wanted).then_some(()))
    })
    .await
}

#[tokio::test]
async fn tags_follow_edits_and_one_of_others_is_ours_once_it_is_named() -> Result<()> {
    let mut test = Environment::shared("tags").await?;
    test.extra_config =
        "defaultTags: stage=test,team=none\ndriftInterval: 200ms\nsweepInterval: 200ms".into();
    test.cloud1.set_capabilities(Some(Capabilities::all()));
    let _replica = test.sole_replica().await?;
    let service = test.service("web").provider("cloud1");
    let service = service.ours("tags", "team=web,cost=7");
    service.ours("idle-timeout", "6m").create().await?;
    test.until_ready("web").await?;
    let all = [("stage", "test"), ("team", "web"), ("cost", "7")];
    until_tags(&test, tags(all)).await?;
    let found = made(&test)?;
    ensure!(
        found.settings.idle_timeout_seconds == Some(360),
        "{found:?}"
    );
    let created = calls(&test.cloud1);
    ensure!(created.len() == 1, "{created:?}");

    // Others give it tags, and change one of ours.
    test.cloud1
        .edit(&found.id, |found| {
            found.other_tags = tags([("audit", "yes"), ("owner", "finance")]);
            found.settings.tags.insert("team".into(), "mine".into());
        })
        .await?;
    until_tags(&test, tags(all)).await?;
    ensure!(made(&test)?.other_tags.len() == 2, "none is named");
    let named = Some("team=web,owner=shop");
    test.annotate("web", &[("tags", named), ("idle-timeout", None)])
        .await?;
    let ours = [("stage", "test"), ("team", "web"), ("owner", "shop")];
    until_tags(&test, tags(ours)).await?;
    test.annotate("web", &[("tags", None)]).await?;
    until_tags(&test, tags([("stage", "test"), ("team", "none")])).await?;
    let found = made(&test)?;
    ensure!(found.other_tags == tags([("audit", "yes")]), "{found:?}");
    ensure!(found.settings.idle_timeout_seconds.is_none(), "{found:?}");

    for (name, value, says) in [
        ("tags", "web", "it must be at most 20 of 'key=value'"),
        ("idle-timeout", "101m", "from '1s' to '100m'"),
    ] {
        test.annotate("web", &[(name, Some(value))]).await?;
        let message = test.until_reason("web", "InvalidConfiguration").await?;
        ensure!(message.contains(says), "{message}");
        test.annotate("web", &[(name, None)]).await?;
        test.until_ready("web").await?;
    }
    ensure!(made(&test)? == found, "what exists stayed");
    Ok(())
}

#[tokio::test]
async fn a_cloud_without_tags_gets_no_default_tags() -> Result<()> {
    let mut test = Environment::shared("notags").await?;
    test.extra_config = "defaultTags: stage=test".into();
    let without = Capabilities::all().without("tags").without("idleTimeout");
    test.cloud1.set_capabilities(Some(without));
    let _replica = test.sole_replica().await?;
    for (name, value, says) in [
        ("tags", "team=web", "cloud1 does not support tags"),
        (
            "idle-timeout",
            "60s",
            "cloud1 does not support the choice of an idle timeout",
        ),
    ] {
        let asking = test.service(name).provider("cloud1");
        asking.ours(name, value).create().await?;
        let message = test.until_reason(name, "Unsupported").await?;
        ensure!(message.contains(says), "{message}");
    }
    test.service("plain").provider("cloud1").create().await?;
    test.until_ready("plain").await?;
    ensure!(made(&test)?.settings.tags.is_empty());
    Ok(())
}

#[tokio::test]
async fn default_tags_stay_although_the_cloud_has_no_tags_any_more() -> Result<()> {
    let mut test = Environment::shared("losttags").await?;
    test.extra_config =
        "defaultTags: stage=test\ndriftInterval: 200ms\nsweepInterval: 200ms".into();
    test.cloud1.set_capabilities(Some(Capabilities::all()));
    let replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    until_tags(&test, tags([("stage", "test")])).await?;

    let without = Capabilities::all().without("tags");
    test.cloud1.set_capabilities(Some(without));
    let has = "mycloud_lb_cloud_capabilities{capability=\"tags\",cloud=\"cloud1\"}";
    replica.until(has, |value| value == 0.0).await?;
    test.annotate("web", &[("lb-bandwidth", Some("7M"))])
        .await?;
    eventually("the edit", SOON, async || {
        Ok((made(&test)?.settings.bandwidth == "7M").then_some(()))
    })
    .await?;
    let found = made(&test)?;
    ensure!(
        found.settings.tags == tags([("stage", "test")]),
        "{found:?}"
    );
    Ok(())
}
