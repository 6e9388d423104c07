//! A load balancer that is changed back after each repair, by its cloud or by another program,
//! is left so after two identical repairs, until its Service is edited or it shows another value.

use anyhow::{Context, Result, ensure};
use testbed::cloud::{CloudSimulator, LoadBalancer, Verb};
use testbed::environment::SOON;
use testbed::{Environment, Replica, eventually};

const QUICK: &str = "driftInterval: 300ms\nsweepInterval: 300ms";
const GIVEN_UP: &str = "mycloud_lb_drift_total{cloud=\"cloud1\",result=\"not_repairable\"}";

async fn served(name: &str) -> Result<(Environment, Replica, String)> {
    let mut test = Environment::shared(name).await?;
    test.extra_config = QUICK.into();
    let replica = test.sole_replica().await?;
    let made = test.service("web").provider("cloud1").served().await?;
    Ok((test, replica, made.id))
}

fn updates(cloud: &CloudSimulator) -> usize {
    let calls = cloud.mutations();
    calls
        .iter()
        .filter(|call| call.verb == Verb::Update)
        .count()
}

/// Changes the load balancer, and waits for its repair.
async fn repaired(test: &Environment, id: &str, edit: fn(&mut LoadBalancer)) -> Result<()> {
    let (before, wanted) = (updates(&test.cloud1), test.cloud1.inventory());
    test.cloud1.edit(id, edit).await?;
    eventually("a repair", SOON, async || {
        Ok((test.cloud1.inventory() == wanted).then_some(()))
    })
    .await?;
    ensure!(updates(&test.cloud1) == before + 1, "one repair");
    Ok(())
}

/// Waits until the cloud was listed twice, and another Service was served after that.
async fn until_looked_at(test: &Environment, barrier: &str) -> Result<()> {
    let lists = || {
        let events = test.cloud1.events().into_iter();
        events.filter(|event| event.verb == Verb::List).count()
    };
    let before = lists();
    eventually("two more lists", SOON, async || {
        Ok((lists() >= before + 2).then_some(()))
    })
    .await?;
    test.service(barrier).provider("cloud2").create().await?;
    test.until_ready(barrier).await?;
    Ok(())
}

fn slow(found: &mut LoadBalancer) {
    found.settings.bandwidth = "1K".into();
}

fn slower(found: &mut LoadBalancer) {
    found.settings.bandwidth = "2K".into();
}

#[tokio::test]
async fn two_identical_repairs_are_the_last_until_something_else_changes() -> Result<()> {
    let (test, replica, id) = served("drift-fight").await?;
    repaired(&test, &id, slow).await?;
    repaired(&test, &id, slow).await?;
    let sent = updates(&test.cloud1);
    test.cloud1.edit(&id, slow).await?;
    let note = test.until_event("web", "DriftNotRepairable").await?;
    ensure!(note.contains(&id) && note.contains("bandwidth"), "{note}");
    until_looked_at(&test, "barrier").await?;
    ensure!(updates(&test.cloud1) == sent, "it is left so");
    let ready = test.until_ready("web").await?;
    let (_, _, message) = test.condition(&ready).context("a condition")?;
    ensure!(
        message.contains("repairs were undone: bandwidth"),
        "{message}"
    );
    ensure!(replica.value(GIVEN_UP).await? == 1.0);
    ensure!(test.events("web", "DriftNotRepairable").await?.len() == 1);

    // Another value is another story; the one after it is the first of its kind.
    test.cloud1.edit(&id, slower).await?;
    let is_repaired = async || {
        let found = test.cloud1.inventory().pop().context("a load balancer")?;
        Ok((found.settings.bandwidth == "5M").then_some(()))
    };
    eventually("another value to be repaired", SOON, is_repaired).await?;
    repaired(&test, &id, slow).await?;
    repaired(&test, &id, slow).await?;
    test.cloud1.edit(&id, slow).await?;
    replica.until(GIVEN_UP, |given_up| given_up == 2.0).await?;

    // So is an edit, whatever it is about.
    test.annotate("web", &[("algorithm", Some("source-hash"))])
        .await?;
    eventually("the edit to bring the bandwidth too", SOON, is_repaired).await?;
    let ready = test.until_ready("web").await?;
    let (_, _, message) = test.condition(&ready).context("a condition")?;
    ensure!(!message.contains("undone"), "{message}");
    repaired(&test, &id, slow).await
}

/// What is left to others does not leave the back ends and the other values alone.
#[tokio::test]
async fn what_nobody_fights_about_is_repaired_as_ever() -> Result<()> {
    let (test, _replica, id) = served("drift-fight-rest").await?;
    repaired(&test, &id, slow).await?;
    repaired(&test, &id, slow).await?;
    test.cloud1.edit(&id, slow).await?;
    test.until_event("web", "DriftNotRepairable").await?;

    let has_back_ends = async || {
        let found = test.cloud1.inventory().pop().context("a load balancer")?;
        Ok((found.settings.nodes.len() == 2).then_some(()))
    };
    // Back ends are restored each time: without them nobody is served.
    for _ in 0..4 {
        test.cloud1
            .edit(&id, |found| found.settings.nodes.clear())
            .await?;
        eventually("the back ends to be back", SOON, has_back_ends).await?;
        test.cloud1.edit(&id, slow).await?;
    }
    test.cloud1.remove(&id).await?;
    eventually("another one", SOON, has_back_ends).await?;
    test.until_ready("web").await?;
    Ok(())
}
