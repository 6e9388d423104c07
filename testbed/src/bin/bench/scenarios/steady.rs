//! Users create Services, twenty in each second, while nothing else happens.

use std::time::Duration;

use anyhow::Result;
use testbed::Replica;
use tokio::time::sleep;

use super::cold_start::cloud_calls;
use crate::footprint::cpu_time;
use crate::percentile::percentile;
use crate::progress::Progress;
use crate::quiet::until_quiet;
use crate::report::Report;
use crate::settings::Settings;
use crate::stage::{SERVICE_WRITES, Stage, end, total};
use crate::users::Users;

const USERS: Users = Users {
    group: "user",
    every: Duration::from_millis(50),
    clouds: &["cloud1", "cloud2"],
};
/// Enough for a 99th percentile of 400 Services.
const WINDOW: Duration = Duration::from_secs(20);
const SERVICES: usize = 400;

pub async fn measure(settings: &Settings, report: &mut Report) -> Result<()> {
    let stage = Stage::start(settings).await?;
    let replica = Replica::start(stage.replica("first")).await?;
    until_quiet(replica.id()).await?;
    let cpu_before = cpu_time(replica.id())?;
    let (mark, busy) = (stage.mark(), stage.busy(&[&replica])?);
    let window = async {
        let _progress = Progress::new("users create Services", 0);
        sleep(WINDOW).await;
        Ok(())
    };
    let (times, ()) = stage.users(USERS, window).await?;
    let processors = busy.processors()?;
    let quiet = until_quiet(replica.id()).await?;
    let (calls, metrics) = (stage.calls_since(&mark), replica.metrics().await?);
    end(replica).await?;

    let services = times.len();
    report.services = SERVICES;
    report.processors(processors);
    let least = settings.latency.as_secs_f64() * 1e3;
    for percent in [50, 99] {
        let name = format!("create to address: p{percent}");
        let time = percentile(&times, percent);
        report.milliseconds(&name, time).ideal(least);
    }
    let cpu = quiet.footprint.cpu.saturating_sub(cpu_before);
    report.seconds("CPU to quiet", cpu);
    report.cpu_per_service(cpu, services);
    report.mebibytes("resident memory at quiet", quiet.footprint.resident);
    cloud_calls(report, &calls, services);
    let writes = total(&metrics, SERVICE_WRITES);
    report.per_service("Service writes", writes as usize, services);
    stage.finish().await;
    Ok(())
}
