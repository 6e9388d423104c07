//! Leases and API servers as they should not be: kube-leader-election alone, and with our
//! layer under it. Alone it has two leaders at once, or none for ever.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::LeaseSpec;
use my_cloud_controller_manager::election::ElectionError;
use serde_json::json;
use testbed::ControlPlane;

use crate::candidate::{TIMING, config, leases, stand, watched};

use crate::bare::{acquired, bare, create, holder, leads};

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
            // Alone it jams on this one only once the time is over.
            json!({"holderIdentity": "", "leaseDurationSeconds": 3_600, "renewTime": now}),
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
