//! A Service claims a load balancer that is not its own: another living
//! Service's, another cluster's, or nobody's.

use anyhow::{Context, Result, ensure};
use kube::ResourceExt;
use testbed::Environment;
use testbed::cloud::LoadBalancer;
use testbed::environment::NewService;

use super::{Theirs, another_cluster, ensure_own, forge_status, made_for};

/// What is claimed: a living Service's, another cluster's, nobody's. The living
/// Service is called `victim`.
async fn all_theirs(test: &Environment) -> Result<[Theirs; 3]> {
    let replica = test.sole_replica().await?;
    test.service("victim").provider("cloud1").create().await?;
    let victim = test.until_ready("victim").await?;
    let its = ensure_own(test, &test.cloud1, &victim)?;
    drop(replica);
    Ok([
        Theirs::new(&test.cloud1, its),
        Theirs::planted(test, "another-clusters", Some(another_cluster(test))).await?,
        Theirs::planted(test, "nobodys", None).await?,
    ])
}

/// The record that claims a load balancer.
fn claiming<'a>(service: NewService<'a>, claimed: &LoadBalancer) -> NewService<'a> {
    let service = service.ours("lb-id", &claimed.id);
    service.ours("lb-cloud", "cloud1")
}

fn claim(claimed: &Theirs) -> [(&'static str, Option<&str>); 2] {
    [("lb-id", Some(claimed.id())), ("lb-cloud", Some("cloud1"))]
}

async fn is_told(test: &Environment, name: &str, claimed: &Theirs) -> Result<()> {
    let note = test.until_event(name, "LoadBalancerNotOwned").await?;
    let says_all = note.contains(claimed.id()) && note.contains("left alone");
    ensure!(says_all, "{note}");
    Ok(())
}

#[tokio::test]
async fn what_a_new_service_claims_is_left_alone_and_it_gets_its_own() -> Result<()> {
    let test = Environment::shared("hijack").await?;
    let all_theirs = all_theirs(&test).await?;
    let victim = test.get("victim").await?;
    // While nobody looks, so that all of it is there at the first look.
    let mut claimants = Vec::new();
    for (number, claimed) in all_theirs.iter().enumerate() {
        for (with_finalizer, with_status) in
            [(false, false), (false, true), (true, false), (true, true)]
        {
            let name = format!("claims-{number}-{with_finalizer}-{with_status}");
            let mut service = test.service(&name).provider("cloud1");
            if with_finalizer {
                service = service.finalizer(&test.finalizer());
            }
            claiming(service, &claimed.as_it_was).create().await?;
            if with_status {
                forge_status(&test, &name, &claimed.address()).await?;
            }
            claimants.push((name, claimed));
        }
    }

    let _replica = test.sole_replica().await?;
    for (name, claimed) in &claimants {
        let service = test.until_ready(name).await?;
        let own = ensure_own(&test, &test.cloud1, &service).with_context(|| name.clone())?;
        ensure!(own.id != claimed.id(), "{name} adopted it");
        is_told(&test, name, claimed).await?;
    }
    for (name, _) in &claimants {
        let drifted = test.events(name, "LoadBalancerDrifted").await?;
        ensure!(drifted.is_empty(), "nobody changed anything: {drifted:?}");
    }
    for theirs in &all_theirs {
        theirs.ensure_untouched()?;
    }
    let inventory = test.cloud1.inventory();
    ensure!(inventory.len() == 3 + claimants.len(), "{inventory:?}");
    let after = test.get("victim").await?;
    ensure!(
        after.resource_version() == victim.resource_version(),
        "the victim was written: {after:?}"
    );
    Ok(())
}

/// However a Service leaves a cloud, it leaves with its own load balancer only.
#[tokio::test]
async fn a_service_that_leaves_takes_nothing_along_that_it_claims() -> Result<()> {
    let test = Environment::shared("hijack-leaving").await?;
    let all_theirs = all_theirs(&test).await?;
    let replica = test.sole_replica().await?;
    let ways = ["deleted", "disabled", "moved"];
    let mut leaving = Vec::new();
    for (number, claimed) in all_theirs.iter().enumerate() {
        for way in ways {
            let name = format!("{way}-{number}");
            let service = test.service(&name).provider("cloud1");
            service.create().await?;
            let ready = test.until_ready(&name).await?;
            leaving.push((way, name, ready, claimed));
        }
    }
    drop(replica);
    for (way, name, _, claimed) in &leaving {
        forge_status(&test, name, &claimed.address()).await?;
        test.annotate(name, &claim(claimed)).await?;
        match *way {
            "deleted" => test.delete(name).await?,
            "disabled" => drop(test.annotate(name, &[("enable", None)]).await?),
            _ => drop(test.annotate(name, &[("provider", Some("cloud2"))]).await?),
        }
    }

    let _replica = test.sole_replica().await?;
    for (way, name, before, _) in &leaving {
        match *way {
            "deleted" => test.until_gone(name).await?,
            "disabled" => {
                let what = "nothing of ours to be left on it";
                let unmarked =
                    test.until(name, what, |service| test.ensure_unmarked(service).is_ok());
                unmarked.await?;
            }
            _ => {
                let is_there = |service: &_| {
                    let record = test.record(service);
                    record.is_some_and(|(_, cloud)| cloud == "cloud2")
                };
                let moved = test.until(name, "the move to be over", is_there).await?;
                ensure_own(&test, &test.cloud2, &moved)?;
            }
        }
        let left = made_for(&test.cloud1, before);
        ensure!(left.is_empty(), "{name} left {left:?} behind");
    }
    for theirs in &all_theirs {
        theirs.ensure_untouched()?;
    }
    Ok(())
}

#[tokio::test]
async fn what_a_running_service_claims_is_put_right() -> Result<()> {
    let test = Environment::shared("hijack-running").await?;
    let all_theirs = all_theirs(&test).await?;
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    let ready = test.until_ready("web").await?;
    let own = ensure_own(&test, &test.cloud1, &ready)?;
    for claimed in &all_theirs {
        forge_status(&test, "web", &claimed.address()).await?;
        test.annotate("web", &claim(claimed)).await?;
        let is_right = |service: &_| ensure_own(&test, &test.cloud1, service).is_ok();
        test.until("web", "record and status to be restored", is_right)
            .await?;
        claimed.ensure_untouched()?;
    }
    ensure!(made_for(&test.cloud1, &ready) == [own]);
    Ok(())
}

#[tokio::test]
async fn a_claim_that_is_deleted_before_its_first_create_deletes_nothing() -> Result<()> {
    let test = Environment::shared("hijack-deleted").await?;
    let all_theirs = all_theirs(&test).await?;
    let mut names = Vec::new();
    for (number, claimed) in all_theirs.iter().enumerate() {
        let name = format!("claims-{number}");
        let service = test.service(&name).provider("cloud1");
        let service = claiming(service, &claimed.as_it_was).finalizer(&test.finalizer());
        service.create().await?;
        forge_status(&test, &name, &claimed.address()).await?;
        test.delete(&name).await?;
        names.push(name);
    }
    let _replica = test.sole_replica().await?;
    for (name, claimed) in names.iter().zip(&all_theirs) {
        test.until_gone(name).await?;
        is_told(&test, name, claimed).await?;
        claimed.ensure_untouched()?;
    }
    Ok(())
}
