//! A replica comes to Services that have no load balancer yet.

use std::time::Duration;

use anyhow::{Context, Result};
use testbed::Replica;
use testbed::cloud::Verb;

use crate::cloud_calls::Calls;
use crate::footprint::Footprint;
use crate::ideal::Bare;
use crate::population::Clouds;
use crate::progress::Progress;
use crate::quiet::until_quiet;
use crate::report::{Check, Report, Unit};
use crate::settings::Settings;
use crate::stage::{SERVICE_WRITES, Stage, WEB, between, end, total};

/// Events of a fresh Service: that its load balancer is being created, and that it is.
const EVENTS: [&str; 2] = ["EnsuringLoadBalancer", "EnsuredLoadBalancer"];

pub async fn measure(settings: &Settings, report: &mut Report) -> Result<()> {
    let stage = Stage::start(settings).await?;
    let services = settings.services;
    let empty = stage.empty_replica().await?;
    stage.populate(WEB, services, Clouds::Alternate).await?;

    let mark = stage.mark();
    let replica = Replica::launch(stage.replica("first"))?;
    let busy = stage.busy(&[&replica])?;
    stage.until_addressed(WEB, services).await?;
    let processors = busy.processors()?;
    let quiet = until_quiet(replica.id()).await?;
    let leadership = stage.leadership().await?;
    let metrics = replica.metrics().await?;
    let log_lines = lines(&replica)?;
    let calls = stage.calls_since(&mark);
    let events = stage.events().await?;
    let rested = match settings.rest {
        Duration::ZERO => None,
        rest => Some(resident_after(rest, &replica).await?),
    };
    end(replica).await?;
    let bare = Bare::provisioning(&stage, services).await?;

    let addresses = stage.sightings.addresses(WEB);
    let (first, last) = addresses
        .first()
        .zip(addresses.last())
        .context("addresses")?;
    report.seconds("leadership to first address", between(leadership, *first));
    let limit = settings.cloud_limit(services);
    bare.report(
        report,
        "leadership to last address",
        between(leadership, *last),
        limit,
    );
    report.processors(processors);
    report.seconds("leadership to quiet", between(leadership, quiet.since));
    let footprint = quiet.footprint;
    report.seconds("CPU from start to quiet", footprint.cpu);
    report.cpu_per_service(footprint.cpu, services);
    report.mebibytes("resident memory at quiet", footprint.resident);
    report.mebibytes("most resident memory", footprint.peak);
    if let Some(rested) = rested {
        report.mebibytes("resident memory after the rest", rested);
    }
    report.mebibytes("resident memory without Services", empty);
    report.memory_per_service(footprint.resident, empty, services);
    report.memory_per_service_at_peak(footprint.peak, empty, services);
    report.add("threads", Unit::Number, footprint.threads as f64);
    for reason in EVENTS {
        let count = events.get(reason).copied().unwrap_or_default();
        let figure = report.per_service(&format!("Events {reason}"), count, services);
        figure.check(Check::Same(2));
    }
    cloud_calls(report, &calls, services);
    let writes = total(&metrics, SERVICE_WRITES);
    report.per_service("Service writes", writes as usize, services);
    report.per_service("log lines", log_lines, services);
    stage.finish().await;
    Ok(())
}

/// Adds the calls of each verb.
pub fn cloud_calls(report: &mut Report, calls: &Calls, services: usize) {
    for verb in [Verb::Create, Verb::Update, Verb::Delete, Verb::Query] {
        let name = format!("cloud calls: {}", verb.as_str());
        report.per_service(&name, calls.count(verb), services);
    }
    let pages = calls.count(Verb::List);
    report.add("cloud pages listed", Unit::Number, pages as f64);
}

/// The memory of a replica that has had nothing to do for so long, in bytes.
async fn resident_after(rest: Duration, replica: &Replica) -> Result<u64> {
    let _progress = Progress::new("leaving the replica alone", 0);
    tokio::time::sleep(rest).await;
    Ok(Footprint::of(replica.id())?.resident)
}

fn lines(replica: &Replica) -> Result<usize> {
    let log = std::fs::read(replica.log_path())?;
    Ok(log.iter().filter(|byte| **byte == b'\n').count())
}
