//! A round: disruptions, faults and users at once, or the trouble that others make, and
//! then the wait until all has converged, which the oracle checks.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use testbed::cloud::{CloudSimulator, Event, LoadBalancer};
use testbed::eventually;
use testbed::oracle::verify;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::disruptions::{self, Disruption};
use crate::external_changes::ExternalChanges;
use crate::faults;
use crate::gauges::{Size, Subject};
use crate::soak::Soak;
use crate::trouble::{self, Trouble};
use crate::writes::Writes;

/// How long users and faults last; a disruption that has begun then ends.
const ACTIVE: Duration = Duration::from_secs(12);

/// Services that failed often wait for up to 20 s.
const CONVERGED: Duration = Duration::from_secs(120);

/// Of so many rounds, one is of trouble.
const EVERY: usize = 3;
/// Which one: also the shortest soak has two rounds.
const TROUBLED: usize = 2;
/// So many rounds have both kinds.
pub const FEWEST: usize = TROUBLED;

/// Whether a round is one of trouble.
pub fn is_troubled(number: usize) -> bool {
    number % EVERY == TROUBLED
}

/// What happens in a round.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Whether others make trouble; otherwise clouds fail and load balancers are changed from
    /// outside.
    pub is_troubled: bool,
    pub processes: Processes,
}

/// Whether the leader is disrupted in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processes {
    /// Leaders are killed, frozen and terminated.
    Disturbed,
    /// All processes run on.
    LeftAlone,
}

/// The outcome of a round.
pub struct Round {
    disruptions: Vec<Disruption>,
    pub external_changes: ExternalChanges,
    /// If it was a round of trouble; the others have none.
    pub trouble: Option<Trouble>,
    pub writes: Writes,
    services: usize,
    load_balancers: usize,
    converged_after: Duration,
    pub sizes: BTreeMap<Subject, Size>,
}

impl fmt::Display for Round {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}; {}; converged after {:4.1} s: {:2} Services, {:2} load balancers; ",
            self.writes,
            match &self.trouble {
                Some(trouble) => trouble.to_string(),
                None => format!("{}; leaders {:?}", self.external_changes, self.disruptions),
            },
            self.converged_after.as_secs_f64(),
            self.services,
            self.load_balancers,
        )?;
        let sizes: Vec<String> = self.sizes.values().map(Size::to_string).collect();
        formatter.write_str(&sizes.join(", "))
    }
}

/// Plays one.
///
/// # Errors
/// Something is not as it must be.
pub async fn play(soak: &mut Soak, number: usize, kind: Kind) -> Result<Round> {
    let before = [&soak.test.cloud1, &soak.test.cloud2].map(|cloud| last(cloud));
    let (mut disruptions, mut external_changes) = Default::default();
    let mut trouble = None;
    if kind.is_troubled {
        trouble = Some(trouble::play(soak, number, kind.processes).await?);
    } else {
        (disruptions, external_changes) = disturb(soak, kind.processes).await?;
    }
    let start = Instant::now();
    converge(soak).await?;
    let converged_after = start.elapsed();
    let clouds = [&soak.test.cloud1, &soak.test.cloud2];
    let mut writes = Writes::default();
    for (cloud, before) in clouds.iter().zip(before) {
        for call in cloud.events_after(before) {
            if call.verb.is_mutation() {
                writes.note(&call);
            }
        }
    }
    let mut sizes = BTreeMap::new();
    for (_, replica) in soak.disruptions.replicas().iter() {
        let subject = Subject {
            process: replica.id(),
            leads: replica.leads().await?,
        };
        sizes.insert(subject, Size::of(subject.process)?);
    }
    let services = soak.test.services().list(&Default::default()).await?;
    Ok(Round {
        disruptions,
        external_changes,
        trouble,
        writes,
        services: services.items.len(),
        load_balancers: clouds
            .iter()
            .map(|cloud| cloud.inventory().len())
            .sum::<usize>()
            - soak.others.len(),
        converged_after,
        sizes,
    })
}

fn last(cloud: &CloudSimulator) -> u64 {
    cloud.events().last().map_or(0, |last| last.sequence)
}

/// Lets everything go wrong at once, for a while.
async fn disturb(
    soak: &mut Soak,
    processes: Processes,
) -> Result<(Vec<Disruption>, ExternalChanges)> {
    let Soak {
        test,
        users,
        disruptions,
        others,
        history,
        ledgers,
        rng,
        ..
    } = soak;
    let stop = CancellationToken::new();
    let (mut of_faults, mut of_leaders, mut of_changes) = (rng.fork(), rng.fork(), rng.fork());
    let end = Instant::now() + ACTIVE;
    let disrupted = async {
        let mut disrupted = Vec::new();
        while Instant::now() < end {
            sleep(disruptions::pause(&mut of_leaders)).await;
            if processes == Processes::Disturbed {
                disrupted.push(disruptions.disrupt(&mut of_leaders).await?);
            }
        }
        stop.cancel();
        anyhow::Ok(disrupted)
    };
    let acting = users
        .iter_mut()
        .map(|user| user.act_until(test, history, &stop));
    let clouds = test.clouds();
    let faults = async {
        let inject = faults::inject(clouds, &mut of_faults);
        stop.run_until_cancelled(inject).await;
        for cloud in clouds {
            cloud.clear_faults();
        }
        Ok(())
    };
    let mut changes = ExternalChanges::default();
    let changing = async {
        changes
            .make(clouds, others, ledgers, &mut of_changes, &stop)
            .await;
        Ok(())
    };
    let ((), disrupted, _, ()) =
        tokio::try_join!(faults, disrupted, try_join_all(acting), changing)?;
    Ok((disrupted, changes))
}

/// Waits until the clouds have what the living Services ask for, and checks the
/// calls that led there.
///
/// # Errors
/// They never do, or a call violated a guarantee.
pub async fn converge(soak: &mut Soak) -> Result<()> {
    let Soak {
        test,
        disruptions,
        nodes,
        others,
        history,
        ledgers,
        ..
    } = soak;
    let clouds = test.clouds();
    let what = "the clouds to have what living Services ask for";
    eventually(what, CONVERGED, async || {
        disruptions.replace_ended().await?;
        for cloud in clouds {
            ensure!(!is_late(cloud), "a call is carried out late");
        }
        verify(test, nodes, others).await.map(Some)
    })
    .await?;
    for (cloud, ledger) in clouds.into_iter().zip(ledgers) {
        ledger.read(cloud, history)?;
    }
    Ok(())
}

/// All users delete their Services, and nothing of theirs is left.
///
/// # Errors
/// Something is left.
pub async fn leave(soak: &mut Soak) -> Result<()> {
    for user in &soak.users {
        user.leave(&soak.test, &soak.history).await?;
    }
    soak.poison.leave(&soak.test).await?;
    converge(soak).await?;
    for cloud in soak.test.clouds() {
        let left = cloud.inventory();
        let is_others = |found: &LoadBalancer| soak.others.contains(found);
        ensure!(left.iter().all(is_others), "{left:?}");
    }
    std::fs::remove_dir_all(&soak.logs)?;
    Ok(())
}

/// Whether a call is still to be carried out although its caller saw it fail.
fn is_late(cloud: &CloudSimulator) -> bool {
    let is_so =
        |call: &Event| call.fault.as_deref() == Some("executeLate") && call.effect.is_none();
    cloud.events().iter().any(is_so)
}
