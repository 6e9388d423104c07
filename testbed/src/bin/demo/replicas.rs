//! The three replicas of the demo.

use std::time::Duration;

use anyhow::{Context, Result};
use testbed::monitoring::prometheus::Targets;
use testbed::replica::LeaseTiming;
use testbed::{Environment, ReplicaOptions, Replicas};

use crate::demo::Demo;
use crate::stage::Stage;

/// As the pods of a Deployment, with names that are easier to read.
const PODS: [&str; 3] = [
    "my-cloud-controller-manager-0",
    "my-cloud-controller-manager-1",
    "my-cloud-controller-manager-2",
];

/// Times of the election. The defaults (15 s, 10 s, 2 s) are for clusters whose
/// API server may be away for seconds; these make the crash quicker to watch.
pub const TIMING: LeaseTiming = LeaseTiming {
    lease_duration: Duration::from_secs(4),
    renew_deadline: Duration::from_secs(3),
    retry_period: Duration::from_millis(500),
};

const READY: Duration = Duration::from_secs(30);
const AGREED: Duration = Duration::from_secs(10);

/// Starts all, at the same moment.
///
/// # Errors
/// One did not become ready.
pub async fn start(stage: &Stage, demo: &mut Demo) -> Result<()> {
    let options = |pod| options(&demo.environment, pod);
    demo.replicas = Replicas::launch(PODS.map(options))?;
    scrape(demo)?;
    let _progress = stage.progress("three replicas to be ready");
    demo.replicas.wait_ready(READY).await
}

fn options(environment: &Environment, pod: &str) -> ReplicaOptions {
    ReplicaOptions {
        lease: TIMING,
        ..environment.replica_options(pod)
    }
}

/// Gives Prometheus, if there is one, the replicas that run now.
fn scrape(demo: &Demo) -> Result<()> {
    let targets: Option<&Targets> = demo.monitoring.as_ref().map(|found| found.targets());
    let Some(targets) = targets else {
        return Ok(());
    };
    let replicas = demo.replicas.iter();
    targets.set(replicas.map(|(pod, replica)| (pod, replica.admin_url())))
}

/// Starts one again that has ended, and waits until it is ready and exactly
/// `leader` leads.
///
/// # Errors
/// It did not become ready, or the metrics show another leader.
pub async fn restart(stage: &Stage, demo: &mut Demo, pod: &str, leader: &str) -> Result<()> {
    let index = demo.replicas.position(pod)?;
    demo.replicas.relaunch(index)?;
    scrape(demo)?;
    {
        let _progress = stage.progress(&format!("{pod} to be ready"));
        let ready = demo.replicas[index].wait_ready(READY).await;
        ready.context(pod.to_owned())?;
    }
    until_led_by(stage, demo, leader).await
}

/// As a kubelet would: starts those again that have ended, and prints it.
///
/// # Errors
/// One could not be started.
pub fn relaunch_ended(stage: &Stage, demo: &mut Demo) -> Result<()> {
    for (index, status) in demo.replicas.ended()? {
        let new = demo.replicas.relaunch(index)?;
        let started = format!("pid {}, {}/metrics", new.id(), new.admin_url());
        let pod = demo.replicas.name(index);
        stage.line(&format!("{pod} ended ({status}); started again: {started}"));
        scrape(demo)?;
    }
    Ok(())
}

/// Waits until this replica leads, and no other, by the metrics of all.
///
/// # Errors
/// It did not within some seconds.
pub async fn until_led_by(stage: &Stage, demo: &Demo, pod: &str) -> Result<()> {
    let expected = demo.replicas.position(pod)?;
    let what = format!("the metrics to show that {pod} leads, and no other");
    stage
        .until(&what, AGREED, async || {
            let leader = demo.replicas.leader().await?;
            Ok((leader == Some(expected)).then_some(()))
        })
        .await
}

/// Prints a table of them.
///
/// # Errors
/// One does not answer.
pub async fn show(stage: &Stage, demo: &Demo) -> Result<()> {
    let mut rows = Vec::new();
    for (pod, replica) in demo.replicas.iter() {
        let leads = if replica.leads().await? { "yes" } else { "-" };
        rows.push([
            pod.to_owned(),
            replica.id().to_string(),
            format!("{}/metrics", replica.admin_url()),
            leads.to_owned(),
        ]);
    }
    stage.table(["REPLICA", "PID", "METRICS", "LEADS"], &rows);
    Ok(())
}
