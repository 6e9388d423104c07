//! `deletion-policy: retain`: the load balancers of a Service that ends stay at their clouds,
//! without our owner. What a cloud cannot do is said beforehand, and what a Service does not
//! say clearly is not guessed: a load balancer that is deleted does not come back.

mod retained {
    mod orphans;
}

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use testbed::cloud::{
    Capabilities, CloudSimulator, Code, Failure, Fault, FaultKind, LoadBalancer, Verb,
};
use testbed::environment::{SOON, calls};
use testbed::{Environment, Replica, eventually};

const RETAIN: [(&str, Option<&str>); 1] = [("deletion-policy", Some("retain"))];
const DELETE: [(&str, Option<&str>); 1] = [("deletion-policy", Some("delete"))];

const QUICK: &str = "driftInterval: 300ms\nsweepInterval: 300ms\norphanGracePeriod: 300ms";
const RETAINED: &str = "mycloud_lb_load_balancers_retained_total{cloud=\"cloud1\"}";

/// Clouds that can take owners off, and the Service `web` with a load balancer on cloud1 that is
/// to be retained.
async fn served(name: &str) -> Result<(Environment, Replica, LoadBalancer)> {
    let able = |cloud: &mut testbed::cloud::CloudSimulatorOptions| {
        cloud.capabilities = Some(Capabilities::all());
    };
    let mut test = Environment::shared_with(name, able).await?;
    test.extra_config = QUICK.into();
    let replica = test.sole_replica().await?;
    let new = test.service("web").provider("cloud1");
    let made = new.ours("deletion-policy", "retain").served().await?;
    Ok((test, replica, made))
}

/// Whether a load balancer is as it was made, without its owner.
fn is_retained(cloud: &CloudSimulator, made: &LoadBalancer) -> bool {
    let retained = LoadBalancer {
        owner: None,
        former_owner: made.owner.clone(),
        ..made.clone()
    };
    cloud.inventory().contains(&retained)
}

fn count(cloud: &CloudSimulator, verb: Verb) -> usize {
    let events = cloud.events().into_iter();
    events.filter(|event| event.verb == verb).count()
}

#[tokio::test]
async fn a_load_balancer_outlives_its_service_and_is_nobodys() -> Result<()> {
    let (test, replica, made) = served("retained").await?;
    test.delete("web").await?;
    test.until_gone("web").await?;
    ensure!(
        is_retained(&test.cloud1, &made),
        "{:?}",
        test.cloud1.inventory()
    );
    let note = test.until_event("web", "RetainedLoadBalancer").await?;
    ensure!(note.contains(&made.id), "{note}");
    ensure!(test.events("web", "DeletedLoadBalancer").await?.is_empty());
    ensure!(replica.value(RETAINED).await? == 1.0);

    // Neither the sweep nor another Service of the name touches it.
    let lists = count(&test.cloud1, Verb::List);
    eventually("five more lists", SOON, async || {
        Ok((count(&test.cloud1, Verb::List) >= lists + 5).then_some(()))
    })
    .await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    ensure!(
        is_retained(&test.cloud1, &made),
        "{:?}",
        test.cloud1.inventory()
    );
    ensure!(test.cloud1.inventory().len() == 2);
    ensure!(count(&test.cloud1, Verb::Delete) == 0);
    Ok(())
}

#[tokio::test]
async fn a_service_that_is_enabled_again_does_not_take_it_back() -> Result<()> {
    let (test, _replica, made) = served("retained-enabled").await?;
    test.annotate("web", &[("enable", None)]).await?;
    let is_let_go = |service: &Service| test.ensure_unmarked(service).is_ok();
    test.until("web", "our marks to be gone", is_let_go).await?;
    ensure!(
        is_retained(&test.cloud1, &made),
        "{:?}",
        test.cloud1.inventory()
    );
    test.annotate("web", &[("enable", Some("true"))]).await?;
    test.until_reason("web", "NotOwned").await?;
    ensure!(
        is_retained(&test.cloud1, &made),
        "{:?}",
        test.cloud1.inventory()
    );
    test.cloud1.remove(&made.id).await?;
    test.until_ready("web").await?;
    Ok(())
}

/// A move is not the end: the old load balancer has a successor.
#[tokio::test]
async fn a_move_deletes_the_old_one() -> Result<()> {
    let (test, _replica, made) = served("retained-moved").await?;
    test.annotate("web", &[("provider", Some("cloud2"))])
        .await?;
    eventually("the old one to be gone", SOON, async || {
        let found = test.cloud1.inventory();
        Ok(found.iter().all(|found| found.id != made.id).then_some(()))
    })
    .await?;
    test.until_ready("web").await?;
    let made = test.cloud2.inventory().pop().context("its successor")?;
    test.delete("web").await?;
    test.until_gone("web").await?;
    ensure!(
        is_retained(&test.cloud2, &made),
        "{:?}",
        test.cloud2.inventory()
    );
    Ok(())
}

