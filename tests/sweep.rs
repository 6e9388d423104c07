//! no-leak, no-hijack: what has no Service any more is found and deleted, a
//! few at a time; what is not provably an orphan is never touched.

use anyhow::{Result, ensure};
use my_cloud_controller_manager::controller::sweep::MAX_PER_SWEEP;
use my_cloud_controller_manager::plan::naming::{ClusterId, Owner, ServiceUid};
use testbed::cloud::{self, CloudSimulator, Code, Failure, Fault, FaultKind, Plant, Verb};
use testbed::environment::SOON;
use testbed::{Environment, eventually};

const QUICK: &str = "sweepInterval: 300ms\norphanGracePeriod: 1s";

fn owner(test: &Environment, cluster: &str, uid: &str) -> Owner {
    Owner {
        cluster: ClusterId::new(cluster),
        namespace: test.namespace.clone(),
        name: "gone".into(),
        uid: ServiceUid::new(uid),
    }
}

/// What a create that took effect late would have left.
fn left_by(owner: &Owner) -> Plant {
    Plant {
        name: owner.load_balancer_name().as_str().to_owned(),
        owner: Some(cloud::Owner {
            cluster: owner.cluster.as_str().to_owned(),
            namespace: owner.namespace.clone(),
            name: owner.name.clone(),
            uid: owner.uid.as_str().to_owned(),
        }),
        ..Plant::default()
    }
}

/// Waits until the sweep has looked this many more times.
async fn looks(cloud: &CloudSimulator, more: usize) -> Result<()> {
    let lists = || {
        cloud
            .events()
            .iter()
            .filter(|event| event.verb == Verb::List && event.finished_micros.is_some())
            .count()
    };
    let before = lists();
    eventually("more looks of the sweep", SOON, async || {
        Ok((lists() >= before + more).then_some(()))
    })
    .await
}

#[tokio::test]
async fn an_orphan_is_deleted_and_nothing_else_is() -> Result<()> {
    let mut test = Environment::shared("orphan").await?;
    test.extra_config = QUICK.into();
    let ours = owner(&test, &test.namespace, "uid-of-a-service-that-is-gone");
    let orphan = test.cloud1.plant(left_by(&ours)).await?;
    let theirs = test
        .cloud1
        .plant(left_by(&owner(&test, "another-cluster", "uid")))
        .await?;
    let mut unowned = left_by(&owner(&test, &test.namespace, "uid-2"));
    unowned.owner = None;
    let unowned = test.cloud1.plant(unowned).await?;
    let mut by_hand = left_by(&owner(&test, &test.namespace, "uid-3"));
    by_hand.name = "made-by-hand".into();
    let by_hand = test.cloud1.plant(by_hand).await?;

    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    let what = "the orphan to be deleted";
    let gone = async || {
        Ok(test
            .cloud1
            .inventory()
            .iter()
            .all(|found| found.id != orphan.id)
            .then_some(()))
    };
    eventually(what, SOON, gone).await?;
    // Long enough for whatever else would have been believed an orphan with it.
    looks(&test.cloud1, 6).await?;
    let left: Vec<String> = test
        .cloud1
        .inventory()
        .into_iter()
        .map(|found| found.id)
        .collect();
    for kept in [&theirs.id, &unowned.id, &by_hand.id] {
        ensure!(left.contains(kept), "{kept} is not provably ours: {left:?}");
    }
    ensure!(
        left.len() == 4,
        "these three and the one of the living Service: {left:?}"
    );
    test.until_event("gone", "OrphanedLoadBalancer").await?;
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
    let mut lists_before_first_delete = 0;
    let mut deletes = 0;
    for event in test.cloud2.events() {
        match event.verb {
            Verb::List => since_list = 0,
            Verb::Delete => since_list += 1,
            _ => continue,
        }
        deletes += usize::from(event.verb == Verb::Delete);
        lists_before_first_delete += usize::from(event.verb == Verb::List && deletes == 0);
        ensure!(
            since_list <= MAX_PER_SWEEP,
            "more than {MAX_PER_SWEEP} at once"
        );
    }
    ensure!(deletes == count, "each once: {deletes}");
    ensure!(lists_before_first_delete > 1, "never on the first look");
    Ok(())
}

#[tokio::test]
async fn orphans_are_only_reported_if_so_configured() -> Result<()> {
    let mut test = Environment::shared("report").await?;
    test.extra_config = format!("{QUICK}\norphans: report");
    test.cloud1
        .plant(left_by(&owner(&test, &test.namespace, "uid")))
        .await?;
    let replica = test.sole_replica().await?;
    test.until_event("gone", "OrphanedLoadBalancer").await?;
    looks(&test.cloud1, 3).await?;
    ensure!(
        test.cloud1.mutations().is_empty(),
        "{:?}",
        test.cloud1.mutations()
    );
    let metrics = replica.metrics().await?;
    let series = "mycloud_lb_orphaned_load_balancers{cloud=\"cloud1\"}";
    ensure!(
        metrics.get(series) == Some(&1.0),
        "{:?}",
        metrics.get(series)
    );
    Ok(())
}

#[tokio::test]
async fn the_command_lists_orphans_and_changes_nothing() -> Result<()> {
    let test = Environment::shared("command").await?;
    let ours = owner(&test, &test.namespace, "uid-of-a-service-that-is-gone");
    let orphan = test.cloud1.plant(left_by(&ours)).await?;
    test.cloud2
        .plant(left_by(&owner(&test, "another-cluster", "uid")))
        .await?;

    let output = test.command(&["orphans"]).await?;
    let lines: Vec<&str> = output.lines().collect();
    ensure!(lines.len() == 2, "a heading and one orphan: {output}");
    for cell in ["cloud1", &orphan.id, &orphan.name, ours.uid.as_str()] {
        ensure!(lines[1].contains(cell), "{cell}: {output}");
    }
    ensure!(test.cloud1.mutations().is_empty() && test.cloud2.mutations().is_empty());
    Ok(())
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
