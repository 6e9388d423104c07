//! Two load balancers with our name and owner for one Service, as a create leaves that
//! arrives late at a cloud whose creates are not idempotent.

use anyhow::{Context, Result, ensure};
use testbed::Environment;
use testbed::cloud::{LoadBalancer, Plant};
use testbed::environment::addresses;

use super::{QUICK, deletes, until_deleted};

/// The Service `web`, its load balancer, and another one that looks the same.
async fn two_of_a_kind(test: &Environment) -> Result<[LoadBalancer; 2]> {
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    let first = test.cloud1.inventory();
    let first = first.into_iter().next().context("a load balancer")?;
    let second = Plant {
        name: first.name.clone(),
        owner: first.owner.clone(),
        settings: first.settings.clone(),
        ..Plant::default()
    };
    let second = test.cloud1.plant(second).await?;
    Ok([first, second])
}

async fn until_reported(test: &Environment, of: &LoadBalancer, kept: &LoadBalancer) -> Result<()> {
    let note = test.until_event("web", "OrphanedLoadBalancer").await?;
    ensure!(note.contains(&of.id) && note.contains(&kept.id), "{note}");
    Ok(())
}

#[tokio::test]
async fn the_recorded_one_stays_and_the_other_is_swept() -> Result<()> {
    let mut test = Environment::shared("duplicate").await?;
    test.extra_config = QUICK.into();
    let _replica = test.sole_replica().await?;
    let [first, second] = two_of_a_kind(&test).await?;
    until_deleted(&test.cloud1, &second.id).await?;
    until_reported(&test, &second, &first).await?;
    let service = test.get("web").await?;
    ensure!(test.record(&service) == Some((first.id.as_str(), "cloud1")));
    ensure!(test.cloud1.inventory() == [first]);
    ensure!(deletes(&test.cloud1).len() == 1);
    Ok(())
}

/// Even if the cloud answers a query by name with the other one.
#[tokio::test]
async fn the_record_decides_which_one_is_published() -> Result<()> {
    let mut test = Environment::shared("duplicate-named").await?;
    test.extra_config = format!("{QUICK}\ndriftInterval: 300ms");
    let replica = test.sole_replica().await?;
    let [first, second] = two_of_a_kind(&test).await?;
    drop(replica);
    test.annotate("web", &[("lb-id", Some(&second.id))]).await?;
    let _replica = test.sole_replica().await?;
    until_deleted(&test.cloud1, &first.id).await?;
    until_reported(&test, &first, &second).await?;
    let address = second.ip.context("an address")?.to_string();
    let is_published = |service: &_| {
        let record = test.record(service);
        record == Some((&second.id, "cloud1")) && addresses(service) == [address.clone()]
    };
    test.until("web", "the recorded one to be published", is_published)
        .await?;
    ensure!(test.cloud1.inventory() == [second]);
    Ok(())
}

#[tokio::test]
async fn the_other_is_only_reported_if_so_configured() -> Result<()> {
    let mut test = Environment::shared("duplicate-report").await?;
    test.extra_config = format!("{QUICK}\norphans: report");
    let _replica = test.sole_replica().await?;
    let [first, second] = two_of_a_kind(&test).await?;
    until_reported(&test, &second, &first).await?;
    ensure!(deletes(&test.cloud1).is_empty());
    let orphans = test.command(&["orphans"]).await?;
    ensure!(orphans.contains(&second.id), "{orphans}");
    Ok(())
}