/// Whatever becomes of the call or of its answer.
#[tokio::test]
async fn a_release_that_goes_wrong_is_tried_again() -> Result<()> {
    let (test, _replica, made) = served("retained-retried").await?;
    let faults = [
        FaultKind::FailBefore(Failure::code(Code::Unavailable)),
        FaultKind::LoseReply,
        FaultKind::FailAfter(Failure::code(Code::Internal)),
    ];
    for (index, fault) in faults.into_iter().enumerate() {
        let name = format!("web-{index}");
        let new = test.service(&name).provider("cloud1");
        new.ours("deletion-policy", "retain").create().await?;
        test.until_ready(&name).await?;
        let made = test.cloud1.inventory().pop().context("a load balancer")?;
        let fault = Fault::new(fault).on(Verb::Release).times(1);
        test.cloud1.set_fault(fault);
        test.delete(&name).await?;
        test.until_gone(&name).await?;
        ensure!(is_retained(&test.cloud1, &made), "{name}");
    }
    ensure!(count(&test.cloud1, Verb::Delete) == 0);
    ensure!(
        test.cloud1.inventory().contains(&made),
        "web is not concerned"
    );
    Ok(())
}

/// A capability that disappears changes nothing that exists.
#[tokio::test]
async fn a_service_waits_for_a_cloud_that_has_lost_the_capability() -> Result<()> {
    let (test, _replica, made) = served("retained-lost").await?;
    let less = Capabilities::all().without("release");
    test.cloud1.set_capabilities(Some(less));
    let message = test.until_reason("web", "Unsupported").await?;
    ensure!(message.contains("(cloud2 can)"), "{message}");
    test.delete("web").await?;
    until_held(&test, "web", "Unsupported").await?;
    ensure!(test.cloud1.inventory() == std::slice::from_ref(&made));
    test.cloud1.set_capabilities(Some(Capabilities::all()));
    test.until_gone("web").await?;
    ensure!(
        is_retained(&test.cloud1, &made),
        "{:?}",
        test.cloud1.inventory()
    );
    Ok(())
}

#[tokio::test]
async fn a_cloud_that_keeps_owners_on_is_named_before_anything_is_made() -> Result<()> {
    let test = Environment::shared("retained-unsupported").await?;
    let _replica = test.sole_replica().await?;
    let new = test.service("web").provider("cloud1");
    new.ours("deletion-policy", "retain").create().await?;
    let message = test.until_reason("web", "Unsupported").await?;
    for part in ["deletion-policy is \"retain\"", "cloud1", "\"delete\""] {
        ensure!(message.contains(part), "{message} lacks {part}");
    }
    ensure!(test.until_event("web", "Unsupported").await? == message);
    ensure!(calls(&test.cloud1).is_empty(), "{:?}", calls(&test.cloud1));
    test.annotate("web", &DELETE).await?;
    test.until_ready("web").await?;
    test.annotate("web", &[("deletion-policy", None)]).await?;
    test.delete("web").await?;
    test.until_gone("web").await?;
    ensure!(test.cloud1.inventory().is_empty());
    Ok(())
}

/// Waits until the condition has this reason although the Service is being deleted.
async fn until_held(test: &Environment, name: &str, reason: &str) -> Result<Service> {
    let is_held = |service: &Service| {
        let (_, found, message) = test.condition(service).unwrap_or_default();
        let is_ending = service.metadata.deletion_timestamp.is_some();
        is_ending && found == reason && message.contains("deletion-policy")
    };
    test.until(name, "the deletion to be held up", is_held)
        .await
}

#[tokio::test]
async fn what_cannot_be_retained_is_not_deleted_either() -> Result<()> {
    let test = Environment::shared("retained-held").await?;
    let _replica = test.sole_replica().await?;
    let cases = [
        ("web", "retain", "Unsupported"),
        ("typo", "reatin", "InvalidConfiguration"),
    ];
    for (name, policy, reason) in cases {
        test.service(name).provider("cloud1").create().await?;
        test.until_ready(name).await?;
        let made = test.cloud1.inventory();
        let policy = [("deletion-policy", Some(policy))];
        test.annotate(name, &policy).await?;
        test.until_reason(name, reason).await?;
        test.delete(name).await?;
        let held = until_held(&test, name, reason).await?;
        ensure!(held.finalizers().contains(&test.finalizer()));
        // Whatever a barrier takes, nothing happens meanwhile.
        let barrier = format!("barrier-{name}");
        test.service(&barrier).provider("cloud2").create().await?;
        test.until_ready(&barrier).await?;
        ensure!(test.cloud1.inventory() == made, "{name}");

        test.annotate(name, &DELETE).await?;
        test.until_gone(name).await?;
        ensure!(test.cloud1.inventory().is_empty(), "{name}");
    }
    Ok(())
}

/// The same holds for a Service that stays and is no longer managed.
#[tokio::test]
async fn a_service_that_is_disabled_keeps_what_it_does_not_clearly_give_up() -> Result<()> {
    let test = Environment::shared("retained-disabled").await?;
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    let made = test.cloud1.inventory();
    test.annotate("web", &RETAIN).await?;
    test.until_reason("web", "Unsupported").await?;
    test.annotate("web", &[("enable", None)]).await?;
    let is_told = |service: &Service| {
        let (_, reason, message) = test.condition(service).unwrap_or_default();
        reason == "Unsupported" && message.contains("to be retained")
    };
    let held = test
        .until("web", "the release to be held up", is_told)
        .await?;
    ensure!(test.record(&held).context("a record")?.1 == "cloud1");
    ensure!(test.cloud1.inventory() == made);
    test.annotate("web", &DELETE).await?;
    let is_let_go = |service: &Service| test.ensure_unmarked(service).is_ok();
    test.until("web", "our marks to be gone", is_let_go).await?;
    ensure!(test.cloud1.inventory().is_empty());
    Ok(())
}
