//! One run: a chapter in which one write goes wrong, and who goes on after it.

use std::fmt;
use std::sync::Arc;

use anyhow::{Context, Result};
use serde_json::Value;
use testbed::cloud::CloudSimulatorOptions;
use testbed::environment::SOON;
use testbed::interposer::{Interposer, Strike};
use testbed::{Environment, Replica, eventually};

use crate::chapter::Chapter;
use crate::end::end;

/// Which write goes wrong, how, and what becomes of who made it.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// From 1.
    pub nth: usize,
    pub strike: Strike,
    pub next: Next,
}

/// Who goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The same process.
    GoesOn,
    /// It is killed and starts again.
    Restarts,
    /// It is killed; another, warm until then, takes over by the Lease.
    StandbyTakesOver,
}

/// One run.
#[derive(Clone, Copy)]
pub struct Life {
    chapter: Chapter,
    fault: Option<Fault>,
}

/// What a run came to.
pub struct Outcome {
    pub writes: usize,
    pub end: Value,
}

impl fmt::Display for Life {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chapter = self.chapter;
        let text = match self.fault {
            None => format!("{chapter:?}-undisturbed"),
            Some(Fault { nth, strike, next }) => format!("{chapter:?}-{nth}-{strike:?}-{next:?}"),
        };
        formatter.write_str(&text.to_lowercase())
    }
}

impl Life {
    pub fn of(chapter: Chapter, fault: Option<Fault>) -> Self {
        Self { chapter, fault }
    }

    /// Lives it to the end that the user wants.
    pub async fn live(self) -> Result<Outcome> {
        let begun = self.begin().await?;
        self.chapter.finish(&begun.test).await?;
        self.chapter.ensure_one_each(&begun.test)?;
        Ok(Outcome {
            writes: begun.writes(),
            end: end(&begun.test).await?,
        })
    }

    /// Lives it to this end; gives how many writes it took.
    pub async fn live_to(self, expected: &Value) -> Result<usize> {
        let begun = self.begin().await?;
        // What strikes after the end would not be held against it.
        until_struck(&begun.interposer).await?;
        let mut last = Value::Null;
        let is_reached = async || {
            last = end(&begun.test).await?;
            Ok((last == *expected).then_some(()))
        };
        eventually("the end of an undisturbed run", SOON, is_reached)
            .await
            .with_context(|| format!("it is {last:#}, not {expected:#}"))?;
        self.chapter.ensure_one_each(&begun.test)?;
        Ok(begun.writes())
    }

    /// Up to where somebody goes on.
    async fn begin(self) -> Result<Begun> {
        let can = |cloud: &mut CloudSimulatorOptions| {
            cloud.capabilities = self.chapter.capabilities();
        };
        let mut test = Environment::shared_with(&self.to_string(), can).await?;
        let interposer = test.interpose().await?;
        let mut replicas = self.start(&test).await?;
        self.chapter.prepare(&test).await?;
        let before = interposer.writes();
        if let Some(fault) = self.fault {
            interposer.strike(fault.nth, fault.strike);
        }
        self.chapter.begin(&test).await?;
        match self.fault.map(|fault| fault.next) {
            None | Some(Next::GoesOn) => {}
            Some(Next::Restarts) => {
                until_struck(&interposer).await?;
                replicas.clear();
                replicas.push(test.sole_replica().await?);
            }
            Some(Next::StandbyTakesOver) => {
                until_struck(&interposer).await?;
                replicas.remove(0).kill();
            }
        }
        Ok(Begun {
            test,
            interposer,
            before,
            _replicas: replicas,
        })
    }

    /// The one that is struck is the first.
    async fn start(self, test: &Environment) -> Result<Vec<Replica>> {
        if self.fault.map(|fault| fault.next) != Some(Next::StandbyTakesOver) {
            return Ok(vec![test.sole_replica().await?]);
        }
        test.allow_election().await?;
        let leader = Replica::start(test.candidate("leader")).await?;
        eventually("the first to lead", SOON, async || {
            Ok(leader.leads().await?.then_some(()))
        })
        .await?;
        let standby = Replica::start(test.candidate("standby")).await?;
        Ok(vec![leader, standby])
    }
}

async fn until_struck(interposer: &Interposer) -> Result<()> {
    let struck = tokio::time::timeout(SOON, interposer.struck()).await;
    struck.context("nothing went wrong")
}

/// A run on its way.
struct Begun {
    test: Environment,
    interposer: Arc<Interposer>,
    /// Writes before the user did anything.
    before: usize,
    _replicas: Vec<Replica>,
}

impl Begun {
    fn writes(&self) -> usize {
        self.interposer.writes() - self.before
    }
}
