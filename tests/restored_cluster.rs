//! The cluster goes back in time: etcd is restored from a backup, and versions count on from
//! there. What counts by them begins anew.

use std::time::Duration;

use anyhow::{Result, ensure};
use testbed::environment::{SOON, addresses};
use testbed::nodes::NewNode;
use testbed::replica::LeaseTiming;
use testbed::{Environment, Replica, eventually};

/// Longer than a restore takes, so that the leader sees it.
const LONG_LEASE: LeaseTiming = LeaseTiming {
    lease_duration: Duration::from_secs(90),
    renew_deadline: Duration::from_secs(60),
    retry_period: Duration::from_secs(1),
};

/// Writes after the backup: until the restored cluster has made as many, its versions are
/// lower than those that the replicas know.
const WRITES: usize = 300;

#[tokio::test]
async fn a_cluster_that_was_restored_from_a_backup_is_served() -> Result<()> {
    let mut test = Environment::own("restored").await?;
    test.extra_config = "watchTimeout: 4s".into();
    NewNode::new("node", [127, 10, 0, 1].into())
        .create(&test.client())
        .await?;
    let mut options = test.replica_options("first");
    options.lease = LONG_LEASE;
    let mut first = Replica::start(options.clone()).await?;
    eventually("a leader", SOON, async || {
        Ok(first.leads().await?.then_some(()))
    })
    .await?;
    options.name = "second".into();
    let second = Replica::start(options).await?;
    test.service("kept").provider("cloud1").create().await?;
    let kept = test.until_ready("kept").await?;
    test.control_plane.back_up().await?;

    test.service("lost").provider("cloud1").create().await?;
    test.until_ready("lost").await?;
    for number in 0..WRITES {
        let number = number.to_string();
        test.annotate("lost", &[("unrelated", Some(&number))])
            .await?;
    }
    // A write of ours to a Service that the backup has, of a later version.
    test.annotate("kept", &[("lb-bandwidth", Some("20M"))])
        .await?;
    eventually("the edit to be applied", SOON, async || {
        Ok(test
            .cloud1
            .inventory()
            .iter()
            .any(|found| found.settings.bandwidth == "20M")
            .then_some(()))
    })
    .await?;
    test.control_plane.restore().await?;

    // The Lease went back too: its holder makes way for a replica whose term is above all
    // those before.
    let status = first.wait_exit(SOON).await?;
    ensure!(!status.success(), "{status}");
    test.service("new").provider("cloud1").create().await?;
    test.until_ready("new").await?;
    ensure!(second.leads().await?, "the other one leads");
    let now = test.until_ready("kept").await?;
    ensure!(addresses(&now) == addresses(&kept), "{now:?}");
    test.annotate("kept", &[("lb-bandwidth", Some("30M"))])
        .await?;
    eventually("an edit of the kept Service", SOON, async || {
        Ok(test
            .cloud1
            .inventory()
            .iter()
            .any(|found| found.settings.bandwidth == "30M")
            .then_some(()))
    })
    .await
}
