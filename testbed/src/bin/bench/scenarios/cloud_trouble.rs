//! One cloud hangs, or throttles, with all Services waiting for it, while users create
//! Services on the other; then it recovers.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use testbed::Replica;
use testbed::cloud::{Fault, FaultKind};
use tokio::time::sleep;

use crate::footprint::{Footprint, cpu_time};
use crate::ideal::Bare;
use crate::population::Clouds;
use crate::progress::Progress;
use crate::quiet::until_quiet;
use crate::report::{Check, Report, Unit};
use crate::settings::Settings;
use crate::stage::{Stage, WEB, between, end};
use crate::users::{self, Users};

const ON_THE_OTHER: Users = Users {
    group: "before",
    every: Duration::from_millis(250),
    clouds: &["cloud2"],
};
/// How long users are measured without and with the trouble.
const WINDOW: Duration = Duration::from_secs(8);

/// Shorter than in the deployment that we ship: after the recovery of a cloud the calls
/// that hang take as long.
const REQUEST_TIMEOUT: &str = "5s";

/// Cloud1 answers nothing.
pub async fn hangs(settings: &Settings, report: &mut Report) -> Result<()> {
    let hang = FaultKind::Hang {
        after_effect: false,
    };
    measure(settings, report, hang).await
}

/// Cloud1 refuses all calls for the moment.
pub async fn throttles(settings: &Settings, report: &mut Report) -> Result<()> {
    let throttle = FaultKind::Throttle {
        retry_after_seconds: Some(2),
        as_date: false,
    };
    measure(settings, report, throttle).await
}

async fn measure(settings: &Settings, report: &mut Report, trouble: FaultKind) -> Result<()> {
    let mut stage = Stage::start(settings).await?;
    stage.test.request_timeout = REQUEST_TIMEOUT.into();
    let services = settings.services;
    let replica = Replica::start(stage.replica("first")).await?;
    until_quiet(replica.id()).await?;
    let window = async |what: &str| {
        let _progress = Progress::new(what, 0);
        sleep(WINDOW).await;
        Ok(())
    };
    let calm = window("users create Services on the other cloud");
    let (undisturbed, ()) = stage.users(ON_THE_OTHER, calm).await?;

    stage.test.cloud1.set_fault(Fault::new(trouble));
    stage
        .populate(WEB, services, Clouds::Only("cloud1"))
        .await?;
    let meanwhile = Users {
        group: "meanwhile",
        ..ON_THE_OTHER
    };
    let (mark, busy) = (stage.mark(), stage.busy(&[&replica])?);
    let cpu_before = cpu_time(replica.id())?;
    let troubled = window("users create Services meanwhile");
    let (disturbed, ()) = stage.users(meanwhile, troubled).await?;
    let processors = busy.processors()?;
    let waiting = Footprint::of(replica.id())?;
    let calls = stage.calls_since(&mark);
    let to_the_troubled = calls.iter().filter(|(cloud, _)| *cloud == 0).count();

    stage.test.cloud1.clear_faults();
    let recovered = Instant::now();
    stage.until_addressed(WEB, services).await?;
    let quiet = until_quiet(replica.id()).await?;
    end(replica).await?;
    let bare = Bare::provisioning(&stage, services).await?;

    report.processors(processors);
    users::report(
        report,
        "user's time on the other cloud, undisturbed",
        &undisturbed,
    );
    users::report(
        report,
        "user's time on the other cloud, meanwhile",
        &disturbed,
    );
    let rate = to_the_troubled as f64 / WINDOW.as_secs_f64();
    report
        .add("calls to the troubled cloud per second", Unit::Number, rate)
        .check(Check::NoMore(20));
    let cpu = waiting.cpu.saturating_sub(cpu_before);
    let share = cpu.div_duration_f64(WINDOW);
    report.add("processors used meanwhile", Unit::Number, share);
    report
        .mebibytes("resident memory meanwhile", waiting.resident)
        .check(Check::NoMore(20));
    let addresses = stage.sightings.addresses(WEB);
    let (first, last) = addresses
        .first()
        .zip(addresses.last())
        .context("addresses")?;
    report.seconds("recovery to first address", between(recovered, *first));
    let limit = settings.cloud_limit_of_one(services);
    let time = between(recovered, *last);
    bare.report(report, "recovery to last address", time, limit);
    report.mebibytes("resident memory at quiet", quiet.footprint.resident);
    report.mebibytes("most resident memory", quiet.footprint.peak);
    stage.finish().await;
    Ok(())
}
