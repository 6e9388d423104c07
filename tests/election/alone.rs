//! kube-leader-election alone, and with our layer under it, in the same places:
//! alone it has two leaders at once, or none for ever.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Client, Config};
use kube_leader_election::{Error, LeaseLock, LeaseLockParams, LeaseLockResult};
use my_cloud_controller_manager::election::{ElectionError, Role};
use serde_json::json;
use testbed::ControlPlane;

use crate::candidate::{NAMESPACE, Running, TIMING, config, leases, stand, watched};
use crate::gate::Gate;

/// kube-leader-election by itself.
pub fn bare(config: &Config, lease: &str, holder: &str) -> Result<LeaseLock> {
    let parameters = LeaseLockParams {
        holder_id: holder.to_owned(),
        lease_name: lease.to_owned(),
        lease_ttl: TIMING.lease_duration,
    };
    let client = Client::try_from(config.clone())?;
    Ok(LeaseLock::new(client, NAMESPACE, parameters))
}

/// Whether it says that its caller leads.
pub fn acquired(result: &Result<LeaseLockResult, Error>) -> bool {
    matches!(result, Ok(LeaseLockResult::Acquired(_)))
}

/// Who holds a Lease, as the administrator sees it.
pub async fn holder(plane: &ControlPlane, lease: &str) -> Result<String> {
    let spec = leases(plane).get(lease).await?.spec;
    Ok(spec
        .and_then(|spec| spec.holder_identity)
        .unwrap_or_default())
}

/// A Lease that ran out a minute ago.
async fn of_a_dead_holder(plane: &ControlPlane, lease: &str) -> Result<()> {
    let renewed = format!("{:.6}", Timestamp::now() - SignedDuration::from_mins(1));
    let spec = json!({
        "holderIdentity": "dead", "leaseDurationSeconds": TIMING.lease_duration.as_secs(),
        "leaseTransitions": 3, "acquireTime": renewed, "renewTime": renewed,
    });
    create(plane, lease, spec).await
}

async fn create(plane: &ControlPlane, lease: &str, spec: serde_json::Value) -> Result<()> {
    let lease: Lease = serde_json::from_value(json!({"metadata": {"name": lease}, "spec": spec}))?;
    leases(plane).create(&PostParams::default(), &lease).await?;
    Ok(())
}

async fn edit(plane: &ControlPlane, lease: &str, spec: serde_json::Value) -> Result<()> {
    let edit = Patch::Merge(json!({"spec": spec}));
    leases(plane)
        .patch(lease, &PatchParams::default(), &edit)
        .await?;
    Ok(())
}

async fn gated() -> Result<(ControlPlane, Config, Gate, Config)> {
    let plane = ControlPlane::shared().await?;
    let direct = config(plane.kubeconfig_path()).await?;
    let (gate, through) = Gate::before(&direct).await?;
    Ok((plane, direct, gate, through))
}

fn leads(candidate: &Running) -> bool {
    match &*candidate.roles.borrow() {
        Role::Leader(leadership) => leadership.permit().is_ok(),
        Role::Standby => false,
    }
}

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

/// An API server that takes requests and never answers.
#[tokio::test]
async fn an_api_server_that_never_answers() -> Result<()> {
    let plane = ControlPlane::shared().await?;
    let direct = config(plane.kubeconfig_path()).await?;
    let (network, through) = testbed::partition::between(&direct).await?;
    let mut leading = stand(&through, "silent", "leader");
    let leadership = leading.leads().await?;
    let alone = bare(&through, "silent-bare", "alone")?;
    ensure!(acquired(&alone.try_acquire_or_renew().await));
    network.cut();
    let waits = tokio::spawn(async move { alone.try_acquire_or_renew().await });
    let error = leading.task.await?.expect_err("leadership was lost");
    ensure!(
        matches!(error, ElectionError::LostByDeadline { .. }),
        "{error}"
    );
    ensure!(leadership.permit().is_err());
    ensure!(
        !waits.is_finished(),
        "alone: it waits, and its caller leads on"
    );
    Ok(())
}

