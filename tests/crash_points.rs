//! no-duplicate, no-leak: whatever happens to any single write of a Service's
//! life, to the process that made it or to the answer, the end is the same.
//!
//! For each write of a create, an edit, a move and a delete: it is dropped, it
//! is done and its answer is lost, it is done and the process is killed. Then
//! the replica, or the next one, must bring about what an undisturbed run does.

use std::fmt;

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::json;
use testbed::cloud::{CloudSimulator, Effect};
use testbed::environment::{SOON, calls};
use testbed::interposer::{Interposer, Strike};
use testbed::{Environment, eventually};

/// What happens to the Service while a write goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chapter {
    Create,
    Edit,
    Move,
    Delete,
}

/// One run: which write of which chapter goes wrong, and how.
#[derive(Clone, Copy, Debug)]
struct Point {
    chapter: Chapter,
    /// From 1; `None`: nothing goes wrong.
    fault: Option<(usize, Strike)>,
}

impl fmt::Display for Point {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { chapter, fault } = self;
        let text = match fault {
            None => format!("{chapter:?}-undisturbed"),
            Some((nth, strike)) => format!("{chapter:?}-{nth}-{strike:?}"),
        };
        formatter.write_str(&text.to_lowercase())
    }
}

/// Lives one chapter; gives how many writes it took.
async fn live(point: Point) -> Result<usize> {
    let mut test = Environment::shared(&point.to_string()).await?;
    let interposer = test.interpose().await?;
    let mut replica = test.sole_replica().await?;
    if point.chapter != Chapter::Create {
        test.service("web").provider("cloud1").create().await?;
        test.until_ready("web").await?;
    }
    let before = interposer.writes();
    if let Some((nth, strike)) = point.fault {
        interposer.strike(nth, strike);
    }
    begin(point.chapter, &test).await?;
    if let Some((_, Strike::Freeze)) = point.fault {
        interposer.struck().await;
        replica.kill();
        replica = test.sole_replica().await?;
    }
    settle(point.chapter, &test)
        .await
        .with_context(|| struck(&interposer))?;
    if point.fault.is_some() {
        let struck = tokio::time::timeout(SOON, interposer.struck()).await;
        struck.context("nothing went wrong")?;
    }
    check(point.chapter, &test)?;
    drop(replica);
    Ok(interposer.writes() - before)
}

fn struck(interposer: &Interposer) -> String {
    format!(
        "after {} writes; struck: {}",
        interposer.writes(),
        interposer.has_struck()
    )
}

async fn begin(chapter: Chapter, test: &Environment) -> Result<()> {
    match chapter {
        Chapter::Create => drop(test.service("web").provider("cloud1").create().await?),
        Chapter::Edit => {
            let ports = json!([{"name": "http", "port": 8080}]);
            test.edit("web", json!({"spec": {"ports": ports}})).await?;
        }
        Chapter::Move => drop(
            test.annotate("web", &[("provider", Some("cloud2"))])
                .await?,
        ),
        Chapter::Delete => test.delete("web").await?,
    }
    Ok(())
}

/// Waits until the world is as an undisturbed run leaves it.
async fn settle(chapter: Chapter, test: &Environment) -> Result<()> {
    if chapter == Chapter::Delete {
        test.until_gone("web").await?;
    }
    let (on1, on2, port) = match chapter {
        Chapter::Create => (1, 0, 80),
        Chapter::Edit => (1, 0, 8080),
        Chapter::Move => (0, 1, 80),
        Chapter::Delete => (0, 0, 80),
    };
    let is_so = |cloud: &CloudSimulator, count: usize| {
        let found = cloud.inventory();
        found.len() == count
            && found
                .iter()
                .all(|found| found.settings.listeners[0].port == port)
    };
    eventually("each cloud to have what it should", SOON, async || {
        Ok((is_so(&test.cloud1, on1) && is_so(&test.cloud2, on2)).then_some(()))
    })
    .await?;
    if chapter != Chapter::Delete {
        let cloud = if chapter == Chapter::Move {
            &test.cloud2
        } else {
            &test.cloud1
        };
        let id = cloud.inventory()[0].id.clone();
        let name = if chapter == Chapter::Move {
            "cloud2"
        } else {
            "cloud1"
        };
        test.until("web", "the record and the condition to say so", |service| {
            test.record(service) == Some((id.as_str(), name))
                && test
                    .condition(service)
                    .is_some_and(|(status, _, _)| status == "True")
        })
        .await?;
    }
    Ok(())
}

/// Never two, not even for a moment.
fn check(chapter: Chapter, test: &Environment) -> Result<()> {
    for (cloud, expected) in [
        (&test.cloud1, 1),
        (&test.cloud2, usize::from(chapter == Chapter::Move)),
    ] {
        let created = calls(cloud)
            .iter()
            .filter(|call| call.effect == Some(Effect::Created))
            .count();
        ensure!(
            created == expected,
            "{} load balancers were made on {}",
            created,
            cloud.name()
        );
    }
    Ok(())
}

async fn sweep(chapter: Chapter) -> Result<()> {
    let undisturbed = live(Point {
        chapter,
        fault: None,
    })
    .await?;
    ensure!(undisturbed > 0, "a chapter without a write");
    let strikes = [Strike::Drop, Strike::LoseAnswer, Strike::Freeze];
    let points = (1..=undisturbed).flat_map(|nth| {
        strikes.map(|strike| Point {
            chapter,
            fault: Some((nth, strike)),
        })
    });
    let runs = stream::iter(points)
        .map(|point| async move { live(point).await.with_context(|| point.to_string()) });
    let writes: Vec<usize> = runs.buffer_unordered(6).try_collect().await?;
    println!(
        "{chapter:?}: {undisturbed} writes undisturbed; {} runs, at most {:?} writes",
        writes.len(),
        writes.iter().max()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn create() -> Result<()> {
    sweep(Chapter::Create).await
}

#[tokio::test(flavor = "multi_thread")]
async fn edit() -> Result<()> {
    sweep(Chapter::Edit).await
}

#[tokio::test(flavor = "multi_thread")]
async fn provider_moved() -> Result<()> {
    sweep(Chapter::Move).await
}

#[tokio::test(flavor = "multi_thread")]
async fn delete() -> Result<()> {
    sweep(Chapter::Delete).await
}
