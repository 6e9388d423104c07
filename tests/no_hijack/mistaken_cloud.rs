//! A cloud that answers with somebody else's load balancer.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use testbed::cloud::{Fault, FaultKind, Verb};
use testbed::environment::SOON;
use testbed::{Environment, eventually};

use super::{Theirs, another_cluster, ensure_own, made_for};

/// Somebody else's load balancer, which cloud1 takes for whatever is asked for
/// by this call.
async fn mistaken(test: &Environment, verb: Verb) -> Result<Theirs> {
    let owner = Some(another_cluster(test));
    let theirs = Theirs::planted(test, "another-clusters", owner).await?;
    let another = FaultKind::AnswerAnother {
        id: theirs.id().to_owned(),
    };
    test.cloud1.set_fault(Fault::new(another).on(verb));
    Ok(theirs)
}

/// Waits until the Service says that the cloud answers with this one.
async fn until_told(test: &Environment, name: &str, theirs: &Theirs) -> Result<()> {
    let note = test.until_event(name, "SyncLoadBalancerFailed").await?;
    ensure!(
        note.contains("cloud1 query") && note.contains(theirs.id()),
        "{note}"
    );
    let message = test.until_reason(name, "SyncFailed").await?;
    ensure!(message.contains(theirs.id()), "{message}");
    Ok(())
}

#[tokio::test]
async fn an_answer_to_a_query_by_name_is_not_believed() -> Result<()> {
    let test = Environment::shared("mistaken-name").await?;
    let theirs = mistaken(&test, Verb::Query).await?;
    let _replica = test.sole_replica().await?;
    // One that never had our finalizer would be created without a query.
    let service = test.service("web").provider("cloud1");
    service.finalizer(&test.finalizer()).create().await?;
    until_told(&test, "web", &theirs).await?;
    ensure!(test.cloud1.mutations().is_empty(), "nothing was decided");

    test.cloud1.clear_faults();
    // An edit ends the delay.
    test.annotate("web", &[("lb-bandwidth", Some("9M"))])
        .await?;
    let service = test.until_ready("web").await?;
    ensure_own(&test, &test.cloud1, &service)?;
    theirs.ensure_untouched()
}

#[tokio::test]
async fn an_answer_to_a_query_by_id_is_not_believed() -> Result<()> {
    let test = Environment::shared("mistaken-id").await?;
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    let service = test.until_ready("web").await?;
    let own = ensure_own(&test, &test.cloud1, &service)?;
    let theirs = mistaken(&test, Verb::Query).await?;
    test.delete("web").await?;
    until_told(&test, "web", &theirs).await?;
    let waiting = test.get("web").await?;
    ensure!(waiting.finalizers() == [test.finalizer()]);
    ensure!(
        made_for(&test.cloud1, &waiting) == [own],
        "it stays, unproven"
    );
    theirs.ensure_untouched()?;

    test.cloud1.clear_faults();
    test.until_gone("web").await?;
    ensure!(made_for(&test.cloud1, &waiting).is_empty());
    theirs.ensure_untouched()
}

/// The answer of a create need not repeat name or owner. What it made us
/// believe is corrected by the next list.
#[tokio::test]
async fn an_answer_to_a_create_is_put_right() -> Result<()> {
    let mut test = Environment::shared("mistaken-create").await?;
    test.extra_config = "sweepInterval: 300ms\ndriftInterval: 300ms".into();
    let theirs = mistaken(&test, Verb::Create).await?;
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    let is_own = |service: &Service| ensure_own(&test, &test.cloud1, service).is_ok();
    let service = test.until("web", "its own record", is_own).await?;
    theirs.ensure_untouched()?;
    test.delete("web").await?;
    test.until_gone("web").await?;
    ensure!(made_for(&test.cloud1, &service).is_empty());
    theirs.ensure_untouched()
}

/// And until then a delete proves first what it deletes.
#[tokio::test]
async fn what_a_create_was_answered_with_is_not_deleted() -> Result<()> {
    let test = Environment::shared("mistaken-delete").await?;
    let theirs = mistaken(&test, Verb::Create).await?;
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    let service = test.until_ready("web").await?;
    let own = made_for(&test.cloud1, &service);
    ensure!(own.len() == 1, "{own:?}");
    test.delete("web").await?;
    test.until_gone("web").await?;
    ensure!(made_for(&test.cloud1, &service).is_empty());
    theirs.ensure_untouched()
}

/// Nor updated, not even if the cloud would refuse that.
#[tokio::test]
async fn what_a_create_was_answered_with_is_not_updated() -> Result<()> {
    let test = Environment::shared("mistaken-update").await?;
    let theirs = mistaken(&test, Verb::Create).await?;
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    test.annotate("web", &[("lb-bandwidth", Some("9M"))])
        .await?;
    let is_own = |service: &Service| ensure_own(&test, &test.cloud1, service).is_ok();
    test.until("web", "its own record", is_own).await?;
    eventually("the edit to be applied", SOON, async || {
        let own = test.cloud1.inventory().into_iter();
        let mut own = own.filter(|found| found.id != theirs.id());
        Ok(own
            .any(|found| found.settings.bandwidth == "9M")
            .then_some(()))
    })
    .await?;
    let updates = test.cloud1.events().into_iter();
    let mut updates = updates.filter(|event| event.verb == Verb::Update);
    let of_theirs = updates.find(|update| update.request["lbId"] == theirs.id());
    ensure!(of_theirs.is_none(), "{of_theirs:?}");
    theirs.ensure_untouched()
}

/// Nor does it let a move delete what serves.
#[tokio::test]
async fn what_a_create_was_answered_with_ends_no_move() -> Result<()> {
    let test = Environment::shared("mistaken-move").await?;
    let theirs = mistaken(&test, Verb::Create).await?;
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud2").create().await?;
    test.until_ready("web").await?;
    test.annotate("web", &[("provider", Some("cloud1"))])
        .await?;
    let is_own = |service: &Service| ensure_own(&test, &test.cloud1, service).is_ok();
    let service = test.until("web", "its own record", is_own).await?;
    eventually("the old load balancer to be gone", SOON, async || {
        let is_gone = made_for(&test.cloud2, &service).is_empty();
        Ok(is_gone.then_some(()))
    })
    .await?;
    let queries = test.cloud1.events().into_iter();
    let mut queries = queries.filter(|event| event.verb == Verb::Query);
    let deletes = test.cloud2.events().into_iter();
    let mut deletes = deletes.filter(|event| event.verb == Verb::Delete);
    let (query, delete) = (queries.next(), deletes.next());
    let query = query.context("cloud1 was asked")?;
    ensure!(
        query.at < delete.context("a delete")?.at,
        "{query:?} is too late"
    );
    theirs.ensure_untouched()
}
