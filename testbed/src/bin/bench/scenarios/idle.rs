//! A leader and a standby without Services.

use std::time::Duration;

use anyhow::Result;
use testbed::Replicas;
use tokio::time::sleep;

use crate::footprint::Footprint;
use crate::progress::Progress;
use crate::quiet::until_quiet;
use crate::report::{CPU_PERCENT, CPU_SLACK, Check, Report, Unit};
use crate::requests;
use crate::settings::Settings;
use crate::stage::Stage;

/// A minute with replicas, and half of one without: kube-apiserver counts its own
/// requests too.
const WINDOW: Duration = Duration::from_secs(60);
const BACKGROUND: Duration = Duration::from_secs(30);

pub async fn measure(settings: &Settings, report: &mut Report) -> Result<()> {
    report.services = 0;
    let stage = Stage::start(settings).await?;
    let background = requests_in(&stage, BACKGROUND, "no replica runs").await?;
    let names = ["first", "second"];
    let replicas = Replicas::start(names.map(|name| stage.replica(name))).await?;
    let leader = replicas.until_led().await?;
    for (_, replica) in replicas.iter() {
        until_quiet(replica.id()).await?;
    }
    let footprints = || -> Result<Vec<Footprint>> {
        let replicas = replicas.iter();
        replicas.map(|(_, one)| Footprint::of(one.id())).collect()
    };
    let before = footprints()?;
    let requests = requests_in(&stage, WINDOW, "two replicas have nothing to do").await?;
    let after = footprints()?;
    for (index, (before, after)) in before.iter().zip(&after).enumerate() {
        let who = if index == leader { "leader" } else { "standby" };
        add(report, who, before, after);
    }
    let theirs = (requests - background * WINDOW.div_duration_f64(BACKGROUND)).max(0.0);
    report
        .add(
            "both: requests to kube-apiserver per minute",
            Unit::Number,
            theirs,
        )
        .check(Check::NoMore(20));
    drop(replicas);
    stage.finish().await;
    Ok(())
}

/// The requests that kube-apiserver counts in a time.
async fn requests_in(stage: &Stage, window: Duration, what: &str) -> Result<f64> {
    let _progress = Progress::new(what, 0);
    let before = requests::counted(&stage.client()).await?;
    sleep(window).await;
    Ok(requests::counted(&stage.client()).await? - before)
}

fn add(report: &mut Report, who: &str, before: &Footprint, after: &Footprint) {
    let name = |what: &str| format!("{who}: {what}");
    report
        .mebibytes(&name("resident memory"), after.resident)
        .check(Check::NoMore(10));
    report.mebibytes(&name("proportional memory"), after.proportional);
    let slack = CPU_SLACK.as_secs_f64() * 1e3;
    let cpu = after.cpu.saturating_sub(before.cpu);
    report
        .milliseconds(&name("CPU per minute"), cpu)
        .check(Check::NoMoreAndSlack(CPU_PERCENT, slack));
    report.add(&name("threads"), Unit::Number, after.threads as f64);
}
