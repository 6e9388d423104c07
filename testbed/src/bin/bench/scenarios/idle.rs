//! A leader and a standby without Services.

use std::time::Duration;

use anyhow::Result;
use testbed::{Replica, Replicas};
use tokio::time::sleep;

use crate::footprint::Footprint;
use crate::progress::Progress;
use crate::quiet::until_quiet;
use crate::report::{Check, Report, Unit};
use crate::settings::Settings;
use crate::stage::{Stage, total};

/// Long enough for some renewals of the Lease, and for more than a few ticks of CPU time.
const WINDOW: Duration = Duration::from_secs(30);
const MINUTE: Duration = Duration::from_secs(60);

pub async fn measure(settings: &Settings, report: &mut Report) -> Result<()> {
    report.services = 0;
    let stage = Stage::start(settings).await?;
    let names = ["first", "second"];
    let replicas = Replicas::start(names.map(|name| stage.replica(name))).await?;
    let leader = replicas.until_led().await?;
    for (_, replica) in replicas.iter() {
        until_quiet(replica.id()).await?;
    }
    let before = looks(&replicas).await?;
    {
        let _progress = Progress::new("two replicas have nothing to do", 0);
        sleep(WINDOW).await;
    }
    let after = looks(&replicas).await?;
    for (index, (before, after)) in before.iter().zip(&after).enumerate() {
        let who = if index == leader { "leader" } else { "standby" };
        add(report, who, before, after);
    }
    drop(replicas);
    stage.finish().await;
    Ok(())
}

struct Look {
    footprint: Footprint,
    requests: f64,
}

async fn looks(replicas: &Replicas) -> Result<Vec<Look>> {
    let mut looks = Vec::new();
    for (_, replica) in replicas.iter() {
        looks.push(Look {
            requests: requests(replica).await?,
            footprint: Footprint::of(replica.id())?,
        });
    }
    Ok(looks)
}

/// Requests to kube-apiserver so far; those of the election are counted apart.
async fn requests(replica: &Replica) -> Result<f64> {
    let metrics = replica.metrics().await?;
    let renewals = "mycloud_lb_leader_lease_renew_duration_seconds_count";
    Ok(total(&metrics, "rest_client_requests_total") + total(&metrics, renewals))
}

fn add(report: &mut Report, who: &str, before: &Look, after: &Look) {
    let minutes = WINDOW.div_duration_f64(MINUTE);
    let name = |what: &str| format!("{who}: {what}");
    report
        .mebibytes(&name("resident memory"), after.footprint.resident)
        .check(Check::NoMore(10));
    let proportional = after.footprint.proportional;
    report.mebibytes(&name("proportional memory"), proportional);
    let cpu = after.footprint.cpu.saturating_sub(before.footprint.cpu);
    report
        .milliseconds(&name("CPU per minute"), cpu.div_f64(minutes))
        .check(Check::NoMore(50));
    let requests = (after.requests - before.requests) / minutes;
    report
        .add(&name("requests per minute"), Unit::Number, requests)
        .check(Check::NoMore(15));
    let threads = after.footprint.threads as f64;
    report.add(&name("threads"), Unit::Number, threads);
}
