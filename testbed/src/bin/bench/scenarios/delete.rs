//! All Services are deleted at once.

use std::time::Instant;

use anyhow::{Context, Result};

use super::cold_start::cloud_calls;
use crate::footprint::cpu_time;
use crate::ideal::Bare;
use crate::population::Clouds;
use crate::quiet::until_quiet;
use crate::report::{Check, Report};
use crate::settings::Settings;
use crate::stage::{SERVICE_WRITES, Stage, WEB, between, end, total};

/// Events of a Service that is deleted.
const EVENTS: [&str; 2] = ["DeletingLoadBalancer", "DeletedLoadBalancer"];

pub async fn measure(settings: &Settings, report: &mut Report) -> Result<()> {
    let stage = Stage::start(settings).await?;
    let services = settings.services;
    let (replica, _) = stage.provision(Clouds::Alternate).await?;
    let writes_before = total(&replica.metrics().await?, SERVICE_WRITES);
    let cpu_before = cpu_time(replica.id())?;

    let (mark, began) = (stage.mark(), Instant::now());
    let busy = stage.busy(&[&replica])?;
    let what = "the finalizers to be gone";
    tokio::try_join!(
        stage.delete_first(WEB, services),
        stage.sightings.until(WEB, what, services, |seen| seen.gone),
    )?;
    let processors = busy.processors()?;
    let quiet = until_quiet(replica.id()).await?;
    let metrics = replica.metrics().await?;
    let calls = stage.calls_since(&mark);
    let events = stage.events().await?;
    end(replica).await?;
    let bare = Bare::deletion(&stage, services).await?;

    let ends = stage.sightings.ends(WEB);
    let (first, last) = ends.first().zip(ends.last()).context("ends")?;
    report.seconds("first delete to first end", between(began, *first));
    let limit = settings.cloud_limit(services);
    bare.report(
        report,
        "first delete to last end",
        between(began, *last),
        limit,
    );
    report.processors(processors);
    report.seconds("first delete to quiet", between(began, quiet.since));
    let cpu = quiet.footprint.cpu.saturating_sub(cpu_before);
    report.seconds("CPU to quiet", cpu);
    report.cpu_per_service(cpu, services);
    report.mebibytes("resident memory at quiet", quiet.footprint.resident);
    report.mebibytes("most resident memory", quiet.footprint.peak);
    for reason in EVENTS {
        let count = events.get(reason).copied().unwrap_or_default();
        let figure = report.per_service(&format!("Events {reason}"), count, services);
        figure.check(Check::Same(2));
    }
    cloud_calls(report, &calls, services);
    let writes = total(&metrics, SERVICE_WRITES) - writes_before;
    report.per_service("Service writes", writes as usize, services);
    stage.finish().await;
    Ok(())
}
