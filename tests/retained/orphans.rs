//! Load balancers whose Service has lost our finalizer: the policy of the Service is followed all
//! the same, as far as it is known.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use kube::api::PostParams;
use serde_json::json;
use testbed::cloud::{Capabilities, Code, Failure, Fault, FaultKind, LoadBalancer, Verb};
use testbed::environment::SOON;
use testbed::{Environment, Replica, eventually};

use crate::{DELETE, QUICK, RETAINED, count, is_retained, served};

const ORPHANS: &str = "mycloud_lb_orphaned_load_balancers{cloud=\"cloud1\"}";

/// A Service that is ready, on clouds that do not tell what they can do, with its load balancer
/// on cloud1.
async fn served_unable(name: &str) -> Result<(Environment, Replica, LoadBalancer)> {
    let mut test = Environment::shared(name).await?;
    test.extra_config = QUICK.into();
    let replica = test.sole_replica().await?;
    let made = test.service("web").provider("cloud1").served().await?;
    Ok((test, replica, made))
}

/// Waits for so many more lists of cloud1: the grace period is that of one.
async fn lists(test: &Environment, more: usize) -> Result<()> {
    let before = count(&test.cloud1, Verb::List);
    eventually("more lists", SOON, async || {
        Ok((count(&test.cloud1, Verb::List) >= before + more).then_some(()))
    })
    .await
}

async fn until_retained(test: &Environment, made: &LoadBalancer) -> Result<()> {
    eventually("the owner to be off", SOON, async || {
        Ok(is_retained(&test.cloud1, made).then_some(()))
    })
    .await
    .with_context(|| format!("{:?}", test.cloud1.inventory()))?;
    let note = test.until_event("web", "RetainedLoadBalancer").await?;
    ensure!(note.contains(&made.id), "{note}");
    ensure_not_deleted(test)
}

fn ensure_not_deleted(test: &Environment) -> Result<()> {
    ensure!(count(&test.cloud1, Verb::Delete) == 0, "a delete was sent");
    Ok(())
}

/// Waits until the load balancer is reported as an orphan that is kept, and sees that it is.
async fn until_kept(test: &Environment, replica: &Replica, made: &LoadBalancer) -> Result<()> {
    let note = test.until_event("web", "OrphanedLoadBalancer").await?;
    for part in [&made.id, "it is kept", "deletion-policy"] {
        ensure!(note.contains(part), "{note} lacks {part}");
    }
    lists(test, 5).await?;
    ensure_not_deleted(test)?;
    ensure!(test.cloud1.inventory() == std::slice::from_ref(made));
    ensure!(replica.value(ORPHANS).await? == 1.0);
    let notes = test.events("web", "OrphanedLoadBalancer").await?;
    ensure!(notes.len() == 1, "{notes:?}");
    Ok(())
}

/// The race that only the watch shows: the Service is removed with our finalizer on.
async fn vanish(test: &Environment) -> Result<()> {
    let control_plane = &test.control_plane;
    control_plane
        .remove_service_from_etcd(&test.namespace, "web")
        .await
}

/// What `kubectl replace` does with a manifest that has this policy, and none of what the
/// controller needs.
async fn replace(test: &Environment, policy: &str) -> Result<()> {
    let policy = (format!("{}/deletion-policy", test.prefix), policy);
    let manifest: Service = serde_json::from_value(json!({
        "metadata": {"name": "web", "annotations": {policy.0: policy.1}},
        "spec": {"type": "LoadBalancer", "ports": [{"name": "http", "port": 80}]},
    }))?;
    let (services, params) = (test.services(), PostParams::default());
    let replaced = services.replace("web", &params, &manifest).await?;
    ensure!(replaced.finalizers().is_empty() && test.record(&replaced).is_none());
    Ok(())
}

