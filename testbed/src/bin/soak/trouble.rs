//! A round of trouble that others make: one cloud answers hostilely, objects cannot be read, and
//! another controller writes to our Services and makes load balancers with our names. All of it
//! at once, while users act. No process is touched, and the other cloud does its work: its
//! Services are served meanwhile, and not only afterwards.
//!
//! When the cloud is good again and the objects still cannot be read, all processes are
//! replaced ([`successors`]).

mod bystander;
mod hostile_cloud;
mod other_hand;
mod successors;

use std::fmt;
use std::ops::AddAssign;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use testbed::Environment;
use testbed::cloud::CloudSimulator;
use testbed::oracle::DesiredHistory;
use tokio_util::sync::CancellationToken;

use crate::disruptions::Disruptions;
use crate::rounds::Processes;
use crate::soak::Soak;
use bystander::Bystander;
use other_hand::OtherHand;

/// What all parts of a round of trouble work with.
#[derive(Clone, Copy)]
struct Scene<'a> {
    test: &'a Environment,
    history: &'a DesiredHistory,
    /// The cloud that answers as it should.
    good: &'a CloudSimulator,
    hostile: &'a CloudSimulator,
    /// Makes the names of a round its own.
    round: usize,
}

/// What happened in rounds of trouble.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trouble {
    /// Calls that were answered hostilely.
    hostile_answers: usize,
    /// What the other controller did to our Services and beside our load balancers.
    acts: usize,
    /// Services of the good cloud that lived from create to delete meanwhile.
    served: usize,
    /// The longest life of one of them.
    slowest: Duration,
    /// Processes that lost their Lease, as happens on a busy machine.
    gave_up: usize,
    /// Load balancers that kept a Node which could not be read, by those that led before,
    kept: usize,
    /// and those that kept it by replicas which have never read it.
    kept_by_successors: usize,
}

/// Plays the trouble of a round, and ends it; replaces the processes at its end, unless they are
/// left alone.
///
/// # Errors
/// A Service of the good cloud was not served, something of others was touched, or a process
/// ended for another reason than a lost Lease.
pub async fn play(soak: &mut Soak, round: usize, processes: Processes) -> Result<Trouble> {
    let Soak {
        test,
        users,
        disruptions,
        poison,
        others,
        history,
        ledgers,
        rng,
        ..
    } = soak;
    disruptions.replace_ended().await?;
    let (before, gave_up) = (disruptions.processes(), disruptions.gave_up);
    let which = rng.usize(..2);
    let clouds = test.clouds();
    let scene = Scene {
        test,
        history,
        good: clouds[1 - which],
        hostile: clouds[which],
        round,
    };
    let mut hand = OtherHand::begin(scene, others).await?;
    let since = scene.hostile.last_sequence();
    hostile_cloud::turn(scene.hostile, others, rng);
    let stays = poison.show(test).await?;
    let stop = CancellationToken::new();
    let acting = users
        .iter_mut()
        .map(|user| user.act_until(test, history, &stop));
    let trouble = async {
        let (bystander, (), ()) = tokio::try_join!(
            Bystander::served(scene),
            hand.act(&mut ledgers[1 - which]),
            poison.until_seen(disruptions),
        )?;
        hostile_cloud::until_felt(scene.hostile, since).await?;
        stop.cancel();
        anyhow::Ok(bystander)
    };
    let (bystander, _) = tokio::try_join!(trouble, try_join_all(acting))?;
    let kept = poison.ensure_untouched(test, &stays)?;
    end(disruptions, &before, gave_up).await?;
    let gave_up = disruptions.gave_up - gave_up;
    let hostile_answers = hostile_cloud::end(scene.hostile, since);
    let mut kept_by_successors = 0;
    if processes == Processes::Disturbed {
        disruptions.replace_all(rng).await?;
        poison.until_seen(disruptions).await?;
        successors::act(scene, hand.both()).await?;
        kept_by_successors = poison.ensure_untouched(test, &stays)?;
    }
    poison.hide(test).await?;
    let acts = hand.leave().await?;
    Ok(Trouble {
        hostile_answers,
        acts,
        served: bystander.served,
        slowest: bystander.slowest,
        gave_up,
        kept,
        kept_by_successors,
    })
}

/// The processes are those of before, but for those that lost their Lease.
async fn end(disruptions: &mut Disruptions, before: &[u32], gave_up: usize) -> Result<()> {
    disruptions
        .replace_ended()
        .await
        .context("at the end of the trouble")?;
    let after = disruptions.processes();
    let others = after.iter().filter(|process| !before.contains(process));
    let (others, gave_up) = (others.count(), disruptions.gave_up - gave_up);
    ensure!(
        others <= gave_up,
        "{others} other processes, and {gave_up} gave up: {before:?} became {after:?}"
    );
    Ok(())
}

impl AddAssign for Trouble {
    fn add_assign(&mut self, other: Self) {
        self.hostile_answers += other.hostile_answers;
        self.acts += other.acts;
        self.served += other.served;
        self.slowest = self.slowest.max(other.slowest);
        self.gave_up += other.gave_up;
        self.kept += other.kept;
        self.kept_by_successors += other.kept_by_successors;
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            hostile_answers,
            acts,
            served,
            slowest,
            gave_up,
            kept,
            kept_by_successors,
        } = self;
        write!(
            formatter,
            "trouble: {hostile_answers} hostile answers, {acts} acts of another controller, \
             {served} Services served meanwhile in {:.1} s at most, {gave_up} processes gave up, \
             an unreadable Node kept by {kept} load balancers and under new leaders by {kept_by_successors}",
            slowest.as_secs_f64(),
        )
    }
}