/// What others leave in a Lease, or what is made by hand.
#[tokio::test]
async fn leases_of_any_shape() -> Result<()> {
    let plane = ControlPlane::shared().await?;
    let config = config(plane.kubeconfig_path()).await?;
    let now = format!("{:.6}", Timestamp::now());
    let shapes = [
        ("null", json!(null), true),
        ("no-holder", json!({"leaseTransitions": 3}), true),
        (
            "only-times",
            json!({"acquireTime": now, "renewTime": now}),
            true,
        ),
        (
            "no-renewal",
            json!({"holderIdentity": "", "leaseDurationSeconds": 5}),
            true,
        ),
        (
            "no-count",
            json!({"holderIdentity": "", "leaseDurationSeconds": 5, "renewTime": now}),
            false,
        ),
        ("held", json!({"holderIdentity": "other"}), true),
        (
            "held-briefly",
            json!({"holderIdentity": "other", "leaseDurationSeconds": 2}),
            true,
        ),
    ];
    for (shape, spec, jams_alone) in shapes {
        let (alone, ours) = (format!("{shape}-bare"), format!("{shape}-ours"));
        create(&plane, &alone, spec.clone()).await?;
        let result = bare(&config, &alone, "alone")?.try_acquire_or_renew().await;
        ensure!(result.is_err() == jams_alone, "alone, {shape}: {result:?}");

        create(&plane, &ours, spec).await?;
        let mut candidate = stand(&config, &ours, "candidate");
        candidate.leads().await.context(shape)?;
        candidate.renews_again().await?;
        let lease = leases(&plane).get(&ours).await?;
        let LeaseSpec {
            holder_identity,
            lease_duration_seconds,
            lease_transitions,
            renew_time,
            acquire_time,
            ..
        } = lease.spec.context("a spec")?;
        ensure!(
            holder_identity.as_deref() == Some(candidate.identity.as_str()),
            "{shape}"
        );
        ensure!(
            lease_duration_seconds == Some(6),
            "{shape}: {lease_duration_seconds:?}"
        );
        ensure!(lease_transitions.is_some_and(|count| count > 0), "{shape}");
        ensure!(renew_time.is_some() && acquire_time.is_some(), "{shape}");
    }
    Ok(())
}

/// Somebody deletes the Lease of a leader that is alive.
#[tokio::test]
async fn a_lease_deleted_under_its_leader() -> Result<()> {
    let plane = ControlPlane::shared().await?;
    let config = config(plane.kubeconfig_path()).await?;
    let delete = async |lease: &str| leases(&plane).delete(lease, &Default::default()).await;
    let (first, second) = (
        bare(&config, "deleted-bare", "first")?,
        bare(&config, "deleted-bare", "second")?,
    );
    ensure!(acquired(&first.try_acquire_or_renew().await));
    delete("deleted-bare").await?;
    ensure!(
        acquired(&second.try_acquire_or_renew().await),
        "alone: two leaders"
    );

    let mut leading = stand(&config, "deleted", "leader");
    let leadership = leading.leads().await?;
    let standby = stand(&config, "deleted", "standby");
    watched(&plane, "deleted", 2).await?;
    let before = leases(&plane).get("deleted").await?.metadata.uid;
    delete("deleted").await?;
    testbed::eventually("a new Lease", Duration::from_secs(10), async || {
        let lease = leases(&plane).get_opt("deleted").await?;
        Ok(lease.filter(|lease| lease.metadata.uid != before))
    })
    .await?;
    leading.renews_again().await?;
    ensure!(leadership.permit().is_ok() && !leads(&standby));
    ensure!(holder(&plane, "deleted").await? == leading.identity);
    Ok(())
}

/// A container that is restarted has the name of its predecessor's pod.
#[tokio::test]
async fn a_container_that_restarts() -> Result<()> {
    let plane = ControlPlane::shared().await?;
    let config = config(plane.kubeconfig_path()).await?;
    let crashed = bare(&config, "restart-bare", "pod-0")?;
    ensure!(acquired(&crashed.try_acquire_or_renew().await));
    let restarted = bare(&config, "restart-bare", "pod-0")?;
    let inherits = restarted.try_acquire_or_renew().await;
    ensure!(
        acquired(&inherits),
        "alone: on with a term that is not its own"
    );

    let mut crashed = stand(&config, "restart", "pod-0");
    let old = crashed.leads().await?;
    crashed.renews_again().await?;
    let since = tokio::time::Instant::now();
    crashed.task.abort();
    let mut restarted = stand(&config, "restart", "pod-0");
    let new = restarted.leads().await?;
    let took = since.elapsed();
    ensure!(
        took > TIMING.lease_duration - TIMING.retry_period,
        "{took:?}"
    );
    ensure!(restarted.identity != crashed.identity && new.term() > old.term());
    Ok(())
}

/// kube-apiserver is away for everybody.
#[tokio::test]
async fn an_api_server_that_is_away() -> Result<()> {
    let plane = ControlPlane::shared().await?;
    let direct = config(plane.kubeconfig_path()).await?;
    let (network, through) = testbed::partition::between(&direct).await?;
    let mut leading = stand(&through, "away", "leader");
    let old = leading.leads().await?;
    let mut standby = stand(&through, "away", "standby");
    watched(&plane, "away", 2).await?;

    network.cut();
    leading.renewal_fails().await?;
    network.heal();
    leading.renews_again().await?;
    ensure!(old.permit().is_ok(), "away for less than the Lease lasts");
    ensure!(!leads(&standby));

    network.cut();
    let error = leading.task.await?.expect_err("leadership was lost");
    ensure!(
        matches!(error, ElectionError::LostByDeadline { .. }),
        "{error}"
    );
    // Longer than the Lease lasts: both believe that it may be taken.
    let run_out = tokio::time::Instant::now() + TIMING.lease_duration;
    while tokio::time::Instant::now() < run_out {
        ensure!(!leads(&standby), "nobody can take it");
        tokio::time::sleep(TIMING.retry_period).await;
    }
    network.heal();
    let new = standby.leads().await?;
    ensure!(old.permit().is_err() && new.term() > old.term());
    standby.renews_again().await?;
    Ok(())
}
