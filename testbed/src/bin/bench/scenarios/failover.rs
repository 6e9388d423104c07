//! Leaders end, one after the other, while users create and edit Services.

use std::time::Duration;

use anyhow::{Context, Result};
use testbed::cloud::{Effect, Event, Verb};
use testbed::environment::{QUICK_LEASE, SOON};
use testbed::replica::LeaseTiming;
use testbed::{ReplicaOptions, Replicas, eventually};
use tokio::task::JoinSet;
use tokio::time::interval;

use crate::percentile::percentile;
use crate::population::{Clouds, name};
use crate::progress::Progress;
use crate::report::{Report, Unit};
use crate::settings::Settings;
use crate::stage::{Stage, WEB, end};
use crate::users::Users;

const TERMINATIONS: usize = 20;
const KILLS: usize = 3;
const REPLICAS: [&str; 3] = ["pod-0", "pod-1", "pod-2"];

/// Between two edits; the first one that a new leader acts on may come so much later.
const BETWEEN_EDITS: Duration = Duration::from_millis(40);
const BETWEEN_CREATES: Duration = Duration::from_millis(40);

/// How a leader ends.
#[derive(Clone, Copy)]
enum End {
    Terminated,
    Killed,
}

pub async fn measure(settings: &Settings, report: &mut Report) -> Result<()> {
    let stage = Stage::start(settings).await?;
    let (first, _) = stage.provision(Clouds::Alternate).await?;
    end(first).await?;
    let terminated = rounds(
        &stage,
        End::Terminated,
        TERMINATIONS,
        LeaseTiming::default(),
    )
    .await?;
    let killed = rounds(&stage, End::Killed, KILLS, QUICK_LEASE).await?;

    for percent in [50, 99] {
        let name = format!("SIGTERM to next create: p{percent}");
        report.seconds(&name, percentile(&terminated.creates, percent));
        let name = format!("SIGTERM to next update of an existing one: p{percent}");
        report.seconds(&name, percentile(&terminated.updates, percent));
    }
    report.add("SIGTERMs", Unit::Number, TERMINATIONS as f64);
    let lease = QUICK_LEASE.lease_duration.as_secs_f64();
    let longest = percentile(&killed.creates, 100);
    report
        .seconds("SIGKILL to next create: max", longest)
        .ideal(lease);
    report.add("SIGKILLs", Unit::Number, KILLS as f64);
    let refused = (terminated.refused + killed.refused) as f64;
    report.add(
        "mutations of an earlier term, refused",
        Unit::Number,
        refused,
    );
    stage.finish().await;
    Ok(())
}

#[derive(Default)]
struct Rounds {
    /// From the end of a leader to the next one's first create, and first update.
    creates: Vec<Duration>,
    updates: Vec<Duration>,
    refused: usize,
}

/// Ends so many leaders of three replicas, under creates and edits.
async fn rounds(stage: &Stage, end: End, count: usize, lease: LeaseTiming) -> Result<Rounds> {
    let options = |pod: &str| ReplicaOptions {
        lease,
        ..stage.replica(pod)
    };
    let mut replicas = Replicas::start(REPLICAS.map(options)).await?;
    let rounds = async {
        let progress = Progress::new("leaders end, and others follow", count);
        let mut rounds = Rounds::default();
        for _ in 0..count {
            round(stage, &mut replicas, end, &mut rounds).await?;
            progress.advance();
        }
        anyhow::Ok(rounds)
    };
    let creators = Users {
        group: match end {
            End::Terminated => "terminated",
            End::Killed => "killed",
        },
        every: BETWEEN_CREATES,
        clouds: &["cloud1", "cloud2"],
    };
    let (_, rounds) = stage.users(creators, under_edits(stage, rounds)).await?;
    Ok(rounds)
}

/// Ends the leader, and adds the times until another process has created and updated a
/// load balancer, and how many calls of the leader before were refused.
async fn round(
    stage: &Stage,
    replicas: &mut Replicas,
    end: End,
    rounds: &mut Rounds,
) -> Result<()> {
    let leader = replicas.until_led().await?;
    let started = stage.mark();
    // A leader that has not written yet would not be told from the one before.
    let term = eventually("the leader to act", SOON, async || {
        let calls = stage.calls_since(&started);
        let effects = calls.iter().filter(|(_, call)| is_effect(call));
        Ok(effects.filter_map(|(_, call)| call.fencing_token).max())
    })
    .await?;
    let mark = stage.mark();
    match end {
        End::Terminated => replicas[leader].terminate()?,
        End::Killed => replicas[leader].kill(),
    }
    let until_next = async |verb: Verb| {
        let by_the_next =
            |call: &Event| call.fencing_token > Some(term) && call.verb == verb && is_effect(call);
        eventually("another leader to act", SOON, async || {
            Ok(stage.calls_since(&mark).first_effect(&mark, by_the_next))
        })
        .await
    };
    rounds.creates.push(until_next(Verb::Create).await?);
    rounds.updates.push(until_next(Verb::Update).await?);
    replicas[leader].wait_exit(SOON).await?;
    replicas.relaunch(leader)?.wait_ready(SOON).await?;
    let calls = stage.calls_since(&mark);
    rounds.refused += calls.iter().filter(|(_, call)| is_refused(call)).count();
    Ok(())
}

fn is_effect(call: &Event) -> bool {
    use Effect::{Created, Deleted, Updated};
    matches!(call.effect, Some(Created | Updated | Deleted))
}

fn is_refused(call: &Event) -> bool {
    call.verb.is_mutation() && matches!(call.effect, Some(Effect::Refused(_)))
}

/// Edits Services while `meanwhile` runs.
async fn under_edits<T>(stage: &Stage, meanwhile: impl Future<Output = Result<T>>) -> Result<T> {
    let mut meanwhile = std::pin::pin!(meanwhile);
    let mut ticks = interval(BETWEEN_EDITS);
    let mut edits = JoinSet::new();
    let mut edited = 0;
    let outcome = loop {
        tokio::select! {
            outcome = &mut meanwhile => break outcome?,
            Some(done) = edits.join_next() => done.context("an edit")??,
            _ = ticks.tick() => {
                let name = name(WEB, edited % stage.settings.services);
                // Each pass has another value, so that each edit is a change.
                let bandwidth = format!("{}M", 20 + edited / stage.settings.services);
                edits.spawn(stage.edit_bandwidth(&name, &bandwidth));
                edited += 1;
            }
        }
    };
    for done in edits.join_all().await {
        done?;
    }
    Ok(outcome)
}
