//! What a person reads of orphans.

use anyhow::{Result, ensure};
use testbed::environment::SOON;
use testbed::{Environment, eventually};

use super::{QUICK, cluster, left_by, looks, not_ours, orphan, owner};

const ORPHANS: &str = "mycloud_lb_orphaned_load_balancers{cloud=\"cloud1\"}";

#[tokio::test]
async fn orphans_are_only_reported_if_so_configured() -> Result<()> {
    let mut test = Environment::shared("report").await?;
    test.extra_config = format!("{QUICK}\norphans: report");
    orphan(&test).await?;
    let replica = test.sole_replica().await?;
    test.until_event("gone", "OrphanedLoadBalancer").await?;
    looks(&test.cloud1, 3).await?;
    ensure!(
        test.cloud1.mutations().is_empty(),
        "{:?}",
        test.cloud1.mutations()
    );
    let metrics = replica.metrics().await?;
    let shown = metrics.get(ORPHANS);
    ensure!(shown == Some(&1.0), "{shown:?}");
    Ok(())
}

/// A cloud that lists load balancers of owners that it made up must not fill the log.
#[tokio::test]
async fn an_orphan_that_is_kept_is_warned_of_once() -> Result<()> {
    const WARNINGS: &str = "mycloud_lb_log_events_total{level=\"warn\"}";
    let mut test = Environment::shared("report-once").await?;
    test.extra_config = format!("{QUICK}\norphans: report");
    orphan(&test).await?;
    let replica = test.sole_replica().await?;
    test.until_event("gone", "OrphanedLoadBalancer").await?;
    let before = replica.value(WARNINGS).await?;
    ensure!(before >= 1.0, "{before}");
    looks(&test.cloud1, 3).await?;
    let after = replica.value(WARNINGS).await?;
    ensure!(after == before, "{before} warnings became {after}");
    Ok(())
}

/// Whether they are orphans is not known then, which does not mean that there are none.
#[tokio::test]
async fn orphans_stay_in_the_metrics_while_the_api_server_is_away() -> Result<()> {
    let mut test = Environment::own("orphans-unknown").await?;
    test.extra_config = format!("{QUICK}\norphans: report");
    let cluster = cluster(&test).await?;
    let orphan = left_by(&owner(&test, &cluster, "uid"));
    test.cloud1.plant(orphan).await?;
    let replica = test.sole_replica().await?;
    let shown = async || {
        let metrics = replica.metrics().await?;
        anyhow::Ok(metrics.get(ORPHANS).copied())
    };
    eventually("an orphan in the metrics", SOON, async || {
        Ok((shown().await? == Some(1.0)).then_some(()))
    })
    .await?;
    test.control_plane.stop().await;
    looks(&test.cloud1, 3).await?;
    let shown = shown().await?;
    ensure!(shown == Some(1.0), "{shown:?}");
    Ok(())
}

#[tokio::test]
async fn the_command_lists_orphans_and_changes_nothing() -> Result<()> {
    let test = Environment::shared("command").await?;
    let replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    drop(replica);
    not_ours(&test).await?;
    let none = test.command(&["orphans"]).await?;
    let says_none = none.starts_with("no orphans") && none.lines().count() == 1;
    ensure!(says_none, "{none}");

    let orphan = orphan(&test).await?;
    let before = (test.cloud1.inventory(), test.cloud1.mutations());
    let output = test.command(&["orphans"]).await?;
    let lines: Vec<&str> = output.lines().collect();
    ensure!(lines.len() == 2, "a heading and one orphan: {output}");
    let uid = orphan.owner.map(|owner| owner.uid).unwrap_or_default();
    let service = format!("{}/gone", test.namespace);
    for cell in ["cloud1", &orphan.id, &orphan.name, &service, &uid] {
        ensure!(lines[1].contains(cell), "{cell}: {output}");
    }
    ensure!((test.cloud1.inventory(), test.cloud1.mutations()) == before);
    ensure!(test.cloud2.mutations().is_empty());
    Ok(())
}
