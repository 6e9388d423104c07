//! A load balancer that is not provably ours is never adopted, changed or
//! deleted, whatever the annotations say.

use anyhow::{Context, Result, ensure};
use kube::ResourceExt;
use my_cloud_controller_manager::plan::naming::{ClusterId, Owner as Ours, ServiceUid};
use testbed::Environment;
use testbed::cloud::{LoadBalancer, Owner, Plant};
use testbed::environment::{addresses, calls};

/// Somebody else's load balancer on cloud1.
async fn foreign(test: &Environment, name: &str, owner: Option<Owner>) -> Result<LoadBalancer> {
    let plant = Plant {
        name: name.to_owned(),
        owner,
        ..Plant::default()
    };
    test.cloud1.plant(plant).await
}

fn somebody() -> Owner {
    Owner {
        cluster: "another-cluster".into(),
        namespace: "default".into(),
        name: "web".into(),
        uid: "c5d7e9f0-0000-4000-8000-000000000001".into(),
    }
}

fn ensure_as_it_was(test: &Environment, before: &LoadBalancer) -> Result<()> {
    let inventory = test.cloud1.inventory();
    let found = inventory.iter().find(|found| found.id == before.id);
    ensure!(found == Some(before), "{before:?} became {found:?}");
    // A call that was refused would be an attempt all the same.
    for call in test.cloud1.mutations() {
        ensure!(call.id.as_ref() != Some(&before.id), "{call:?}");
    }
    Ok(())
}

/// A Service whose annotations claim a load balancer that is not its own.
async fn claims(test: &Environment, id: &str) -> Result<()> {
    let service = test.service("web").provider("cloud1");
    let service = service.ours("lb-id", id).ours("lb-cloud", "cloud1");
    service.create().await?;
    Ok(())
}

#[tokio::test]
async fn a_claimed_load_balancer_is_left_alone_and_the_service_has_its_own() -> Result<()> {
    let test = Environment::shared("hijack").await?;
    // Of another cluster, of another Service of this cluster, and of nobody.
    let sibling = Owner {
        cluster: test.namespace.clone(),
        ..somebody()
    };
    let owners = [Some(somebody()), Some(sibling), None];
    for (number, owner) in owners.into_iter().enumerate() {
        let theirs = foreign(&test, &format!("theirs-{number}"), owner).await?;
        let _replica = test.sole_replica().await?;
        claims(&test, &theirs.id).await?;
        let service = test.until_ready("web").await?;
        let (id, _) = test.record(&service).context("a record")?;
        ensure!(id != theirs.id, "it was adopted");
        let address = theirs.ip.map(|ip| ip.to_string()).unwrap_or_default();
        ensure!(
            !addresses(&service).contains(&address),
            "its address was published"
        );
        let note = test.until_event("web", "LoadBalancerNotOwned").await?;
        ensure!(note.contains("left alone"), "{note}");
        ensure_as_it_was(&test, &theirs)?;

        // Claimed again, of a Service that has one, and then deleted.
        let claim = [
            ("lb-id", Some(theirs.id.as_str())),
            ("lb-cloud", Some("cloud1")),
        ];
        test.annotate("web", &claim).await?;
        test.delete("web").await?;
        test.until_gone("web").await?;
        ensure_as_it_was(&test, &theirs)?;
        ensure!(test.cloud1.inventory().len() == number + 1, "ours is gone");
    }
    Ok(())
}

#[tokio::test]
async fn a_claim_that_is_deleted_before_its_first_create_deletes_nothing() -> Result<()> {
    let test = Environment::shared("hijack-deleted").await?;
    let theirs = foreign(&test, "theirs", Some(somebody())).await?;
    let service = test.service("web").provider("cloud1");
    let service = service.ours("lb-id", &theirs.id).ours("lb-cloud", "cloud1");
    service.finalizer(&test.finalizer()).create().await?;
    test.delete("web").await?;
    let _replica = test.sole_replica().await?;
    test.until_gone("web").await?;
    ensure_as_it_was(&test, &theirs)
}

#[tokio::test]
async fn a_name_that_is_taken_is_explained_and_left_alone() -> Result<()> {
    let test = Environment::shared("hijack-name").await?;
    let _replica = test.sole_replica().await?;
    // The name depends on the UID, so the Service comes first.
    let service = test.service("web").provider("cloud1").without("enable");
    let service = service.create().await?;
    let ours = Ours {
        cluster: ClusterId::new(&test.namespace),
        namespace: test.namespace.clone(),
        name: "web".into(),
        uid: ServiceUid::new(service.uid().unwrap_or_default()),
    };
    let name = ours.load_balancer_name();
    let theirs = foreign(&test, name.as_str(), Some(somebody())).await?;
    test.annotate("web", &[("enable", Some("true"))]).await?;

    let message = test.until_reason("web", "NotOwned").await?;
    ensure!(
        message.contains("cloud1") && message.contains("left alone"),
        "{message}"
    );
    test.until_event("web", "LoadBalancerNotOwned").await?;
    let refused = test.get("web").await?;
    ensure!(addresses(&refused).is_empty() && test.record(&refused).is_none());
    let inventory = test.cloud1.inventory();
    ensure!(inventory == [theirs.clone()], "{inventory:?}");

    test.delete("web").await?;
    test.until_gone("web").await?;
    let inventory = test.cloud1.inventory();
    ensure!(inventory == [theirs], "{inventory:?}");
    let deletes = calls(&test.cloud1);
    ensure!(
        deletes.iter().all(|call| call.verb.as_str() != "delete"),
        "{deletes:?}"
    );
    Ok(())
}

/// The list that a delete is planned from may be minutes old.
#[tokio::test]
async fn a_load_balancer_that_was_given_away_meanwhile_is_not_deleted() -> Result<()> {
    let test = Environment::shared("given-away").await?;
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    let id = test.cloud1.inventory()[0].id.clone();
    let give_away = |found: &mut testbed::cloud::LoadBalancer| {
        if let Some(owner) = &mut found.owner {
            owner.cluster = "another".into();
        }
    };
    test.cloud1.edit(&id, give_away).await?;
    test.delete("web").await?;
    test.until_gone("web").await?;
    ensure!(
        test.cloud1.inventory().len() == 1,
        "it is another cluster's now"
    );
    Ok(())
}
