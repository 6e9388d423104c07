//! Connections to the API server that are dead but not closed. A leader that sees nothing
//! would go on to renew its Lease over a new connection, and do nothing.

use std::time::Duration;

use anyhow::{Result, ensure};
use testbed::environment::SOON;
use testbed::nodes::NewNode;
use testbed::{Environment, Replica, eventually};

/// So that a test is short. The bounds follow from it.
const QUICK: &str = "watchTimeout: 2s";
/// Within this time a new Service is served after its watch has died: the connection is
/// found dead after 1.2 times the timeout, and the rest is for a busy machine.
const BOUND: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_dead_connection_is_replaced_soon() -> Result<()> {
    let mut test = Environment::own("frozen").await?;
    test.extra_config = QUICK.into();
    NewNode::new("node", [127, 10, 0, 1].into())
        .create(&test.client())
        .await?;
    let mut options = test.replica_options("sole");
    options.extra_args.push("--leader-elect=false".into());
    let network = test.through_network(&mut options).await?;
    let replica = Replica::start(options).await?;
    test.service("before").provider("cloud1").create().await?;
    test.until_ready("before").await?;

    network.freeze();
    test.service("after").provider("cloud1").create().await?;
    let served = tokio::time::timeout(BOUND, test.until_ready("after")).await;
    ensure!(served.is_ok(), "not served within {BOUND:?}");
    served??;
    let number = "mycloud_lb_watch_errors_total{error=\"stream\",kind=\"service\"}";
    replica.until(number, |count| count >= 1.0).await?;
    let silence = "mycloud_lb_watch_silence_seconds{kind=\"service\"}";
    replica.until(silence, |seconds| seconds < 2.4).await?;
    Ok(())
}

#[tokio::test]
async fn a_leader_that_sees_nothing_says_so_and_makes_way() -> Result<()> {
    let mut test = Environment::own("blinded").await?;
    test.extra_config = QUICK.into();
    NewNode::new("node", [127, 10, 0, 1].into())
        .create(&test.client())
        .await?;
    test.allow_election().await?;
    let direct = test.candidate("sees");
    let interposer = test.interpose().await?;
    let mut blind = Replica::start(test.candidate("blind")).await?;
    eventually("the first replica to lead", SOON, async || {
        Ok(blind.leads().await?.then_some(()))
    })
    .await?;
    let sees = Replica::start(direct).await?;

    // The Lease goes on to be renewed: only the Services are not seen any more.
    interposer.view().silence();
    eventually("the blind replica not to be ready", SOON, async || {
        let ready = reqwest::get(format!("{}/readyz/services-watched", blind.admin_url())).await?;
        let (code, text) = (ready.status(), ready.text().await?);
        Ok((code == 500 && text.contains("no sign of life")).then_some(()))
    })
    .await?;
    let status = blind.wait_exit(SOON).await?;
    ensure!(!status.success(), "{status}");
    let log = std::fs::read_to_string(blind.log_path())?;
    ensure!(log.contains("this replica released the Lease"), "{log}");
    ensure!(
        log.contains("the watch of service objects has shown no sign of life"),
        "{log}"
    );
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    ensure!(sees.leads().await?);
    Ok(())
}
