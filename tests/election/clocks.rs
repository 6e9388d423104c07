//! Wall clocks that are wrong: another machine's, and our own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, ensure};
use jiff::SignedDuration;
use my_cloud_controller_manager::election::{Clock, ElectionError};
use testbed::ControlPlane;

use crate::bare::{acquired, bare, holder};
use crate::candidate::{NAMESPACE, Running, TIMING, config, nothing_changes, stand, watched};
use crate::gate::Gate;

const SLOW: SignedDuration = SignedDuration::from_secs(-20);
const FAST: SignedDuration = SignedDuration::from_mins(10);

#[tokio::test]
async fn a_holder_whose_clock_is_slow_keeps_its_lease() -> Result<()> {
    let plane = ControlPlane::shared().await?;
    let right = config(plane.kubeconfig_path()).await?;
    let (_gate, slow) = Gate::for_clock(&right, SLOW).await?;
    let holds = bare(&slow, "slow-bare", "slow")?;
    ensure!(acquired(&holds.try_acquire_or_renew().await));
    let other = bare(&right, "slow-bare", "right")?;
    ensure!(
        acquired(&other.try_acquire_or_renew().await),
        "alone: taken the moment after it was acquired"
    );

    let mut leading = stand(&slow, "slow", "slow");
    let leadership = leading.leads().await?;
    let standby = stand(&right, "slow", "right");
    watched(&plane, "slow", 2).await?;
    nothing_changes(&leadership, &standby).await;
    Ok(())
}

#[tokio::test]
async fn a_standby_whose_clock_is_fast_takes_nothing() -> Result<()> {
    let plane = ControlPlane::shared().await?;
    let right = config(plane.kubeconfig_path()).await?;
    let (_gate, fast) = Gate::for_clock(&right, FAST).await?;
    let holds = bare(&right, "eager-bare", "right")?;
    ensure!(acquired(&holds.try_acquire_or_renew().await));
    let other = bare(&fast, "eager-bare", "fast")?;
    ensure!(
        acquired(&other.try_acquire_or_renew().await),
        "alone: two leaders"
    );

    let mut leading = stand(&right, "eager", "right");
    let leadership = leading.leads().await?;
    let standby = stand(&fast, "eager", "fast");
    watched(&plane, "eager", 2).await?;
    nothing_changes(&leadership, &standby).await;
    Ok(())
}

#[tokio::test]
async fn the_lease_of_a_dead_holder_whose_clock_was_fast_runs_out() -> Result<()> {
    let plane = ControlPlane::shared().await?;
    let right = config(plane.kubeconfig_path()).await?;
    let (_gate, fast) = Gate::for_clock(&right, FAST).await?;
    ensure!(acquired(
        &bare(&fast, "fast-bare", "fast")?
            .try_acquire_or_renew()
            .await
    ));
    let mut leading = stand(&fast, "fast", "fast");
    leading.leads().await?;
    let mut standby = stand(&right, "fast", "right");
    watched(&plane, "fast", 2).await?;
    let died = Instant::now();
    leading.task.abort();
    standby.leads().await?;
    let took = died.elapsed();
    ensure!(
        took < TIMING.lease_duration + Duration::from_secs(1),
        "{took:?}"
    );

    let other = bare(&right, "fast-bare", "right")?;
    ensure!(
        !acquired(&other.try_acquire_or_renew().await),
        "alone: nobody leads for ten minutes"
    );
    ensure!(holder(&plane, "fast-bare").await? == "fast");
    Ok(())
}

/// A machine that was suspended: its monotonic clock stood still, its wall clock did not.
#[tokio::test]
async fn a_leader_whose_clock_jumps_forward_stands_down() -> Result<()> {
    let plane = ControlPlane::shared().await?;
    let config = config(plane.kubeconfig_path()).await?;
    let (wall, clock) = turnable();
    let mut leading = Running::start_by(clock, &config, NAMESPACE, "jump", "leader");
    let leadership = leading.leads().await?;
    turn(&wall, |now| now + FAST.unsigned_abs());
    ensure!(leadership.permit().is_err(), "at once");
    let error = leading.task.await?.expect_err("leadership was lost");
    ensure!(
        matches!(error, ElectionError::LostByDeadline { .. }),
        "{error}"
    );
    Ok(())
}

#[tokio::test]
async fn a_leader_whose_clock_is_set_back_leads_on() -> Result<()> {
    let plane = ControlPlane::shared().await?;
    let config = config(plane.kubeconfig_path()).await?;
    let (wall, clock) = turnable();
    let mut leading = Running::start_by(clock, &config, NAMESPACE, "back", "leader");
    let leadership = leading.leads().await?;
    let standby = stand(&config, "back", "standby");
    watched(&plane, "back", 2).await?;
    turn(&wall, |now| now - FAST.unsigned_abs());
    nothing_changes(&leadership, &standby).await;
    leading.renews_again().await
}

type Wall = Arc<Mutex<SystemTime>>;

fn turnable() -> (Wall, Clock) {
    let wall: Wall = Arc::new(Mutex::new(SystemTime::now()));
    let read = wall.clone();
    let clock = Clock::with_wall(move || *read.lock().unwrap_or_else(PoisonError::into_inner));
    (wall, clock)
}

fn turn(wall: &Wall, turned: impl Fn(SystemTime) -> SystemTime) {
    let mut now = wall.lock().unwrap_or_else(PoisonError::into_inner);
    *now = turned(*now);
}
