//! A Node is added while users create Services.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use testbed::cloud::{Effect, LoadBalancer, Verb};
use tokio::time::{Instant, sleep};

use crate::cloud_calls::Mark;
use crate::footprint::cpu_time;
use crate::population::Clouds;
use crate::progress::Progress;
use crate::quiet::until_quiet;
use crate::report::{Check, Report, Unit};
use crate::settings::Settings;
use crate::stage::{SERVICE_WRITES, Stage, end, total};
use crate::users::{self, Users};

const BOTH: &[&str] = &["cloud1", "cloud2"];
const EVERY: Duration = Duration::from_millis(250);
/// How long users are measured before the Node comes.
const UNDISTURBED: Duration = Duration::from_secs(5);
/// A Node that no other scenario has.
const NEW_NODE: usize = 5_000;
/// Between two looks at all load balancers, which take the lock of the simulators.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
const DEADLINE: Duration = Duration::from_secs(300);

pub async fn measure(settings: &Settings, report: &mut Report) -> Result<()> {
    let stage = Stage::start(settings).await?;
    let (replica, _) = stage.provision(Clouds::Alternate).await?;
    let before = Users {
        group: "before",
        every: EVERY,
        clouds: BOTH,
    };
    let calm = async {
        sleep(UNDISTURBED).await;
        Ok(())
    };
    let (undisturbed, ()) = stage.users(before, calm).await?;
    until_quiet(replica.id()).await?;
    let cpu_before = cpu_time(replica.id())?;
    let writes_before = total(&replica.metrics().await?, SERVICE_WRITES);

    let there = stage.load_balancers();
    let meanwhile = Users {
        group: "meanwhile",
        ..before
    };
    let busy = stage.busy(&[&replica])?;
    let (disturbed, mark) = stage.users(meanwhile, join(&stage)).await?;
    let processors = busy.processors()?;
    let quiet = until_quiet(replica.id()).await?;
    let (calls, metrics) = (stage.calls_since(&mark), replica.metrics().await?);
    let events = stage.events().await?;
    end(replica).await?;

    let first = calls.first_effect(&mark, |call| call.verb == Verb::Update);
    let last = calls.last_effect(&mark, |call| call.effect == Some(Effect::Updated));
    report.seconds("Node to first update", first.context("no update")?);
    let limit = settings.cloud_limit(there);
    report
        .seconds("Node to last update", last.context("no update")?)
        .ideal(limit.as_secs_f64());
    report.processors(processors);
    users::report(report, "user's time, undisturbed", &undisturbed);
    users::report(report, "user's time, meanwhile", &disturbed);
    let cpu = quiet.footprint.cpu.saturating_sub(cpu_before);
    report.seconds("CPU to quiet", cpu);
    report.cpu_per_service(cpu, there);
    report.mebibytes("most resident memory", quiet.footprint.peak);
    report.per_service("cloud calls: update", calls.count(Verb::Update), there);
    // Two for each new Service of the users; none is needed for a Node.
    let writes = total(&metrics, SERVICE_WRITES) - writes_before;
    report.add("Service writes", Unit::Number, writes);
    let told = events
        .get("UpdatedLoadBalancer")
        .copied()
        .unwrap_or_default();
    report
        .per_service("Events UpdatedLoadBalancer", told, there)
        .check(Check::Same(2));
    stage.finish().await;
    Ok(())
}

/// Adds the Node, and waits until every load balancer has it; gives the moment when it
/// was there.
pub async fn join(stage: &Stage) -> Result<Mark> {
    let address = stage.add_node(NEW_NODE).await?;
    let mark = stage.mark();
    let _progress = Progress::new("waiting for the last load balancer to have the Node", 0);
    let give_up = Instant::now() + DEADLINE;
    while stage.load_balancers_without(address) > 0 {
        anyhow::ensure!(Instant::now() < give_up, "not all have the Node");
        sleep(BETWEEN_LOOKS).await;
    }
    Ok(mark)
}

impl Stage {
    /// How many there are.
    fn load_balancers(&self) -> usize {
        let clouds = self.test.clouds();
        clouds.map(|cloud| cloud.count(|_| true)).iter().sum()
    }

    fn load_balancers_without(&self, node: IpAddr) -> usize {
        let lacks = |found: &LoadBalancer| !found.settings.nodes.contains(&node);
        let clouds = self.test.clouds();
        clouds.map(|cloud| cloud.count(lacks)).iter().sum()
    }
}
