//! Only a replica that sees Services and Nodes stands for election: one that
//! is blind would hold the Lease for ever and do nothing.

use anyhow::{Result, ensure};
use testbed::{Environment, Replica};

#[tokio::test]
async fn a_blind_replica_leaves_the_lease_to_one_that_sees() -> Result<()> {
    let test = Environment::own("warm").await?.with_node().await?;
    let blind = Replica::launch(test.blind("blind").await?)?;
    // It has had its chance: everything that it may see, it has seen.
    let listed = "mycloud_lb_healthcheck{name=\"services-synced\",type=\"readyz\"}";
    blind.until(listed, |healthy| healthy == 1.0).await?;

    let _sees = Replica::start(test.replica_options("sees")).await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    ensure!(!blind.leads().await?);
    Ok(())
}
