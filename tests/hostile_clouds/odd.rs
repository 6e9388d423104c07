//! Clouds that mean well and answer otherwise than expected.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::body::Bytes;
use kube::ResourceExt;
use serde_json::{Value, json};
use testbed::environment::{SOON, addresses};
use testbed::nodes::{create_node, delete_node};
use testbed::{Environment, Replica, eventually};

use crate::server::OddCloud;

/// An environment in which cloud1 is the odd one.
pub async fn start(test: &str, config: &str) -> Result<(Environment, OddCloud, Replica)> {
    let mut test = Environment::shared(test).await?;
    test.extra_config = config.into();
    let (cloud, replica) = start_in(&test).await?;
    Ok((test, cloud, replica))
}

async fn start_in(test: &Environment) -> Result<(OddCloud, Replica)> {
    let cloud = OddCloud::start().await?;
    let mut options = test.replica_options("sole");
    options.config_yaml = cloud.as_cloud1(test, &options.config_yaml);
    options.extra_args.push("--leader-elect=false".into());
    let replica = Replica::start(options).await?;
    Ok((cloud, replica))
}

/// Changes every load balancer that an answer shows with all its values.
fn for_each_shown(answer: &mut Value, change: impl Fn(&mut Value)) {
    let is_whole = |shown: &&mut Value| !shown["bandwidth"].is_null();
    Some(&mut *answer)
        .into_iter()
        .filter(is_whole)
        .for_each(&change);
    let items = answer["items"].as_array_mut();
    let items = items.into_iter().flatten();
    items.filter(is_whole).for_each(change);
}

pub async fn until_ten_further_lists(cloud: &OddCloud) -> Result<()> {
    let lists = cloud.calls("list").len();
    eventually("ten further lists", SOON, async || {
        Ok((cloud.calls("list").len() > lists + 10).then_some(()))
    })
    .await
}

