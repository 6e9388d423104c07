//! What is an orphan, and what is not.

use anyhow::{Result, ensure};
use testbed::Environment;
use testbed::environment::SOON;
use testbed::eventually;

use super::{QUICK, left_by, looks, not_ours, orphan, owner, until_deleted};

#[tokio::test]
async fn an_orphan_is_deleted_and_nothing_else_is() -> Result<()> {
    let mut test = Environment::shared("orphan").await?;
    test.extra_config = QUICK.into();
    let orphan = orphan(&test).await?;
    let not_ours = not_ours(&test).await?;
    let replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    // One that cannot be carried out any more keeps what it has.
    test.service("typo").provider("cloud1").create().await?;
    test.until_ready("typo").await?;
    test.annotate("typo", &[("lb-bandwidth", Some("fast"))])
        .await?;
    test.until_reason("typo", "InvalidConfiguration").await?;

    until_deleted(&test.cloud1, &orphan.id).await?;
    // Long enough for whatever else would have been believed an orphan with it.
    looks(&test.cloud1, 6).await?;
    let left = test.cloud1.inventory();
    for kept in &not_ours {
        ensure!(
            left.contains(kept),
            "{kept:?} is not provably ours: {left:?}"
        );
    }
    let lives = ["web", "typo"].map(|name| format!("{}-{name}-", test.namespace));
    let is_living = |name: &str| lives.iter().any(|prefix| name.starts_with(prefix));
    let living = left.iter().filter(|found| is_living(&found.name)).count();
    ensure!(living == 2 && left.len() == 5, "{left:?}");
    test.until_event("gone", "OrphanedLoadBalancer").await?;
    let mut asked = test.control_plane.audit_events()?;
    asked.retain(|event| {
        let is_replica = event.user.starts_with("system:serviceaccount:");
        let is_web = event.namespace == test.namespace && event.name == "web";
        is_replica && is_web && event.verb == "get"
    });
    ensure!(asked.is_empty(), "its life is no question: {asked:?}");
    let deleted = "mycloud_lb_orphans_deleted_total{cloud=\"cloud1\",result=\"success\"}";
    ensure!(replica.value(deleted).await? == 1.0);
    Ok(())
}

/// A create that took effect after the Service ceased to be ours.
#[tokio::test]
async fn what_a_service_that_is_no_longer_ours_left_behind_is_swept() -> Result<()> {
    let mut test = Environment::shared("left").await?;
    test.extra_config = QUICK.into();
    let service = test.service("gone").without("enable").create().await?;
    let uid = service.metadata.uid.unwrap_or_default();
    test.cloud1
        .plant(left_by(&owner(&test, &test.namespace, &uid)))
        .await?;
    let _replica = test.sole_replica().await?;
    eventually("what it left behind to go", SOON, async || {
        Ok(test.cloud1.inventory().is_empty().then_some(()))
    })
    .await?;
    Ok(())
}
