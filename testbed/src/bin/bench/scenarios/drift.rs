//! All Services are reconciled again and again, and nothing has changed.

use std::time::Duration;

use anyhow::{Result, ensure};
use testbed::cloud::Verb;
use tokio::time::sleep;

use crate::footprint::cpu_time;
use crate::population::Clouds;
use crate::progress::Progress;
use crate::quiet::until_quiet;
use crate::report::{CPU_PERCENT, CPU_SLACK, Check, Report, Unit};
use crate::settings::Settings;
use crate::stage::{Stage, end, total};

/// Shorter than in the deployment that we ship (10 minutes), for some passes in the window.
const INTERVALS: &str = "driftInterval: 10s\nsweepInterval: 15s";
const WINDOW: Duration = Duration::from_secs(40);

pub async fn measure(settings: &Settings, report: &mut Report) -> Result<()> {
    let mut stage = Stage::start(settings).await?;
    stage.test.extra_config = INTERVALS.into();
    let services = settings.services;
    let (replica, quiet) = stage.provision(Clouds::Alternate).await?;
    let reconciles = async || {
        let metrics = replica.metrics().await?;
        anyhow::Ok(total(&metrics, "mycloud_lb_reconcile_total"))
    };
    let reconciles_before = reconciles().await?;
    let (mark, cpu_before) = (stage.mark(), cpu_time(replica.id())?);
    {
        let _progress = Progress::new("Services in sync are reconciled", 0);
        sleep(WINDOW).await;
    }
    let cpu = cpu_time(replica.id())? - cpu_before;
    let calls = stage.calls_since(&mark);
    let passes = (reconciles().await? - reconciles_before) / services as f64;
    let after = until_quiet(replica.id()).await?;
    end(replica).await?;

    ensure!(passes >= 1.0, "only {passes} passes over all Services");
    report.add("passes over all Services", Unit::Number, passes);
    let each = cpu.div_f64(passes);
    report.seconds("CPU per pass", each);
    let microseconds = |time: Duration| time.as_secs_f64() * 1e6 / services as f64;
    let slack = microseconds(CPU_SLACK.div_f64(passes));
    report
        .add(
            "CPU per Service and pass",
            Unit::Microseconds,
            microseconds(each),
        )
        .check(Check::NoMoreAndSlack(CPU_PERCENT, slack));
    let pages = calls.count(Verb::List);
    report.add("cloud pages listed", Unit::Number, pages as f64);
    let others = calls.count(Verb::Query) + calls.mutations();
    report
        .add("other cloud calls", Unit::Number, others as f64)
        .check(Check::NoMore(0));
    report.mebibytes("resident memory before", quiet.footprint.resident);
    report.mebibytes("resident memory after", after.footprint.resident);
    stage.finish().await;
    Ok(())
}
