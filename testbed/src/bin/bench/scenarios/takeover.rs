//! A standby follows a leader that is terminated, with all load balancers in place.

use std::time::Instant;

use anyhow::{Context, Result};
use testbed::Replica;
use testbed::cloud::{Event, Verb};
use testbed::environment::SOON;
use testbed::eventually;

use crate::footprint::cpu_time;
use crate::population::{Clouds, name};
use crate::quiet::until_quiet;
use crate::report::{Check, Report, Unit};
use crate::settings::Settings;
use crate::stage::{Stage, WEB, between, end};

const EDITED: &str = "25M";

pub async fn measure(settings: &Settings, report: &mut Report) -> Result<()> {
    let stage = Stage::start(settings).await?;
    let services = settings.services;
    let (leader, _) = stage.provision(Clouds::Alternate).await?;
    let standby = Replica::start(stage.replica("second")).await?;
    let warm = until_quiet(standby.id()).await?;
    let cpu_before = cpu_time(standby.id())?;

    let term = stage.term();
    let (mark, began) = (stage.mark(), Instant::now());
    let edited = name(WEB, services / 2);
    let (ended, edit) = tokio::join!(end(leader), stage.edit_bandwidth(&edited, EDITED));
    ended.and(edit)?;
    let is_the_edit = |call: &Event| {
        call.fencing_token > Some(term)
            && call.verb == Verb::Update
            && call.request["bandwidth"] == EDITED
            && call.effect.is_some()
    };
    let acted = eventually("the edit to reach the cloud", SOON, async || {
        Ok(stage.calls_since(&mark).first_effect(&mark, is_the_edit))
    })
    .await?;
    let quiet = until_quiet(standby.id()).await?;
    let calls = stage.calls_since(&mark);
    let leadership = stage.leadership().await?;
    end(standby).await?;

    report.seconds("SIGTERM to next leadership", between(began, leadership));
    report.seconds("SIGTERM to the user's edit at the cloud", acted);
    report.seconds("SIGTERM to quiet", between(began, quiet.since));
    let pages = calls.count(Verb::List);
    report.add("cloud pages listed", Unit::Number, pages as f64);
    let queries = calls.count(Verb::Query);
    report
        .add("cloud queries", Unit::Number, queries as f64)
        .check(Check::NoMore(0));
    let edits = calls.iter().filter(|(_, call)| is_the_edit(call)).count();
    let others = calls.mutations().checked_sub(edits).context("calls")?;
    report
        .add(
            "cloud mutations but for the edit",
            Unit::Number,
            others as f64,
        )
        .check(Check::NoMore(0));
    let cpu = quiet.footprint.cpu.saturating_sub(cpu_before);
    report.seconds("CPU from SIGTERM to quiet", cpu);
    report.cpu_per_service(cpu, services);
    report.mebibytes("resident memory of the standby", warm.footprint.resident);
    report.mebibytes(
        "resident memory of the new leader",
        quiet.footprint.resident,
    );
    report.mebibytes(
        "most resident memory of the new leader",
        quiet.footprint.peak,
    );
    stage.finish().await;
    Ok(())
}
