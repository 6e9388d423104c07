//! What seemed to be an orphan when the list was read, and is not when it is to
//! be deleted.

use anyhow::{Result, ensure};
use testbed::Environment;
use testbed::cloud::{Fault, FaultKind, LoadBalancer, Verb};
use testbed::environment::SOON;
use testbed::eventually;

use super::{QUICK, deletes, left_by, orphan, owner, until_deleted};

/// Waits until a true orphan, which is looked at after the other one, is deleted
/// and reported. The other one never was.
async fn ensure_only(test: &Environment, orphan: &LoadBalancer, other: &str) -> Result<()> {
    until_deleted(&test.cloud1, &orphan.id).await?;
    let what = "an Event about the orphan";
    let notes = eventually(what, SOON, async || {
        let notes = test.events("gone", "OrphanedLoadBalancer").await?;
        let is_said = notes.iter().any(|note| note.contains(&orphan.id));
        Ok(is_said.then_some(notes))
    });
    let notes = notes.await?;
    let asked = test
        .cloud1
        .events()
        .into_iter()
        .filter(|call| call.verb == Verb::Query && call.id.as_deref() == Some(other));
    ensure!(asked.count() > 0, "the cloud was not asked about {other}");
    ensure!(notes.iter().all(|note| !note.contains(other)), "{notes:?}");
    let deletes = deletes(&test.cloud1);
    ensure!(
        deletes
            .iter()
            .all(|call| call.id.as_deref() == Some(&orphan.id)),
        "{deletes:?}"
    );
    Ok(())
}

/// The list still shows it as ours.
#[tokio::test]
async fn what_was_given_away_since_the_list_is_not_deleted() -> Result<()> {
    let mut test = Environment::shared("sweep-given").await?;
    test.extra_config = QUICK.into();
    let given_away = orphan(&test).await?;
    let owner = owner(&test, &test.namespace, "uid-of-another");
    let true_orphan = test.cloud1.plant(left_by(&owner)).await?;
    test.cloud1
        .set_fault(Fault::new(FaultKind::Stale).on(Verb::List));
    let give_away = |found: &mut LoadBalancer| {
        if let Some(owner) = &mut found.owner {
            owner.cluster = "another-cluster".into();
        }
    };
    let given_away = test.cloud1.edit(&given_away.id, give_away).await?;
    let _replica = test.sole_replica().await?;
    ensure_only(&test, &true_orphan, &given_away.id).await?;
    ensure!(test.cloud1.inventory() == [given_away]);
    Ok(())
}

/// The Service is asked for last.
#[tokio::test]
async fn what_is_wanted_again_since_the_look_is_not_deleted() -> Result<()> {
    let mut test = Environment::shared("sweep-wanted").await?;
    test.extra_config = QUICK.into();
    let service = test.service("gone").provider("cloud1").without("enable");
    let uid = service.create().await?.metadata.uid.unwrap_or_default();
    let left = left_by(&owner(&test, &test.namespace, &uid));
    let left = test.cloud1.plant(left).await?;
    let true_orphan = orphan(&test).await?;
    // The last look at the cloud takes so long that the user has changed their mind.
    let slow = FaultKind::Latency { millis: 4_000 };
    test.cloud1
        .set_fault(Fault::new(slow).on(Verb::Query).times(1));
    let _replica = test.sole_replica().await?;
    let what = "the sweep to look for the last time";
    eventually(what, SOON, async || {
        let mut calls = test.cloud1.events();
        calls.retain(|call| call.verb == Verb::Query);
        Ok((!calls.is_empty()).then_some(()))
    })
    .await?;
    test.annotate("gone", &[("enable", Some("true"))]).await?;

    ensure_only(&test, &true_orphan, &left.id).await?;
    let ready = test.until_ready("gone").await?;
    ensure!(test.record(&ready) == Some((left.id.as_str(), "cloud1")));
    ensure!(test.cloud1.inventory().len() == 1);
    Ok(())
}
