//! Services that keep coming, and what must have become of them.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use testbed::Environment;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

/// Between two Services.
const PACE: Duration = Duration::from_millis(50);

/// Creates Services `web-0`, `web-1`, … on both clouds in turn, until told to
/// stop; gives how many.
pub async fn create_services(test: &Environment, stop: &CancellationToken) -> Result<usize> {
    let mut pace = interval(PACE);
    let mut count = 0;
    while stop.run_until_cancelled(pace.tick()).await.is_some() {
        let cloud = ["cloud1", "cloud2"][count % 2];
        test.service(&format!("web-{count}"))
            .provider(cloud)
            .create()
            .await?;
        count += 1;
    }
    Ok(count)
}

/// Waits until all of them are ready; then each has one load balancer, the one
/// that it names, and there is no other.
pub async fn ensure_one_each(test: &Environment, services: usize) -> Result<()> {
    let mut expected = BTreeMap::new();
    for number in 0..services {
        let name = format!("web-{number}");
        let service = test.until_ready(&name).await?;
        expected.insert(test.ours(&service, "lb-id").map(str::to_owned), name);
    }
    let mut found = BTreeMap::new();
    for load_balancer in [test.cloud1.inventory(), test.cloud2.inventory()].concat() {
        let owner = load_balancer.owner.map(|owner| owner.name);
        found.insert(Some(load_balancer.id), owner.unwrap_or_default());
    }
    ensure!(
        found == expected,
        "the clouds have {found:?} instead of {expected:?}"
    );
    Ok(())
}
