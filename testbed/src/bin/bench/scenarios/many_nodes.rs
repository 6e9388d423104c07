//! What a Service costs with few Nodes and with many: each load balancer has them all.

use anyhow::{Context, Result};
use testbed::Replica;

use super::node_joins::join;
use crate::footprint::cpu_time;
use crate::population::Clouds;
use crate::quiet::until_quiet;
use crate::report::{Check, Report};
use crate::settings::Settings;
use crate::stage::{Stage, WEB, between, end};

const NODES: [usize; 2] = [3, 1_000];

pub async fn measure(settings: &Settings, report: &mut Report) -> Result<()> {
    for nodes in NODES {
        with_nodes(settings, report, nodes).await?;
    }
    Ok(())
}

async fn with_nodes(settings: &Settings, report: &mut Report, nodes: usize) -> Result<()> {
    let stage = Stage::start_with_nodes(settings, nodes).await?;
    let services = settings.services;
    stage.populate(WEB, services, Clouds::Alternate).await?;
    let replica = Replica::launch(stage.replica("first"))?;
    stage.until_addressed(WEB, services).await?;
    let started = until_quiet(replica.id()).await?;
    let leadership = stage.leadership().await?;

    let cpu_before = cpu_time(replica.id())?;
    join(&stage).await?;
    let joined = until_quiet(replica.id()).await?;
    end(replica).await?;

    let name = |what: &str| format!("{nodes} Nodes: {what}");
    let addresses = stage.sightings.addresses(WEB);
    let last = *addresses.last().context("addresses")?;
    report.seconds(
        &name("leadership to last address"),
        between(leadership, last),
    );
    let footprint = started.footprint;
    report.cpu_per_service_for(&name("CPU per Service"), footprint.cpu, services);
    report
        .mebibytes(&name("resident memory at quiet"), footprint.resident)
        .check(Check::NoMore(20));
    report.mebibytes(&name("most resident memory"), footprint.peak);
    let cpu = joined.footprint.cpu.saturating_sub(cpu_before);
    report.cpu_per_service_for(&name("CPU per Service for one Node more"), cpu, services);
    report
        .mebibytes(
            &name("most resident memory after that"),
            joined.footprint.peak,
        )
        .check(Check::NoMore(20));
    stage.finish().await;
    Ok(())
}
