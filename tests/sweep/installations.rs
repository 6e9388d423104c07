//! Two installations in one cluster, each with a prefix of its own: neither takes the
//! other's load balancers for orphans.

use anyhow::{Result, ensure};
use testbed::Environment;
use testbed::cloud::LoadBalancer;

use super::{QUICK, deletes, looks};

/// Sweeps in which a wrong suspicion would outlast its grace period: 6 s.
const SWEEPS: usize = 20;

/// A Service that is ready, with what its cloud has then.
async fn ready(test: &Environment, name: &str) -> Result<Vec<LoadBalancer>> {
    test.service(name).provider("cloud1").create().await?;
    test.until_ready(name).await?;
    Ok(test.cloud1.inventory())
}

fn ensure_all_there(test: &Environment, before: &[LoadBalancer]) -> Result<()> {
    let (deletes, left) = (deletes(&test.cloud1), test.cloud1.inventory());
    ensure!(deletes.is_empty(), "{deletes:?}");
    ensure!(left == before, "{before:?} became {left:?}");
    Ok(())
}

/// With the same `clusterId`, which is wrong, so that only the marks on the Services tell
/// the installations apart.
#[tokio::test]
async fn marks_of_another_prefix_keep_a_load_balancer() -> Result<()> {
    let mut test = Environment::shared("prefixes").await?;
    test.extra_config = QUICK.into();
    let first = test.sole_replica().await?;
    let there = ready(&test, "web").await?;

    test.prefix = format!("second.{}", test.prefix);
    let second = test.sole_replica().await?;
    looks(&test.cloud1, SWEEPS).await?;
    ensure_all_there(&test, &there)?;

    // The same installation under another prefix is the second one alone.
    drop(first);
    looks(&test.cloud1, SWEEPS).await?;
    ensure_all_there(&test, &there)?;
    ensure!(second.total("mycloud_lb_orphaned_load_balancers").await? == 0.0);
    let orphans = test.command(&["orphans"]).await?;
    ensure!(orphans.starts_with("no orphans"), "{orphans}");
    Ok(())
}

/// Without a `clusterId`: owners and names differ.
#[tokio::test]
async fn installations_side_by_side_have_load_balancers_of_their_own() -> Result<()> {
    let test = Environment::own("installations").await?;
    let mut test = test.with_node().await?;
    test.extra_config = QUICK.into();
    let first = test.sole_replica().await?;
    ready(&test, "web").await?;

    let first_prefix = std::mem::replace(&mut test.prefix, "lb.example.org".into());
    let _second = test.sole_replica().await?;
    let there = ready(&test, "other").await?;
    let [web, other] = &there[..] else {
        anyhow::bail!("one load balancer for each Service: {there:?}");
    };
    let cluster = |of: &LoadBalancer| of.owner.clone().unwrap_or_default().cluster;
    let (ids, uid) = ([cluster(web), cluster(other)], super::cluster(&test).await?);
    ensure!(
        ids[0] == uid,
        "the default prefix has the UID alone: {ids:?}"
    );
    ensure!(ids[1].starts_with(&format!("{uid}-")), "{ids:?}");
    looks(&test.cloud1, SWEEPS).await?;
    ensure_all_there(&test, &there)?;

    // The same installation restarted with another prefix.
    drop(first);
    looks(&test.cloud1, SWEEPS).await?;
    ensure_all_there(&test, &there)?;

    // And restarted with its own, it serves and lets go as before.
    test.prefix = first_prefix;
    let _first = test.sole_replica().await?;
    test.delete("web").await?;
    test.until_gone("web").await?;
    ensure!(test.cloud1.inventory() == std::slice::from_ref(other));
    Ok(())
}
