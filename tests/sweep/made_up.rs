//! A cloud that lists load balancers with owners that it made up.

use anyhow::{Result, ensure};
use my_cloud_controller_manager::controller::orphans::sweep::MAX_LIVE_READS;
use my_cloud_controller_manager::plan::naming::Owner;
use testbed::Environment;

use super::{QUICK, deletes, left_by, lists_after, looks, owner};

/// The owners' names become a part of our requests to the API server.
#[tokio::test]
async fn names_of_owners_lead_to_no_other_object() -> Result<()> {
    let mut test = Environment::shared("made-up-names").await?;
    test.extra_config = QUICK.into();
    let honest = owner(&test, &test.namespace, "uid");
    let (namespace, name) = (honest.namespace.clone(), honest.name.clone());
    let with = |namespace: &str, name: &str| Owner {
        namespace: namespace.into(),
        name: name.into(),
        ..honest.clone()
    };
    let odd = [
        with("kube-system/secrets?fieldSelector=a&b=", &name),
        with(
            &namespace,
            "x/../../../../api/v1/namespaces/default/secrets/s?a=b",
        ),
        with("", &name),
        with(&namespace, ""),
    ];
    for owner in &odd {
        test.cloud1.plant(left_by(owner)).await?;
    }
    let before = test.cloud1.inventory();
    let _replica = test.sole_replica().await?;
    looks(&test.cloud1, 10).await?;
    ensure!(deletes(&test.cloud1).is_empty());
    ensure!(test.cloud1.inventory() == before);
    let mut strays = test.control_plane.audit_events()?;
    strays.retain(|event| event.user.contains("my-cloud-controller-manager"));
    strays.retain(|event| event.resource == "secrets" || event.name.contains('?'));
    ensure!(strays.is_empty(), "{strays:?}");
    Ok(())
}

#[tokio::test]
async fn a_sweep_reads_a_bounded_number_of_services() -> Result<()> {
    let mut test = Environment::shared("made-up-many").await?;
    test.extra_config = "sweepInterval: 1s\norphanGracePeriod: 1h".into();
    let count = 2 * MAX_LIVE_READS + 20;
    for number in 0..count {
        let owner = owner(&test, &test.namespace, &format!("uid-{number}"));
        test.cloud1.plant(left_by(&owner)).await?;
    }
    let replica = test.sole_replica().await?;
    // All are confirmed in turn.
    let orphans = "mycloud_lb_orphaned_load_balancers{cloud=\"cloud1\"}";
    replica
        .until(orphans, |shown| shown == count as f64)
        .await?;
    let lists = lists_after(&test.cloud1, 0).len();
    ensure!(lists >= 3, "{count} need three sweeps, not {lists}");
    let mut reads = test.control_plane.audit_events()?;
    reads.retain(|event| {
        event.verb == "get" && event.namespace == test.namespace && event.name == "gone"
    });
    let limit = lists * MAX_LIVE_READS;
    ensure!(
        reads.len() <= limit,
        "{} reads in {lists} sweeps",
        reads.len()
    );
    Ok(())
}
