//! The probes of real replicas. Unit tests cover the failures of a broken process:
//! a leader that stays without its Lease in `src/election/healthz.rs`, a component
//! that is stuck in `src/app/heartbeat.rs`.

use std::time::Duration;

use anyhow::{Result, ensure};
use testbed::cloud::{Fault, FaultKind, Verb};
use testbed::environment::SOON;
use testbed::{Environment, Replica, eventually};

/// Every check of a replica that runs, in this order.
const LIVE: [&str; 14] = [
    "ping",
    "admin-server",
    "role",
    "service-cidrs",
    "finalizer-races",
    "event-writer",
    "node-watch",
    "sight",
    "data-version",
    "node-changes",
    "resync",
    "controller",
    "leader_election",
    "election",
];
const READY: [&str; 6] = [
    "ping",
    "stopping",
    "services-synced",
    "nodes-synced",
    "services-watched",
    "nodes-watched",
];

async fn get(replica: &Replica, path: &str) -> Result<(u16, String)> {
    let answer = reqwest::get(format!("{}{path}", replica.admin_url())).await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

async fn is_live_and_ready(replica: &Replica) -> Result<()> {
    for path in ["/livez", "/readyz", "/healthz"] {
        let (status, text) = get(replica, path).await?;
        ensure!((status, text.as_str()) == (200, "ok"), "{path}: {text}");
    }
    Ok(())
}

fn passed(endpoint: &str, checks: &[&str]) -> String {
    let lines = checks.iter().map(|check| format!("[+]{check} ok\n"));
    format!("{}{endpoint} check passed\n", lines.collect::<String>())
}

#[tokio::test]
async fn leader_and_standby_are_live_and_ready_by_the_same_checks() -> Result<()> {
    let test = Environment::own("healthy").await?;
    let first = Replica::start(test.replica_options("first")).await?;
    eventually("a leader", SOON, async || {
        Ok(first.leads().await?.then_some(()))
    })
    .await?;
    let second = Replica::start(test.replica_options("second")).await?;
    for replica in [&first, &second] {
        is_live_and_ready(replica).await?;
        let live = get(replica, "/livez?verbose").await?;
        ensure!(live == (200, passed("livez", &LIVE)), "{}", live.1);
        let ready = get(replica, "/readyz?verbose").await?;
        ensure!(ready == (200, passed("readyz", &READY)), "{}", ready.1);
        for check in LIVE {
            let one = get(replica, &format!("/livez/{check}")).await?;
            ensure!(one == (200, "ok".into()), "{check}: {}", one.1);
        }
    }
    ensure!(first.leads().await? && !second.leads().await?);
    Ok(())
}

#[tokio::test]
async fn a_replica_that_ends_is_live_and_not_ready() -> Result<()> {
    let mut test = Environment::shared("not-ready").await?;
    test.request_timeout = "5m".into();
    test.cloud1
        .set_fault(Fault::new(FaultKind::Hang { after_effect: true }).on(Verb::Create));
    let mut replica = test.sole_replica().await?;
    test.service("stuck").provider("cloud1").create().await?;
    eventually("the create to hang", SOON, async || {
        Ok((!test.cloud1.mutations().is_empty()).then_some(()))
    })
    .await?;
    is_live_and_ready(&replica).await?;
    replica.terminate()?;
    eventually("the replica not to be ready", SOON, async || {
        let (status, text) = get(&replica, "/readyz").await?;
        let says = text.contains("[-]stopping failed: reason withheld\n");
        Ok((status == 500 && says).then_some(()))
    })
    .await?;
    let why = get(&replica, "/readyz/stopping").await?;
    ensure!(why.1.contains("the process is stopping"), "{}", why.1);
    let live = get(&replica, "/livez").await?;
    ensure!(live == (200, "ok".into()), "{}", live.1);
    replica.wait_exit(Duration::from_secs(20)).await?;
    Ok(())
}

#[tokio::test]
async fn a_replica_that_has_not_listed_everything_is_live_and_not_ready() -> Result<()> {
    let test = Environment::own("not-listed").await?;
    let blind = Replica::launch(test.blind("blind").await?)?;
    let expected = "[+]ping ok\n[+]stopping ok\n[+]services-synced ok\n\
        [-]nodes-synced failed: reason withheld\n[+]services-watched ok\n\
        [+]nodes-watched ok\nreadyz check failed\n";
    eventually("the Services to be listed", SOON, async || {
        let ready = get(&blind, "/readyz").await?;
        ensure!(ready == (500, expected.into()), "{}", ready.1);
        Ok(Some(()))
    })
    .await?;
    let why = get(&blind, "/readyz/nodes-synced").await?;
    ensure!(why.1.contains("the Nodes are not listed yet"), "{}", why.1);
    let live = get(&blind, "/livez").await?;
    ensure!(live == (200, "ok".into()), "{}", live.1);
    Ok(())
}

#[tokio::test]
async fn neither_a_cloud_nor_the_api_server_out_of_reach_fails_a_probe() -> Result<()> {
    let mut test = Environment::own("out-of-reach").await?;
    test.request_timeout = "500ms".into();
    for cloud in [&test.cloud1, &test.cloud2] {
        cloud.set_fault(Fault::new(FaultKind::Hang {
            after_effect: false,
        }));
    }
    let node = testbed::nodes::NewNode::new("node", [127, 10, 0, 1].into());
    node.create(&test.client()).await?;
    let replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    let counted = async |series: &str| replica.until(series, |count| count >= 1.0).await;
    counted("mycloud_lb_reconcile_errors_total{controller=\"service\",reason=\"timeout\"}").await?;
    is_live_and_ready(&replica).await?;

    // The API server ends for good.
    test.control_plane.stop().await;
    for kind in ["service", "node"] {
        counted(&format!(
            "mycloud_lb_watch_errors_total{{error=\"start\",kind=\"{kind}\"}}"
        ))
        .await?;
    }
    is_live_and_ready(&replica).await
}
