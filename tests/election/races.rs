//! Requests that cross: kube-leader-election alone, and with our layer under it, in the
//! same places. Alone it has two leaders at once.

use anyhow::{Context, Result, ensure};
use my_cloud_controller_manager::election::ElectionError;
use serde_json::json;

use crate::candidate::{TIMING, config, leases, stand, watched};
use crate::gate::Gate;

use crate::bare::{acquired, bare, edit, gated, holder, leads, of_a_dead_holder};

/// Both have read the expired Lease before either writes it.
#[tokio::test]
async fn two_that_patch_the_same_expired_lease() -> Result<()> {
    let (plane, _, gate, through) = gated().await?;
    of_a_dead_holder(&plane, "both-bare").await?;
    let (first, second) = (
        bare(&through, "both-bare", "first")?,
        bare(&through, "both-bare", "second")?,
    );
    gate.close();
    let (first, second, ()) = tokio::join!(
        first.try_acquire_or_renew(),
        second.try_acquire_or_renew(),
        async {
            let held = gate.holds(2).await;
            gate.open();
            assert!(held.is_ok(), "{held:?}");
        }
    );
    ensure!(acquired(&first) && acquired(&second), "alone: two leaders");

    let (gate, through) = Gate::before(&config(plane.kubeconfig_path()).await?).await?;
    of_a_dead_holder(&plane, "both").await?;
    gate.close();
    let mut candidates = [stand(&through, "both", "a"), stand(&through, "both", "b")];
    gate.holds(2).await?;
    gate.open();
    let mut answers = gate.answers().await?;
    answers.sort_unstable();
    ensure!(answers == [200, 409], "{answers:?}");
    let (leader, _) = crate::candidate::leader_of(&mut candidates).await?;
    candidates[leader].renews_again().await?;
    ensure!(!leads(&candidates[1 - leader]));
    ensure!(holder(&plane, "both").await? == candidates[leader].identity);
    Ok(())
}

/// A candidate freezes between its read and its write; meanwhile another takes
/// the Lease.
#[tokio::test]
async fn a_frozen_candidates_late_acquisition() -> Result<()> {
    let (plane, direct, gate, through) = gated().await?;
    of_a_dead_holder(&plane, "frozen-bare").await?;
    let (frozen, awake) = (
        bare(&through, "frozen-bare", "frozen")?,
        bare(&direct, "frozen-bare", "awake")?,
    );
    gate.close();
    let late = tokio::spawn(async move { frozen.try_acquire_or_renew().await });
    gate.holds(1).await?;
    ensure!(acquired(&awake.try_acquire_or_renew().await));
    ensure!(acquired(&awake.try_acquire_or_renew().await), "renewed");
    gate.open();
    ensure!(
        acquired(&late.await?),
        "alone: it leads, in the other's term"
    );
    ensure!(holder(&plane, "frozen-bare").await? == "frozen", "stolen");

    let (gate, through) = Gate::before(&direct).await?;
    of_a_dead_holder(&plane, "frozen").await?;
    gate.close();
    let frozen = stand(&through, "frozen", "frozen");
    gate.holds(1).await?;
    let mut awake = stand(&direct, "frozen", "awake");
    let leadership = awake.leads().await?;
    gate.open();
    let answers = gate.answers().await?;
    ensure!(answers.iter().all(|code| *code == 409), "{answers:?}");
    awake.renews_again().await?;
    ensure!(leadership.permit().is_ok() && !leads(&frozen));
    ensure!(holder(&plane, "frozen").await? == awake.identity);
    Ok(())
}

/// A leader's renewal arrives when another has taken over.
#[tokio::test]
async fn a_late_renewal() -> Result<()> {
    let (plane, direct, gate, through) = gated().await?;
    of_a_dead_holder(&plane, "late-bare").await?;
    let late = bare(&through, "late-bare", "dead")?;
    gate.close();
    let renewal = tokio::spawn(async move { late.try_acquire_or_renew().await });
    gate.holds(1).await?;
    let next = bare(&direct, "late-bare", "next")?;
    ensure!(acquired(&next.try_acquire_or_renew().await));
    gate.open();
    let renewal = renewal.await?;
    ensure!(acquired(&renewal), "alone: told that it leads");
    ensure!(
        holder(&plane, "late-bare").await? == "next",
        "though another does"
    );

    let (gate, through) = Gate::before(&direct).await?;
    let mut late = stand(&through, "late", "late");
    let old = late.leads().await?;
    gate.close();
    gate.holds(1).await?;
    let mut next = stand(&direct, "late", "next");
    let new = next.leads().await?;
    ensure!(old.permit().is_err(), "over before another can lead");
    let before = leases(&plane)
        .get("late")
        .await?
        .spec
        .and_then(|spec| spec.lease_transitions);
    gate.open();
    let answers = gate.answers().await?;
    ensure!(answers.iter().all(|code| *code == 409), "{answers:?}");
    next.renews_again().await?;
    ensure!(new.permit().is_ok());
    let spec = leases(&plane).get("late").await?.spec.context("a spec")?;
    ensure!(spec.holder_identity.as_deref() == Some(next.identity.as_str()));
    ensure!(spec.lease_transitions == before, "taken once");
    Ok(())
}

/// The watch shows another holder while a renewal waits for its answer.
#[tokio::test]
async fn another_holder_while_a_renewal_is_under_way() -> Result<()> {
    let (plane, _, gate, through) = gated().await?;
    let mut leading = stand(&through, "under-way", "leader");
    let leadership = leading.leads().await?;
    watched(&plane, "under-way", 1).await?;
    gate.close();
    gate.holds(1).await?;
    let started = tokio::time::Instant::now();
    edit(&plane, "under-way", json!({"holderIdentity": "other"})).await?;
    leadership.ended().await;
    let took = started.elapsed();
    // The held renewal's own deadline, a third of 4.5 s, would be later.
    ensure!(took < TIMING.retry_period, "{took:?}");
    let error = leading.task.await?.expect_err("leadership was lost");
    ensure!(
        matches!(error, ElectionError::LostToAnother { .. }),
        "{error}"
    );
    gate.open();
    let answers = gate.answers().await?;
    ensure!(answers.iter().all(|code| *code == 409), "{answers:?}");
    ensure!(holder(&plane, "under-way").await? == "other");
    Ok(())
}

/// A release arrives when another holds the Lease.
#[tokio::test]
async fn a_late_release() -> Result<()> {
    let (plane, direct, gate, through) = gated().await?;
    let leaving = bare(&through, "release-bare", "leaving")?;
    ensure!(acquired(&leaving.try_acquire_or_renew().await));
    gate.close();
    let release = tokio::spawn(async move { leaving.step_down().await });
    gate.holds(1).await?;
    edit(&plane, "release-bare", json!({"holderIdentity": "other"})).await?;
    gate.open();
    release.await??;
    ensure!(
        holder(&plane, "release-bare").await?.is_empty(),
        "alone: it empties another's Lease"
    );

    let (gate, through) = Gate::before(&direct).await?;
    let mut leaving = stand(&through, "late-release", "leaving");
    leaving.leads().await?;
    gate.close();
    leaving.release.cancel();
    gate.holds(1).await?;
    edit(&plane, "late-release", json!({"holderIdentity": "other"})).await?;
    gate.open();
    let answers = gate.answers().await?;
    ensure!(answers.iter().all(|code| *code == 409), "{answers:?}");
    leaving.task.await?.context("nothing to give back")?;
    ensure!(holder(&plane, "late-release").await? == "other");
    Ok(())
}
