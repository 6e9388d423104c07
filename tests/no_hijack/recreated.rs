//! A Service made again under the same name, from a manifest with all that we
//! wrote on its predecessor. It has a new UID: it gets its own load balancer.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use serde_json::json;
use testbed::cloud::{Code, Failure, Fault, FaultKind, LoadBalancer, Verb};
use testbed::environment::{SOON, calls};
use testbed::{Environment, eventually};

use super::{address, ensure_own, forge_status, made_for};

const QUICK: &str = "sweepInterval: 300ms\norphanGracePeriod: 1s";

/// A ready Service, and its load balancer.
async fn first(test: &Environment) -> Result<(Service, LoadBalancer)> {
    test.service("web").provider("cloud1").create().await?;
    let ready = test.until_ready("web").await?;
    let own = ensure_own(test, &test.cloud1, &ready)?;
    Ok((ready, own))
}

/// The same again: annotations, finalizer and status as they were.
async fn make_again(test: &Environment, old: &LoadBalancer) -> Result<()> {
    let service = test.service("web").provider("cloud1");
    let service = service.ours("lb-id", &old.id).ours("lb-cloud", "cloud1");
    service.finalizer(&test.finalizer()).create().await?;
    forge_status(test, "web", &address(old)).await
}

/// Waits until the second has its own.
async fn until_own(test: &Environment, old: &LoadBalancer) -> Result<LoadBalancer> {
    let is_own = |service: &Service| ensure_own(test, &test.cloud1, service).is_ok();
    let what = "the second Service to have its own";
    let second = test.until("web", what, is_own).await?;
    let own = ensure_own(test, &test.cloud1, &second)?;
    ensure!(own.id != old.id && own.name != old.name, "{own:?}");
    Ok(own)
}

/// Never adopted: nobody changed it, it was deleted once.
fn ensure_only_deleted(test: &Environment, old: &LoadBalancer) -> Result<()> {
    let mut about_it = calls(&test.cloud1);
    about_it.retain(|call| call.id.as_ref() == Some(&old.id) && call.verb.is_mutation());
    let verbs: Vec<Verb> = about_it.iter().map(|call| call.verb).collect();
    let deletes = verbs.iter().filter(|verb| **verb == Verb::Delete).count();
    ensure!(!verbs.contains(&Verb::Update), "{about_it:?}");
    ensure!(deletes >= 1, "{about_it:?}");
    Ok(())
}

async fn until_deleted(test: &Environment, old: &LoadBalancer) -> Result<()> {
    let what = "the old load balancer to be deleted";
    eventually(what, SOON, async || {
        let inventory = test.cloud1.inventory();
        Ok(inventory
            .iter()
            .all(|found| found.id != old.id)
            .then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_service_made_again_gets_its_own() -> Result<()> {
    let test = Environment::shared("again").await?;
    let _replica = test.sole_replica().await?;
    let (_, old) = first(&test).await?;
    test.delete("web").await?;
    test.until_gone("web").await?;
    ensure!(test.cloud1.inventory().is_empty(), "it left something");
    make_again(&test, &old).await?;
    until_own(&test, &old).await?;
    ensure!(test.cloud1.inventory().len() == 1);
    ensure_only_deleted(&test, &old)
}

/// Nobody was there to see the first one go.
#[tokio::test]
async fn what_a_service_left_whose_finalizer_was_torn_off_is_not_adopted() -> Result<()> {
    let mut test = Environment::shared("torn").await?;
    test.extra_config = QUICK.into();
    let replica = test.sole_replica().await?;
    let (ready, old) = first(&test).await?;
    drop(replica);
    tear_off(&test).await?;
    test.delete("web").await?;
    test.until_gone("web").await?;
    make_again(&test, &old).await?;

    let _replica = test.sole_replica().await?;
    let own = until_own(&test, &old).await?;
    let note = test.until_event("web", "LoadBalancerNotOwned").await?;
    ensure!(note.contains(&old.id), "{note}");
    until_deleted(&test, &old).await?;
    test.until_event("web", "OrphanedLoadBalancer").await?;
    ensure!(made_for(&test.cloud1, &ready).is_empty());
    ensure!(test.cloud1.inventory() == [own], "only the second's stays");
    ensure_only_deleted(&test, &old)
}

/// The cloud refused to delete, and somebody lost patience with the finalizer.
#[tokio::test]
async fn what_could_not_be_deleted_in_time_is_not_adopted_either() -> Result<()> {
    let mut test = Environment::shared("torn-impatient").await?;
    test.extra_config = QUICK.into();
    let _replica = test.sole_replica().await?;
    let (_, old) = first(&test).await?;
    let refused = FaultKind::FailBefore(Failure::code(Code::PermissionDenied));
    test.cloud1.set_fault(Fault::new(refused).on(Verb::Delete));
    test.delete("web").await?;
    test.until_event("web", "SyncLoadBalancerFailed").await?;
    tear_off(&test).await?;
    test.until_gone("web").await?;
    make_again(&test, &old).await?;
    let own = until_own(&test, &old).await?;
    let inventory = test.cloud1.inventory();
    ensure!(inventory == [old.clone(), own.clone()], "{inventory:?}");

    test.cloud1.clear_faults();
    until_deleted(&test, &old).await?;
    ensure!(test.cloud1.inventory() == [own], "only the second's stays");
    ensure_only_deleted(&test, &old)
}

async fn tear_off(test: &Environment) -> Result<()> {
    let torn = test.edit("web", json!({"metadata": {"finalizers": null}}));
    let torn = torn.await.context("taking the finalizer off")?;
    ensure!(torn.finalizers().is_empty(), "{:?}", torn.finalizers());
    Ok(())
}
