//! A replica that starts finds everything as it is, and mends what is not.

use anyhow::{Result, ensure};
use kube::ResourceExt;
use testbed::cloud::{CloudSimulator, Event, Verb};
use testbed::environment::SOON;
use testbed::{Environment, Replica, eventually};

const SERVICES: [(&str, &str); 4] = [
    ("one", "cloud1"),
    ("two", "cloud2"),
    ("both", "cloud1,cloud2"),
    ("another", "cloud1"),
];

async fn provisioned(test: &Environment) -> Result<Replica> {
    let replica = test.sole_replica().await?;
    for (name, clouds) in SERVICES {
        test.service(name).provider(clouds).create().await?;
    }
    for (name, _) in SERVICES {
        test.until_ready(name).await?;
    }
    Ok(replica)
}

async fn versions(test: &Environment) -> Result<Vec<Option<String>>> {
    let mut versions = Vec::new();
    for (name, _) in SERVICES {
        versions.push(test.get(name).await?.resource_version());
    }
    Ok(versions)
}

fn last(cloud: &CloudSimulator) -> u64 {
    cloud.last_sequence()
}

#[tokio::test]
async fn a_restart_lists_each_cloud_once_and_changes_nothing() -> Result<()> {
    let test = Environment::shared("restart").await?;
    let mut replica = provisioned(&test).await?;
    replica.kill();
    let (before, made) = (versions(&test).await?, test.cloud1.inventory());
    let seen = [last(&test.cloud1), last(&test.cloud2)];
    let events = test.events("one", "EnsuredLoadBalancer").await?.len();

    let _replica = test.sole_replica().await?;
    // The Services that were there are looked at before one that comes now.
    test.service("barrier")
        .provider("cloud1,cloud2")
        .create()
        .await?;
    test.until_ready("barrier").await?;
    test.until_event("barrier", "EnsuredLoadBalancer").await?;

    for (cloud, seen) in [&test.cloud1, &test.cloud2].into_iter().zip(seen) {
        let calls = cloud.events_after(seen);
        let of_the_barrier = |call: &&Event| call.verb != Verb::List;
        let rest: Vec<_> = calls.iter().filter(of_the_barrier).collect();
        ensure!(calls.len() - rest.len() == 1, "one list: {calls:?}");
        let questions = cloud.questions_after(seen);
        ensure!(questions.len() == 1, "one question: {questions:?}");
        ensure!(rest.len() == 1 && rest[0].verb == Verb::Create, "{rest:?}");
    }
    ensure!(versions(&test).await? == before, "a Service was written");
    ensure!(test.cloud1.inventory()[..made.len()] == made[..]);
    ensure!(test.events("one", "EnsuredLoadBalancer").await?.len() == events);
    Ok(())
}

#[tokio::test]
async fn what_happened_while_no_replica_ran_is_caught_up_with() -> Result<()> {
    let test = Environment::shared("restart-missed").await?;
    let mut replica = provisioned(&test).await?;
    replica.kill();
    test.delete("one").await?;
    test.delete("both").await?;
    test.annotate("two", &[("lb-bandwidth", Some("20M"))])
        .await?;
    test.annotate("another", &[("enable", None)]).await?;

    let _replica = test.sole_replica().await?;
    test.until_gone("one").await?;
    test.until_gone("both").await?;
    let let_go = |service: &_| test.ensure_unmarked(service).is_ok();
    test.until("another", "our marks to be gone", let_go)
        .await?;
    eventually("cloud2 to be updated", SOON, async || {
        let inventory = test.cloud2.inventory();
        ensure!(inventory.len() == 1, "{inventory:?}");
        Ok((inventory[0].settings.bandwidth == "20M").then_some(()))
    })
    .await?;
    ensure!(
        test.cloud1.inventory().is_empty(),
        "{:?}",
        test.cloud1.inventory()
    );
    Ok(())
}

#[tokio::test]
async fn what_is_as_it_should_be_is_only_listed() -> Result<()> {
    let mut test = Environment::shared("drift-none").await?;
    test.extra_config = "driftInterval: 200ms\nsweepInterval: 200ms".into();
    let _replica = provisioned(&test).await?;
    let before = versions(&test).await?;
    let seen = last(&test.cloud1);
    eventually("five lists of cloud1", SOON, async || {
        Ok((test.cloud1.events_after(seen).len() >= 5).then_some(()))
    })
    .await?;
    let calls = test.cloud1.events_after(seen);
    ensure!(
        calls.iter().all(|call| call.verb == Verb::List),
        "{calls:?}"
    );
    ensure!(versions(&test).await? == before, "a Service was written");
    Ok(())
}