#[tokio::test]
async fn a_service_that_vanished_is_remembered_until_a_release_succeeds() -> Result<()> {
    let faults = [
        (
            "fails",
            FaultKind::FailBefore(Failure::code(Code::Unavailable)),
        ),
        (
            "refused",
            FaultKind::FailBefore(Failure::code(Code::PermissionDenied)),
        ),
    ];
    for (name, fault) in faults {
        let (test, replica, made) = served(&format!("vanished-{name}")).await?;
        test.cloud1
            .set_fault(Fault::new(fault).on(Verb::Release).times(3));
        vanish(&test).await?;
        until_retained(&test, &made).await?;
        ensure!(replica.value(RETAINED).await? == 1.0);
        let released = count(&test.cloud1, Verb::Release);
        ensure!(released == 4, "{released} calls");
    }
    Ok(())
}

/// A leader that has just begun knows only what the profile says, and nobody else will know the
/// policy of the Service.
#[tokio::test]
async fn a_cloud_that_has_not_told_yet_is_waited_for() -> Result<()> {
    let (test, first, made) = served("vanished-untold").await?;
    drop(first);
    let silent = FaultKind::FailBefore(Failure::code(Code::Unavailable));
    test.cloud1
        .set_fault(Fault::new(silent).on(Verb::Capabilities));
    let replica = test.sole_replica().await?;
    lists(&test, 1).await?;
    vanish(&test).await?;
    until_kept(&test, &replica, &made).await?;
    test.cloud1.clear_faults();
    until_retained(&test, &made).await
}

/// An answer is no proof: as long as the cloud shows our owner, nothing is retained.
#[tokio::test]
async fn a_release_is_not_done_before_the_cloud_shows_it() -> Result<()> {
    let (test, replica, made) = served("vanished-shown").await?;
    let stale = Fault::new(FaultKind::Stale);
    for verb in [Verb::Query, Verb::List] {
        test.cloud1.set_fault(stale.clone().on(verb));
    }
    vanish(&test).await?;
    eventually("another release", SOON, async || {
        Ok((count(&test.cloud1, Verb::Release) >= 3).then_some(()))
    })
    .await?;
    ensure!(replica.value(RETAINED).await? == 0.0);
    ensure!(test.events("web", "RetainedLoadBalancer").await?.is_empty());
    let note = test.until_event("web", "OrphanedLoadBalancer").await?;
    ensure!(note.contains("Error releasing"), "{note}");
    ensure_not_deleted(&test)?;
    ensure!(is_retained(&test.cloud1, &made));
    Ok(())
}

#[tokio::test]
async fn a_service_that_was_replaced_keeps_its_word() -> Result<()> {
    let (test, replica, made) = served("replaced").await?;
    replace(&test, "retain").await?;
    until_retained(&test, &made).await?;
    ensure!(replica.value(RETAINED).await? == 1.0);
    test.get("web").await?;
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_retained_is_reported_and_kept() -> Result<()> {
    for (index, policy) in ["retain", "reatin"].into_iter().enumerate() {
        let name = format!("replaced-kept-{index}");
        let (test, replica, made) = served_unable(&name).await?;
        replace(&test, policy).await?;
        until_kept(&test, &replica, &made).await?;
        test.annotate("web", &DELETE).await?;
        eventually("the orphan to be deleted", SOON, async || {
            Ok(test.cloud1.inventory().is_empty().then_some(()))
        })
        .await?;
    }
    Ok(())
}

/// Somebody lost patience with a Service that is held up, and removed our finalizer.
#[tokio::test]
async fn a_finalizer_that_is_removed_by_hand_does_not_end_what_is_retained() -> Result<()> {
    let (test, replica, made) = served_unable("by-hand").await?;
    test.annotate("web", &crate::RETAIN).await?;
    test.until_reason("web", "Unsupported").await?;
    test.delete("web").await?;
    crate::until_held(&test, "web", "Unsupported").await?;
    test.edit("web", json!({"metadata": {"finalizers": null}}))
        .await?;
    test.until_gone("web").await?;
    until_kept(&test, &replica, &made).await?;
    test.cloud1.set_capabilities(Some(Capabilities::all()));
    until_retained(&test, &made).await
}
