//! When an orphan goes, and how many at once.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use my_cloud_controller_manager::controller::orphans::sweep::MAX_PER_SWEEP;
use testbed::cloud::{CloudSimulator, Code, Event, Failure, Fault, FaultKind, Verb};
use testbed::environment::SOON;
use testbed::replica::LeaseTiming;
use testbed::{Environment, Replica, eventually};

use super::{QUICK, cluster, deletes, left_by, lists_after, looks, orphan, owner, until_deleted};

/// Short, so that a crash is over soon.
const QUICK_LEASE: LeaseTiming = LeaseTiming {
    lease_duration: Duration::from_secs(3),
    renew_deadline: Duration::from_secs(2),
    retry_period: Duration::from_millis(250),
};

/// Fails unless nothing was deleted within this time after a list was answered.
/// The replica reads the answer later still, so its own clock says less.
fn ensure_grace(cloud: &CloudSimulator, list: &Event, grace_millis: u64) -> Result<()> {
    let deletes = deletes(cloud);
    let first = deletes.first().context("no delete")?;
    let seen = list.finished_micros.context("a list without an answer")?;
    let waited = first.started_micros.saturating_sub(seen);
    ensure!(
        waited >= grace_millis * 1_000,
        "deleted {waited} microseconds after list {}",
        list.sequence
    );
    Ok(())
}

#[tokio::test]
async fn a_grace_period_protects_and_so_does_a_budget() -> Result<()> {
    let mut test = Environment::shared("budget").await?;
    test.extra_config = QUICK.into();
    let count = 2 * MAX_PER_SWEEP + 2;
    for index in 0..count {
        test.cloud2
            .plant(left_by(&owner(
                &test,
                &test.namespace,
                &format!("uid-{index}"),
            )))
            .await?;
    }
    let _replica = test.sole_replica().await?;
    eventually("all orphans to be deleted", SOON, async || {
        Ok(test.cloud2.inventory().is_empty().then_some(()))
    })
    .await?;

    let mut since_list = 0;
    let mut deletes = 0;
    for event in test.cloud2.events() {
        match event.verb {
            Verb::List => since_list = 0,
            Verb::Delete => since_list += 1,
            _ => continue,
        }
        deletes += usize::from(event.verb == Verb::Delete);
        ensure!(
            since_list <= MAX_PER_SWEEP,
            "more than {MAX_PER_SWEEP} at once"
        );
    }
    ensure!(deletes == count, "each once: {deletes}");
    let lists = lists_after(&test.cloud2, 0);
    ensure_grace(&test.cloud2, &lists[0], 1_000)
}

/// However long the one before looked at it: nobody knows what it saw.
#[tokio::test]
async fn a_new_leader_counts_the_grace_period_anew() -> Result<()> {
    let mut test = Environment::own("grace").await?;
    let cluster = cluster(&test).await?;
    let orphan = left_by(&owner(&test, &cluster, "uid"));
    let orphan = test.cloud1.plant(orphan).await?;
    let replica = async |test: &Environment, name: &str| {
        let mut options = test.replica_options(name);
        options.lease = QUICK_LEASE;
        Replica::start(options).await
    };
    test.extra_config = format!("{QUICK}\norphans: report");
    let first = replica(&test, "first").await?;
    // It only tells, when its grace period is over; the next one deletes.
    test.until_event("gone", "OrphanedLoadBalancer").await?;
    test.extra_config = "sweepInterval: 300ms\norphanGracePeriod: 3s".into();
    let _second = replica(&test, "second").await?;
    looks(&test.cloud1, 2).await?;
    ensure!(deletes(&test.cloud1).is_empty());
    drop(first);

    let last = test.cloud1.events().last().map(|event| event.sequence);
    until_deleted(&test.cloud1, &orphan.id).await?;
    let lists = lists_after(&test.cloud1, last.unwrap_or_default());
    ensure_grace(&test.cloud1, &lists[0], 3_000)
}

/// An orphan at every look, or not at all.
#[tokio::test]
async fn one_look_at_which_it_is_none_begins_the_grace_period_anew() -> Result<()> {
    let mut test = Environment::shared("anew").await?;
    test.extra_config = "sweepInterval: 600ms\norphanGracePeriod: 1s".into();
    let orphan = orphan(&test).await?;
    // The first list has it, the second has not.
    for kind in [FaultKind::Stale, FaultKind::ListIncomplete { omit: 1 }] {
        test.cloud1
            .set_fault(Fault::new(kind).on(Verb::List).times(1));
    }
    let _replica = test.sole_replica().await?;
    until_deleted(&test.cloud1, &orphan.id).await?;
    let lists = lists_after(&test.cloud1, 0);
    ensure_grace(&test.cloud1, &lists[2], 1_000)
}

#[tokio::test]
async fn orphans_that_cannot_be_deleted_do_not_shield_the_others() -> Result<()> {
    let mut test = Environment::shared("shield").await?;
    test.extra_config = QUICK.into();
    let mut ids = Vec::new();
    for index in 0..MAX_PER_SWEEP + 2 {
        let owner = owner(&test, &test.namespace, &format!("uid-{index}"));
        ids.push(test.cloud1.plant(left_by(&owner)).await?.id);
    }
    for id in &ids[..MAX_PER_SWEEP] {
        let refused = FaultKind::FailBefore(Failure::code(Code::PermissionDenied));
        test.cloud1
            .set_fault(Fault::new(refused).on(Verb::Delete).matching(id.clone()));
    }
    let _replica = test.sole_replica().await?;
    eventually("the two that can be deleted to go", SOON, async || {
        Ok((test.cloud1.inventory().len() == MAX_PER_SWEEP).then_some(()))
    })
    .await?;
    Ok(())
}
