//! Services that keep coming, and what must have become of them.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testbed::Environment;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

/// Between two Services.
const PACE: Duration = Duration::from_millis(100);

/// Creates Services `web-0`, `web-1`, … on both clouds in turn, until told to
/// stop; gives how many.
pub async fn create_services(test: &Environment, stop: &CancellationToken) -> Result<usize> {
    let mut pace = interval(PACE);
    let mut count = 0;
    while stop.run_until_cancelled(pace.tick()).await.is_some() {
        create_service(test, count).await?;
        count += 1;
    }
    Ok(count)
}

/// Creates one of them.
pub async fn create_service(test: &Environment, number: usize) -> Result<()> {
    let cloud = ["cloud1", "cloud2"][number % 2];
    let service = test.service(&format!("web-{number}")).provider(cloud);
    service.create().await?;
    Ok(())
}

/// Waits until all of them are ready; then each has one load balancer, the one
/// that it names, and there is no other.
pub async fn ensure_one_each(test: &Environment, services: usize) -> Result<()> {
    let mut named = BTreeSet::new();
    for number in 0..services {
        let name = format!("web-{number}");
        let service = test.until_ready(&name).await?;
        let (id, cloud) = test.record(&service).context("a record")?;
        named.insert((name, cloud.to_owned(), id.to_owned()));
    }
    let mut there = BTreeSet::new();
    for cloud in [&test.cloud1, &test.cloud2] {
        for load_balancer in cloud.inventory() {
            let owner = load_balancer.owner.context("an owner")?;
            there.insert((owner.name, cloud.name().to_owned(), load_balancer.id));
        }
    }
    let differences: Vec<_> = there.symmetric_difference(&named).collect();
    ensure!(
        differences.is_empty(),
        "only in the clouds, or only on record: {differences:?}"
    );
    Ok(())
}
