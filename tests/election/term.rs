//! Who leads, and until when.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use my_cloud_controller_manager::election::{ElectionError, Observation, Role};
use serde_json::json;
use testbed::ControlPlane;

use crate::candidate::{
    NAMESPACE, Running, TIMING, config, leader_of, leases, logged, nothing_changes, stand, watched,
};

#[tokio::test]
async fn of_two_candidates_one_leads() -> Result<()> {
    let plane = ControlPlane::shared().await?;
    let config = config(plane.kubeconfig_path()).await?;
    let mut candidates = [
        stand(&config, "one-leads", "a"),
        stand(&config, "one-leads", "b"),
    ];
    let (leader, leadership) = leader_of(&mut candidates).await?;
    // Longer than a Lease lasts: the standby has had its chances.
    nothing_changes(&leadership, &candidates[1 - leader]).await;
    let lease = leases(&plane).get("one-leads").await?;
    let holder = lease.spec.and_then(|spec| spec.holder_identity);
    assert_eq!(
        holder.as_deref(),
        Some(candidates[leader].identity.as_str())
    );
    Ok(())
}

#[tokio::test]
async fn a_release_hands_over_in_less_than_a_second_and_terms_increase() -> Result<()> {
    let plane = ControlPlane::shared().await?;
    let config = config(plane.kubeconfig_path()).await?;
    let mut leading = stand(&config, "release", "first");
    let mut terms = vec![leading.leads().await?.term()];
    for (name, candidates) in [("second", 2), ("third", 3), ("fourth", 4)] {
        let mut standby = stand(&config, "release", name);
        watched(&plane, "release", candidates).await?;
        let asked = Instant::now();
        leading.release.cancel();
        terms.push(standby.leads().await?.term());
        let took = asked.elapsed();
        println!("handed over in {took:?}");
        assert!(took < Duration::from_secs(1), "{took:?}");
        leading.task.await?.context("released")?;
        leading = standby;
    }
    assert!(
        terms.is_sorted_by(|earlier, later| earlier < later),
        "{terms:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_crash_hands_over_when_the_lease_has_run_out() -> Result<()> {
    let plane = ControlPlane::shared().await?;
    let config = config(plane.kubeconfig_path()).await?;
    let mut leading = stand(&config, "crash", "leader");
    let old = leading.leads().await?;
    let mut standby = stand(&config, "crash", "standby");
    watched(&plane, "crash", 2).await?;
    let crashed = Instant::now();
    leading.task.abort();
    let new = standby.leads().await?;
    let took = crashed.elapsed();
    println!("took over {took:?} after the crash");
    assert!(old.permit().is_err());
    assert!(new.term() > old.term());
    let (shortest, longest) = (
        TIMING.lease_duration - TIMING.retry_period - Duration::from_millis(500),
        TIMING.lease_duration + Duration::from_secs(1),
    );
    assert!(took > shortest && took < longest, "{took:?}");
    Ok(())
}

#[tokio::test]
async fn a_lease_edited_to_another_holder_ends_leadership_at_once() -> Result<()> {
    let plane = ControlPlane::shared().await?;
    let config = config(plane.kubeconfig_path()).await?;
    for holder in ["somebody-else", ""] {
        let name = format!("edited-{}", holder.len());
        let mut leading = stand(&config, &name, "leader");
        let leadership = leading.leads().await?;
        watched(&plane, &name, 1).await?;
        let edit = json!({"spec": {"holderIdentity": holder}});
        let edited = Instant::now();
        leases(&plane)
            .patch(&name, &PatchParams::default(), &Patch::Merge(&edit))
            .await?;
        leadership.ended().await;
        let took = edited.elapsed();
        println!("over {took:?} after the edit to {holder:?}");
        // The next renewal would only come after a retry period.
        assert!(took < TIMING.retry_period / 2, "{took:?}");
        let error = leading.task.await?.expect_err("leadership was lost");
        assert!(
            matches!(&error, ElectionError::LostToAnother { holder: now, .. } if now == holder),
            "{error}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_candidate_needs_no_more_than_its_role_and_waits_for_it() -> Result<()> {
    let plane = ControlPlane::shared().await?;
    let account = include_str!("account.yaml");
    let (account, role) = account.split_once("---\n").context("two parts")?;
    plane.apply(account).await?;
    let file = plane
        .service_account_kubeconfig(NAMESPACE, "election-test")
        .await?;
    let mut candidate = stand(&config(&file).await?, "rbac", "candidate");
    // Forbidden, it stands by and goes on trying.
    logged(&plane, "two refusals", 2, |event| {
        event.user.ends_with(":election-test") && event.verb == "get" && event.code == 403
    })
    .await?;
    assert!(matches!(*candidate.roles.borrow(), Role::Standby));
    assert!(!candidate.task.is_finished());
    plane.apply(role).await?;
    candidate.leads().await?;
    candidate.renews_again().await?;
    candidate.release.cancel();
    let Running { task, observed, .. } = candidate;
    task.await?.context("released")?;
    assert_eq!(*observed.borrow(), Some(Observation::Released));
    Ok(())
}

#[tokio::test]
async fn a_namespace_that_is_missing_is_waited_for() -> Result<()> {
    let plane = ControlPlane::shared().await?;
    let config = config(plane.kubeconfig_path()).await?;
    let mut candidate = Running::start(&config, "not-yet-there", "lease", "candidate");
    logged(&plane, "two creates in no namespace", 2, |event| {
        event.namespace == "not-yet-there" && event.verb == "create" && event.code == 404
    })
    .await?;
    assert!(matches!(*candidate.roles.borrow(), Role::Standby));
    let namespace = json!({"metadata": {"name": "not-yet-there"}});
    Api::<k8s_openapi::api::core::v1::Namespace>::all(plane.client())
        .create(&PostParams::default(), &serde_json::from_value(namespace)?)
        .await?;
    candidate.leads().await?;
    Ok(())
}

#[tokio::test]
async fn a_leader_survives_a_short_partition_and_loses_by_a_long_one() -> Result<()> {
    let plane = ControlPlane::shared().await?;
    let direct = config(plane.kubeconfig_path()).await?;
    let (network, proxied) = testbed::partition::between(&direct).await?;
    let mut leading = stand(&proxied, "partition", "cut-off");
    let old = leading.leads().await?;
    let mut standby = stand(&direct, "partition", "standby");
    watched(&plane, "partition", 2).await?;

    network.cut();
    leading.renewal_fails().await?;
    network.heal();
    leading.renews_again().await?;
    assert!(old.permit().is_ok(), "a short one");

    network.cut();
    let new = standby.leads().await?;
    assert!(old.permit().is_err(), "over before another can lead");
    assert!(new.term() > old.term());
    let error = leading.task.await?.expect_err("leadership was lost");
    assert!(
        matches!(error, ElectionError::LostByDeadline { .. }),
        "{error}"
    );
    Ok(())
}