#[tokio::test]
async fn an_update_that_is_answered_with_nothing_changes_no_condition() -> Result<()> {
    let (test, cloud, _replica) = start("odd-terse", "").await?;
    cloud.answer(|verb, _, good| match verb {
        "update" => Bytes::from(r#"{"err": ""}"#),
        _ => Bytes::from(good.to_string()),
    });
    test.service("web").provider("cloud1").create().await?;
    let ready = test.until_ready("web").await?;
    let queries = cloud.calls("query").len();
    let annotated = test
        .annotate("web", &[("lb-bandwidth", Some("20M"))])
        .await?;
    let _ = annotated;
    test.until_event("web", "EnsuredLoadBalancer").await?;
    eventually("the update", SOON, async || {
        Ok((cloud.calls("update").len() == 1).then_some(()))
    })
    .await?;
    // A second update follows only after the first one was reported.
    test.annotate("web", &[("lb-bandwidth", Some("30M"))])
        .await?;
    eventually("the second update", SOON, async || {
        Ok((cloud.calls("update").len() == 2).then_some(()))
    })
    .await?;
    test.delete("web").await?;
    let before = test.writes()?;
    test.until_gone("web").await?;
    let ours = before.iter().filter(|write| write.name == "web").count();
    ensure!(ours <= 2, "finalizer and publication, no flips: {before:?}");
    // One after each update, and those of the deletion.
    let queried = cloud.calls("query").len() - queries;
    ensure!(queried <= 2 + 3, "{queried} queries");
    ensure!(!addresses(&ready).is_empty());
    Ok(())
}

/// Each Node change is one update of each load balancer, and no write. Before its first
/// update a load balancer is queried once, because the answer to a create proves nothing.
#[tokio::test]
async fn a_node_change_that_is_answered_with_nothing_flips_no_condition() -> Result<()> {
    const SERVICES: usize = 3;
    let test = Environment::own("odd-terse-nodes").await?;
    let node = |last| IpAddr::from([127, 10, 4, last]);
    create_node(&test.client(), "one", node(1), &[]).await?;
    let (cloud, _replica) = start_in(&test).await?;
    cloud.answer(|verb, _, good| match verb {
        "update" => Bytes::from(r#"{"err": ""}"#),
        _ => Bytes::from(good.to_string()),
    });
    for number in 0..SERVICES {
        let name = format!("web-{number}");
        test.service(&name).provider("cloud1").create().await?;
        test.until_ready(&name).await?;
    }
    let until_updates = async |expected: usize| {
        eventually("the updates", SOON, async || {
            let updates = cloud.calls("update").len();
            ensure!(updates <= expected, "{updates} updates");
            Ok((updates == expected).then_some(()))
        })
        .await
    };
    let written = test.writes()?.len();
    let queried = || cloud.calls("query").len();
    let before = queried();
    create_node(&test.client(), "two", node(2), &[]).await?;
    until_updates(SERVICES).await?;
    ensure!(queried() - before == SERVICES, "{} queries", queried());
    // What the first change left would show before the second one.
    delete_node(&test.client(), "two").await?;
    until_updates(2 * SERVICES).await?;
    create_node(&test.client(), "three", node(3), &[]).await?;
    until_updates(3 * SERVICES).await?;
    let writes = test.writes()?;
    let about_services = writes[written..].iter();
    let about_services = about_services.filter(|write| write.resource == "services");
    ensure!(about_services.count() == 0, "{writes:#?}");
    ensure!(queried() - before == SERVICES, "one query for each Service");
    for number in 0..SERVICES {
        let service = test.get(&format!("web-{number}")).await?;
        let (status, ..) = test.condition(&service).context("a condition")?;
        ensure!(status == "True", "{status}");
    }
    Ok(())
}

#[tokio::test]
async fn a_listener_that_is_not_known_is_put_right_and_can_be_deleted() -> Result<()> {
    let quick = "driftInterval: 500ms\nsweepInterval: 300ms";
    let (test, cloud, _replica) = start("odd-listener", quick).await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    cloud.edit(|found| found["listeners"][0]["protocol"] = json!("HTTP"));
    eventually("the listener to be put right", SOON, async || {
        let updates = cloud.calls("update");
        let is_right = |update: &serde_json::Value| update["listeners"][0]["protocol"] == "TCP";
        Ok(updates.iter().any(is_right).then_some(()))
    })
    .await?;
    // From now on it never is.
    cloud.answer(|_, _, mut good| {
        if !good["listeners"].is_null() {
            good["listeners"][0]["protocol"] = json!("HTTP");
        }
        for item in good["items"].as_array_mut().into_iter().flatten() {
            item["algorithm"] = json!("weighted");
        }
        Bytes::from(good.to_string())
    });
    test.delete("web").await?;
    test.until_gone("web").await?;
    ensure!(cloud.len() == 0);
    Ok(())
}

#[tokio::test]
async fn a_value_in_the_spelling_of_the_cloud_is_told_of_once_and_is_no_drift() -> Result<()> {
    let quick = "driftInterval: 300ms\nsweepInterval: 300ms";
    let (test, cloud, replica) = start("odd-spelling", quick).await?;
    cloud.answer(|_, _, mut good| {
        for_each_shown(&mut good, |found| {
            found["bandwidth"] = json!("5 Mbit/s");
            found["sourceRanges"] = json!(["2001:DB8::/32"]);
        });
        Bytes::from(good.to_string())
    });
    let ranges = json!(["2001:db8::/32"]);
    test.service("web")
        .provider("cloud1")
        .field("loadBalancerSourceRanges", ranges)
        .create()
        .await?;
    let is_told = |service: &_| {
        let condition = test.condition(service);
        condition.is_some_and(|(status, _, message)| {
            status == "True" && message.contains("keeps otherwise than requested: bandwidth")
        })
    };
    let told = test
        .until("web", "the difference to be told", is_told)
        .await?;
    let updates = cloud.calls("update").len();
    ensure!(updates == 1, "{updates} updates");
    until_ten_further_lists(&cloud).await?;
    ensure!(cloud.calls("update").len() == 1, "no further update");
    ensure!(test.events("web", "LoadBalancerDrifted").await?.is_empty());
    ensure!(test.get("web").await?.resource_version() == told.resource_version());
    ensure!(replica.total("mycloud_lb_drift_total").await? == 0.0);
    Ok(())
}

/// The Service goes on without the answer to the update, which tells what the cloud keeps.
#[tokio::test]
async fn a_value_that_a_slow_cloud_keeps_its_own_way_is_asked_for_once() -> Result<()> {
    let quick = "driftInterval: 300ms\nsweepInterval: 300ms";
    let (test, cloud, _replica) = start("odd-slow-kept", quick).await?;
    cloud.answer(|_, _, mut good| {
        for_each_shown(&mut good, |found| found["bandwidth"] = json!("5M"));
        Bytes::from(good.to_string())
    });
    cloud.slow_down("update", Duration::from_millis(1_500));
    test.service("web")
        .provider("cloud1,cloud2")
        .create()
        .await?;
    test.until_ready("web").await?;
    test.annotate("web", &[("lb-bandwidth", Some("20M"))])
        .await?;
    let is_told = |service: &_| {
        let condition = test.condition(service);
        condition.is_some_and(|(status, _, message)| {
            status == "True" && message.contains("otherwise than requested")
        })
    };
    test.until("web", "the difference to be told", is_told)
        .await?;
    until_ten_further_lists(&cloud).await?;
    let updates = cloud.calls("update").len();
    ensure!(updates == 1, "no further update: {updates}");
    Ok(())
}

#[tokio::test]
async fn a_value_that_a_terse_cloud_keeps_its_own_way_is_no_drift() -> Result<()> {
    let quick = "driftInterval: 300ms\nsweepInterval: 300ms";
    let (test, cloud, replica) = start("odd-terse-kept", quick).await?;
    cloud.answer(|verb, _, mut good| {
        for_each_shown(&mut good, |found| found["bandwidth"] = json!("5M"));
        match verb {
            "update" => Bytes::from(r#"{"err": ""}"#),
            _ => Bytes::from(good.to_string()),
        }
    });
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    test.annotate("web", &[("lb-bandwidth", Some("20M"))])
        .await?;
    let is_told = |service: &_| {
        let condition = test.condition(service);
        condition.is_some_and(|(_, _, message)| message.contains("otherwise than requested"))
    };
    test.until("web", "the difference to be told", is_told)
        .await?;
    until_ten_further_lists(&cloud).await?;
    let updates = cloud.calls("update").len();
    ensure!(updates == 1, "no further update: {updates}");
    ensure!(replica.total("mycloud_lb_drift_total").await? == 0.0);
    Ok(())
}

#[tokio::test]
async fn an_address_that_the_cloud_changes_blames_nobody_else() -> Result<()> {
    let quick = "driftInterval: 500ms\nsweepInterval: 300ms";
    let (test, cloud, _replica) = start("odd-address", quick).await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    cloud.edit(|found| found["ip"] = json!("198.51.100.201"));
    let is_new = |service: &_| addresses(service) == ["198.51.100.201"];
    test.until("web", "the new address", is_new).await?;
    let note = test.until_event("web", "UpdatedLoadBalancer").await?;
    ensure!(note.contains("198.51.100.201"), "{note}");
    ensure!(test.events("web", "StatusOverwritten").await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_host_name_in_capitals_is_published_in_lower_case() -> Result<()> {
    let (test, cloud, _replica) = start("odd-host-name", "").await?;
    cloud.answer(|_, _, mut good| {
        if !good["ip"].is_null() {
            good["ip"] = json!("");
            good["hostname"] = json!("MyLB-123.Elb.Example.com.");
        }
        Bytes::from(good.to_string())
    });
    test.service("web").provider("cloud1").create().await?;
    let ready = test.until_ready("web").await?;
    ensure!(addresses(&ready) == ["mylb-123.elb.example.com"]);
    test.record(&ready).context("a record")?;
    Ok(())
}

/// The load balancer in error may serve all the same, and the other one serves.
#[tokio::test]
async fn a_load_balancer_in_error_follows_the_nodes_and_so_does_that_of_the_other_cloud()
-> Result<()> {
    let test = Environment::own("odd-error").await?;
    let node = |last| IpAddr::from([127, 10, 5, last]);
    create_node(&test.client(), "one", node(1), &[]).await?;
    let (cloud, _replica) = start_in(&test).await?;
    cloud.answer(|verb, _, mut good| {
        if matches!(verb, "create" | "query" | "update") {
            good["state"] = json!("error");
            good["message"] = json!("out of order");
        }
        Bytes::from(good.to_string())
    });
    let service = test.service("web").provider("cloud1,cloud2");
    service.create().await?;
    let message = test.until_reason("web", "CloudError").await?;
    ensure!(message.contains("out of order"), "{message}");
    let until_both_have = async |expected: Vec<IpAddr>| {
        eventually("both clouds to have the Nodes", SOON, async || {
            let updates = cloud.calls("update");
            let on_cloud1 = updates.last().map(|update| update["nodes"].to_string());
            let on_cloud1 = on_cloud1.unwrap_or_default();
            let is_on_cloud1 = [1, 2]
                .map(node)
                .iter()
                .all(|ip| on_cloud1.contains(&format!("\"{ip}\"")) == expected.contains(ip));
            let on_cloud2 = test.cloud2.inventory();
            let on_cloud2 = on_cloud2.first().map(|found| found.settings.nodes.clone());
            Ok((is_on_cloud1 && on_cloud2.as_ref() == Some(&expected)).then_some(()))
        })
        .await
    };
    create_node(&test.client(), "two", node(2), &[]).await?;
    until_both_have(vec![node(1), node(2)]).await?;
    delete_node(&test.client(), "one").await?;
    until_both_have(vec![node(2)]).await
}
