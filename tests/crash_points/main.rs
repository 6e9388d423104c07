//! no-duplicate, no-leak: whatever happens to any single write of a Service's
//! life, to the process that made it or to the answer, the end is the same.
//!
//! For each write of a create, an edit, a move, a removal of one cloud, a delete and a retaining delete: it is dropped, or
//! done and its answer is lost, or done and never answered; and the replica goes
//! on, or is killed and starts again, or is killed and a standby takes over by
//! the Lease. The end is held against what an undisturbed run of the chapter left.

mod chapter;
mod end;
mod life;

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use testbed::interposer::Strike;

use chapter::Chapter;
use life::{Fault, Life, Next};

/// Runs at once: most of them wait.
const AT_ONCE: usize = 6;

/// All that can happen to a write and to who made it.
fn faults(nth: usize) -> impl Iterator<Item = Fault> {
    let strikes = [Strike::Drop, Strike::LoseAnswer, Strike::Freeze];
    let nexts = [Next::GoesOn, Next::Restarts, Next::StandbyTakesOver];
    strikes.into_iter().flat_map(move |strike| {
        let faults = nexts.map(|next| Fault { nth, strike, next });
        // One that is not answered at all is the moment of a kill.
        faults
            .into_iter()
            .filter(|fault| (fault.strike, fault.next) != (Strike::Freeze, Next::GoesOn))
    })
}

async fn every_point_of(chapter: Chapter) -> Result<()> {
    let undisturbed = Life::of(chapter, None).live().await?;
    let points = (1..=chapter.writes(undisturbed.writes)).flat_map(faults);
    let runs = stream::iter(points).map(|fault| {
        let expected = &undisturbed.end;
        async move {
            let run = Life::of(chapter, Some(fault)).live_to(expected);
            run.await.with_context(|| format!("{chapter:?}, {fault:?}"))
        }
    });
    let runs: Vec<usize> = runs.buffer_unordered(AT_ONCE).try_collect().await?;
    ensure!(!runs.is_empty(), "a chapter without a write");
    println!(
        "{chapter:?}: {} writes undisturbed; {} runs, at most {:?} writes",
        undisturbed.writes,
        runs.len(),
        runs.iter().max()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn create() -> Result<()> {
    every_point_of(Chapter::Create).await
}

#[tokio::test(flavor = "multi_thread")]
async fn create_on_both() -> Result<()> {
    every_point_of(Chapter::CreateOnBoth).await
}

#[tokio::test(flavor = "multi_thread")]
async fn left_one() -> Result<()> {
    every_point_of(Chapter::LeaveOne).await
}

#[tokio::test(flavor = "multi_thread")]
async fn edit() -> Result<()> {
    every_point_of(Chapter::Edit).await
}

#[tokio::test(flavor = "multi_thread")]
async fn provider_moved() -> Result<()> {
    every_point_of(Chapter::Move).await
}

#[tokio::test(flavor = "multi_thread")]
async fn delete() -> Result<()> {
    every_point_of(Chapter::Delete).await
}

#[tokio::test(flavor = "multi_thread")]
async fn retain() -> Result<()> {
    every_point_of(Chapter::Retain).await
}
