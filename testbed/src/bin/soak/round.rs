//! A storm, and the quiet after it, in which the oracle judges.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::AddAssign;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use testbed::cloud::{CloudSimulator, Event};
use testbed::eventually;
use testbed::oracle::judge;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::gauges::Size;
use crate::meddler::Meddling;
use crate::replicas::{self, Blow};
use crate::weather;
use crate::world::World;

/// How long a storm lasts, and then until a blow is over.
const STORM: Duration = Duration::from_secs(12);

/// Services that failed often wait for up to 20 s after a storm.
const QUIET: Duration = Duration::from_secs(120);

/// Whether something befalls the replicas in a storm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processes {
    /// Leaders are killed, frozen and told to end.
    Disturbed,
    /// Nobody touches them.
    LeftAlone,
}

/// What a round came to.
pub struct Round {
    blows: Vec<Blow>,
    /// What was done behind our back.
    pub meddling: Meddling,
    /// Mutating calls.
    pub writes: Writes,
    services: usize,
    load_balancers: usize,
    settled_after: Duration,
    /// By process.
    pub sizes: BTreeMap<u32, Size>,
}

/// Mutating calls of the clouds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Writes {
    pub all: usize,
    /// Those that a fault struck.
    pub struck: usize,
    /// Those of which the caller could not know what became.
    pub unknown: usize,
}

impl Writes {
    fn note(&mut self, call: &Event) {
        self.all += 1;
        self.struck += usize::from(call.fault.is_some());
        self.unknown += usize::from(weather::is_unknown(call));
    }
}

impl AddAssign for Writes {
    fn add_assign(&mut self, other: Self) {
        self.all += other.all;
        self.struck += other.struck;
        self.unknown += other.unknown;
    }
}

impl fmt::Display for Writes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            all,
            struck,
            unknown,
        } = self;
        write!(
            formatter,
            "{all:3} writes to clouds, {struck:3} struck, {unknown:3} with an unknown outcome"
        )
    }
}

impl fmt::Display for Round {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}; {}; leaders {:?}; quiet after {:4.1} s: {:2} Services, {:2} load balancers; ",
            self.writes,
            self.meddling,
            self.blows,
            self.settled_after.as_secs_f64(),
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
pub async fn play(world: &mut World, processes: Processes) -> Result<Round> {
    let before = [&world.test.cloud1, &world.test.cloud2].map(|cloud| last(cloud));
    let (blows, meddling) = storm(world, processes).await?;
    let start = Instant::now();
    settle(world).await?;
    let settled_after = start.elapsed();
    let clouds = [&world.test.cloud1, &world.test.cloud2];
    let mut writes = Writes::default();
    for (cloud, before) in clouds.iter().zip(before) {
        for call in cloud.events_after(before) {
            if call.verb.is_mutation() {
                writes.note(&call);
            }
        }
    }
    let running = world.replicas.running().iter();
    let sizes = running.map(|replica| Ok((replica.id(), Size::of(replica.id())?)));
    let services = world.test.services().list(&Default::default()).await?;
    Ok(Round {
        blows,
        meddling,
        writes,
        services: services.items.len(),
        load_balancers: clouds
            .iter()
            .map(|cloud| cloud.inventory().len())
            .sum::<usize>()
            - world.others.len(),
        settled_after,
        sizes: sizes.collect::<Result<_>>()?,
    })
}

fn last(cloud: &CloudSimulator) -> u64 {
    cloud.events().last().map_or(0, |last| last.sequence)
}

async fn storm(world: &mut World, processes: Processes) -> Result<(Vec<Blow>, Meddling)> {
    let World {
        test,
        users,
        replicas,
        others,
        wishes,
        ledgers,
        dice,
        ..
    } = world;
    let stop = CancellationToken::new();
    let (mut winds, mut blows, mut whims) = (dice.fork(), dice.fork(), dice.fork());
    let end = Instant::now() + STORM;
    let strikes = async {
        let mut struck = Vec::new();
        while Instant::now() < end {
            sleep(replicas::pause(&mut blows)).await;
            if processes == Processes::Disturbed {
                struck.push(replicas.strike(&mut blows).await?);
            }
        }
        stop.cancel();
        anyhow::Ok(struck)
    };
    let lives = users.iter_mut().map(|user| user.live(test, wishes, &stop));
    let clouds: [&CloudSimulator; 2] = [&test.cloud1, &test.cloud2];
    let weather = async {
        stop.run_until_cancelled(weather::blow(clouds, &mut winds))
            .await;
        for cloud in clouds {
            cloud.clear_faults();
        }
        Ok(())
    };
    let mut meddling = Meddling::default();
    let behind_our_back = async {
        meddling
            .go_on(clouds, others, ledgers, &mut whims, &stop)
            .await;
        Ok(())
    };
    let ((), struck, _, ()) =
        tokio::try_join!(weather, strikes, try_join_all(lives), behind_our_back)?;
    Ok((struck, meddling))
}

/// Waits until all is as the living Services ask for, and looks at how it came
/// about.
///
/// # Errors
/// It never is, or something happened that must not.
pub async fn settle(world: &mut World) -> Result<()> {
    let World {
        test,
        replicas,
        nodes,
        others,
        wishes,
        ledgers,
        ..
    } = world;
    let clouds: [&CloudSimulator; 2] = [&test.cloud1, &test.cloud2];
    let what = "the clouds to have what living Services ask for";
    eventually(what, QUIET, async || {
        replicas.replace_ended().await?;
        for cloud in clouds {
            ensure!(!is_late(cloud), "a call is carried out late");
        }
        judge(test, nodes, others).await.map(Some)
    })
    .await?;
    for (cloud, ledger) in clouds.into_iter().zip(ledgers) {
        ledger.read(cloud, wishes).context("what must not happen")?;
    }
    Ok(())
}

/// Whether a call is still to be carried out although its caller saw it fail.
fn is_late(cloud: &CloudSimulator) -> bool {
    let is_so =
        |call: &Event| call.fault.as_deref() == Some("executeLate") && call.effect.is_none();
    cloud.events().iter().any(is_so)
}
