//! no-leak: a Service that goes while its load balancer comes leaves nothing.

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use testbed::cloud::{Effect, Fault, FaultKind, Verb};
use testbed::environment::{SOON, calls};
use testbed::interposer::Strike;
use testbed::{Environment, eventually};

/// The answer to a finalizer patch is no proof that the Service still is: the
/// write that follows the create finds out.
#[tokio::test]
async fn a_service_that_vanished_behind_a_good_answer_leaves_nothing() -> Result<()> {
    let mut test = Environment::shared("vanish").await?;
    let interposer = test.interpose().await?;
    let _replica = test.sole_replica().await?;
    interposer.strike(1, Strike::Vanish);
    test.service("web").provider("cloud1").create().await?;
    let struck = tokio::time::timeout(SOON, interposer.struck()).await;
    struck.context("the finalizer patch never came")?;
    let what = "the load balancer to be made and deleted again";
    let is_undone = async || {
        let effects: Vec<_> = calls(&test.cloud1)
            .into_iter()
            .filter_map(|call| call.effect)
            .collect();
        Ok(effects.contains(&Effect::Deleted).then_some(effects))
    };
    let effects = eventually(what, SOON, is_undone).await?;
    ensure!(effects.contains(&Effect::Created), "{effects:?}");
    ensure!(test.cloud1.inventory().is_empty());
    Ok(())
}

/// The same race, lost after the record: no write of ours is left to find out.
#[tokio::test]
async fn a_service_that_vanished_with_our_finalizer_on_leaves_nothing() -> Result<()> {
    let test = Environment::shared("gone").await?;
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    test.service("stays").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    test.until_ready("stays").await?;
    test.control_plane
        .remove_service_from_etcd(&test.namespace, "web")
        .await?;
    let what = "the load balancer of the vanished Service to go";
    let is_gone = async || Ok((test.cloud1.inventory().len() == 1).then_some(()));
    eventually(what, SOON, is_gone).await?;
    test.until_event("web", "OrphanedLoadBalancer").await?;
    test.until_ready("stays").await?;
    Ok(())
}

/// The clouds are looked at side by side.
#[tokio::test]
async fn a_cloud_that_hangs_does_not_keep_what_is_left_on_another() -> Result<()> {
    let mut test = Environment::shared("gone-beside").await?;
    test.request_timeout = "300s".into();
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud2").create().await?;
    test.until_ready("web").await?;
    let hang = FaultKind::Hang {
        after_effect: false,
    };
    test.cloud1.set_fault(Fault::new(hang).on(Verb::Query));
    test.control_plane
        .remove_service_from_etcd(&test.namespace, "web")
        .await?;
    let is_gone = async || Ok(test.cloud2.inventory().is_empty().then_some(()));
    eventually("the load balancer on the other cloud to go", SOON, is_gone).await?;
    let asked = test.cloud1.events().into_iter();
    let mut asked = asked.filter(|event| event.verb == Verb::Query);
    ensure!(
        asked.all(|event| event.finished_micros.is_none()),
        "it hangs"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn services_deleted_as_soon_as_they_are_made_leave_nothing() -> Result<()> {
    const SERVICES: usize = 60;
    let test = Environment::shared("brief").await?;
    let mut replica = test.sole_replica().await?;
    let lives = stream::iter(0..SERVICES).map(|index| {
        let test = &test;
        async move {
            let name = format!("brief-{index}");
            test.service(&name).provider("cloud1").create().await?;
            // From before the finalizer to after the record: the index spreads the deletes.
            for _ in 0..index % 6 {
                test.get(&name).await?;
            }
            test.delete(&name).await?;
            test.until_gone(&name).await
        }
    });
    lives.buffer_unordered(8).try_collect::<Vec<_>>().await?;
    let what = "the cloud to have nothing left";
    let is_empty = async || Ok(test.cloud1.inventory().is_empty().then_some(()));
    let log_path = replica.log_path().to_owned();
    let left = || {
        let log = std::fs::read_to_string(log_path).unwrap_or_default();
        format!("left: {:#?}\n{log}", test.cloud1.inventory())
    };
    eventually(what, SOON, is_empty).await.with_context(left)?;
    // What was still under way would end before the process does.
    replica.terminate()?;
    let status = replica.wait_exit(SOON).await?;
    ensure!(status.success(), "{status}");
    let inventory = test.cloud1.inventory();
    ensure!(inventory.is_empty(), "made late: {inventory:?}");
    let created = calls(&test.cloud1)
        .iter()
        .filter(|call| call.effect == Some(Effect::Created))
        .count();
    println!("{created} of {SERVICES} Services lived long enough for a load balancer");
    ensure!(created > 0, "no race was run");
    Ok(())
}
