//! Two clouds of the configuration that lead to one account.

use anyhow::{Context, Result, ensure};
use testbed::cloud::Verb;
use testbed::environment::SOON;
use testbed::{Environment, Replica, eventually};

/// A replica for which cloud2 is another name of cloud1.
async fn replica(test: &Environment) -> Result<Replica> {
    let mut options = test.replica_options("sole");
    options.extra_args.push("--leader-elect=false".into());
    let (one, two) = (test.cloud1.endpoint(), test.cloud2.endpoint());
    let other_name = one.replace("127.0.0.1", "localhost");
    ensure!(other_name != one && options.config_yaml.contains(&two));
    options.config_yaml = options.config_yaml.replace(&two, &other_name);
    Replica::start(options).await
}

/// Waits until Services have been looked at several more times.
async fn looks(test: &Environment, more: usize) -> Result<()> {
    let lists = || {
        let events = test.cloud1.events();
        events.iter().filter(|call| call.verb == Verb::List).count()
    };
    let before = lists();
    eventually("more lists", SOON, async || {
        Ok((lists() >= before + more).then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_move_within_an_account_deletes_nothing_and_is_explained() -> Result<()> {
    let mut test = Environment::shared("one-account").await?;
    test.extra_config = "sweepInterval: 300ms\norphanGracePeriod: 1s\ndriftInterval: 300ms".into();
    let first = replica(&test).await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    let there = test.cloud1.inventory();
    let id = there.first().context("a load balancer")?.id.clone();
    let ensure_there = || {
        let deletes = test.cloud1.mutations();
        let deletes: Vec<_> = deletes
            .iter()
            .filter(|call| call.verb == Verb::Delete)
            .collect();
        ensure!(deletes.is_empty(), "{deletes:?}");
        ensure!(test.cloud1.inventory() == there);
        Ok(())
    };
    let both = |text: &str| {
        ["cloud1", "cloud2", id.as_str(), "one account"]
            .iter()
            .all(|part| text.contains(part))
    };

    // Both lists show it, although the Service names one of the clouds only.
    looks(&test, 8).await?;
    ensure_there()?;
    let is_told = |service: &_| {
        test.condition(service)
            .is_some_and(|(status, _, message)| status == "True" && both(&message))
    };
    test.until("web", "the condition to name both clouds", is_told)
        .await?;
    let log = std::fs::read_to_string(first.log_path())?;
    ensure!(log.contains("two clouds of the configuration show the same load balancer"));

    test.annotate("web", &[("provider", Some("cloud2"))])
        .await?;
    let is_moved = |service: &_| test.record(service) == Some((&id, "cloud2")) && is_told(service);
    test.until("web", "the move to be over", is_moved).await?;
    looks(&test, 8).await?;
    ensure_there()?;
    let note = test.until_event("web", "SyncLoadBalancerFailed").await?;
    ensure!(both(&note), "{note}");

    // A new leader, which starts with a move that it has not seen, is as careful.
    drop(first);
    test.annotate("web", &[("provider", Some("cloud1"))])
        .await?;
    let _second = replica(&test).await?;
    let is_back = |service: &_| test.record(service) == Some((&id, "cloud1")) && is_told(service);
    test.until("web", "the move back to be over", is_back)
        .await?;
    looks(&test, 8).await?;
    ensure_there()?;

    // It goes with its Service.
    test.delete("web").await?;
    test.until_gone("web").await?;
    ensure!(test.cloud1.inventory().is_empty());
    Ok(())
}

/// Nothing has listed the account before the second create finds what the first made.
#[tokio::test]
async fn a_create_that_finds_what_another_cloud_shows_deletes_nothing() -> Result<()> {
    let test = Environment::shared("one-account-create").await?;
    let _replica = replica(&test).await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    let there = test.cloud1.inventory();
    let id = there.first().context("a load balancer")?.id.clone();
    test.annotate("web", &[("provider", Some("cloud2"))])
        .await?;
    let is_moved = |service: &_| {
        let condition = test.condition(service);
        test.record(service) == Some((&id, "cloud2"))
            && condition
                .is_some_and(|(status, _, message)| status == "True" && message.contains("cloud1"))
    };
    test.until("web", "the move to be over", is_moved).await?;
    ensure!(test.cloud1.inventory() == there);
    Ok(())
}
