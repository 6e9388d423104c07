//! Two installations on one cluster come to half of the Services each, on a cloud of
//! its own: what several leaders bring, beside a cold start of one.

use std::time::Instant;

use anyhow::{Context, Result};
use testbed::Replica;

use crate::ideal::Bare;
use crate::population::Clouds;
use crate::quiet::until_quiet;
use crate::report::Report;
use crate::settings::Settings;
use crate::stage::{Stage, between, end};

/// The prefix of the annotations of each, the group of its Services, and its cloud.
const LEADERS: [(&str, &str, &str); 2] = [
    ("mycloud.com", "first", "cloud1"),
    ("second.example", "second", "cloud2"),
];

pub async fn measure(settings: &Settings, report: &mut Report) -> Result<()> {
    let mut stage = Stage::start(settings).await?;
    let half = settings.services / LEADERS.len();
    let mut options = Vec::new();
    for (prefix, group, cloud) in LEADERS {
        stage.test.prefix = prefix.into();
        stage.populate(group, half, Clouds::Only(cloud)).await?;
        let mut replica = stage.replica(group);
        replica.extra_args.push("--leader-elect=false".into());
        options.push(replica);
    }

    let began = Instant::now();
    let launched = options.into_iter().map(Replica::launch);
    let replicas = launched.collect::<Result<Vec<_>>>()?;
    let busy = stage.busy(&replicas.iter().collect::<Vec<_>>())?;
    for (_, group, _) in LEADERS {
        stage.until_addressed(group, half).await?;
    }
    let processors = busy.processors()?;
    let mut footprints = Vec::new();
    for replica in replicas {
        footprints.push(until_quiet(replica.id()).await?.footprint);
        end(replica).await?;
    }
    let bare = Bare::provisioning(&stage, settings.services).await?;

    let addresses = LEADERS.map(|(_, group, _)| stage.sightings.addresses(group));
    let last = addresses.iter().flatten().max().context("addresses")?;
    let limit = settings.cloud_limit(settings.services);
    let time = between(began, *last);
    bare.report(report, "start to last address", time, limit);
    report.processors(processors);
    report.seconds("CPU of both", footprints.iter().map(|one| one.cpu).sum());
    for ((_, group, _), footprint) in LEADERS.iter().zip(&footprints) {
        let name = format!("{group}: most resident memory");
        report.mebibytes(&name, footprint.peak);
    }
    stage.finish().await;
    Ok(())
}
