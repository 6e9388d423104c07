//! A load balancer that has the name of ours without being ours, or that was
//! given away.

use anyhow::{Result, ensure};
use kube::ResourceExt;
use my_cloud_controller_manager::plan::naming::{ClusterId, Owner as Ours, ServiceUid};
use testbed::Environment;
use testbed::cloud::{Effect, LoadBalancer, Verb};
use testbed::environment::addresses;

use super::{Theirs, another_cluster};

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
    let owner = Some(another_cluster(&test));
    let theirs = Theirs::planted(&test, name.as_str(), owner).await?;
    test.annotate("web", &[("enable", Some("true"))]).await?;

    let message = test.until_reason("web", "NotOwned").await?;
    ensure!(
        message.contains("cloud1") && message.contains("left alone"),
        "{message}"
    );
    test.until_event("web", "LoadBalancerNotOwned").await?;
    let refused = test.get("web").await?;
    ensure!(addresses(&refused).is_empty() && test.record(&refused).is_none());
    let ensure_as_it_was = || {
        let inventory = test.cloud1.inventory();
        ensure!(inventory == [theirs.as_it_was.clone()], "{inventory:?}");
        // A first create finds out that the name is taken. Nothing else is even tried.
        for call in test.cloud1.mutations() {
            let is_refused = matches!(call.effect, Some(Effect::Refused(_)));
            ensure!(is_refused && call.verb == Verb::Create, "{call:?}");
        }
        Ok(())
    };
    ensure_as_it_was()?;

    test.delete("web").await?;
    test.until_gone("web").await?;
    ensure_as_it_was()
}

/// A ready Service whose load balancer was then given to another cluster.
async fn given_away(test: &Environment) -> Result<LoadBalancer> {
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    let id = test.cloud1.inventory()[0].id.clone();
    let give_away = |found: &mut LoadBalancer| {
        if let Some(owner) = &mut found.owner {
            owner.cluster = "another".into();
        }
    };
    test.cloud1.edit(&id, give_away).await
}

/// The list that a delete is planned from may be minutes old.
#[tokio::test]
async fn a_load_balancer_that_was_given_away_meanwhile_is_not_deleted() -> Result<()> {
    let test = Environment::shared("given-away").await?;
    let _replica = test.sole_replica().await?;
    let given_away = given_away(&test).await?;
    let theirs = Theirs::new(&test.cloud1, given_away);
    test.delete("web").await?;
    test.until_gone("web").await?;
    theirs.ensure_untouched()
}

/// An update carries the owner, so that the cloud can refuse it; what else it
/// has is not ours to change.
#[tokio::test]
async fn a_load_balancer_that_was_given_away_meanwhile_is_not_changed() -> Result<()> {
    let test = Environment::shared("given-away-edit").await?;
    let _replica = test.sole_replica().await?;
    let given_away = given_away(&test).await?;
    test.annotate("web", &[("lb-bandwidth", Some("9M"))])
        .await?;
    test.until_reason("web", "NotOwned").await?;
    test.until_event("web", "LoadBalancerNotOwned").await?;
    let inventory = test.cloud1.inventory();
    ensure!(inventory == [given_away], "{inventory:?}");
    for call in test.cloud1.mutations() {
        let is_refused = matches!(call.effect, Some(Effect::Refused(_)));
        ensure!(is_refused || call.verb == Verb::Create, "{call:?}");
    }
    Ok(())
}
