//! A cloud that was never used for a Service does not hold up its deletion; one that may
//! have been used does, even after a crash.

use anyhow::{Result, ensure};
use testbed::cloud::{Code, Failure, Fault, FaultKind, Verb};
use testbed::environment::SOON;
use testbed::{Environment, eventually};

fn down(verb: Verb) -> Fault {
    let unavailable = Failure::code(Code::Unavailable);
    Fault::new(FaultKind::FailBefore(unavailable)).on(verb)
}

/// The calls that a cloud has received, but for lists.
fn calls(test: &Environment) -> usize {
    testbed::environment::calls(&test.cloud2).len()
}

#[tokio::test]
async fn a_mistyped_provider_brings_no_other_cloud_into_play() -> Result<()> {
    let test = Environment::shared("unused-mistyped").await?;
    let replica = test.sole_replica().await?;
    test.cloud1.set_fault(down(Verb::Create));
    test.service("web").provider("cloud1").create().await?;
    test.until_reason("web", "SyncFailed").await?;
    let service = test.get("web").await?;
    ensure!(test.ours(&service, "lb-cloud") == Some("cloud1"));
    ensure!(test.ours(&service, "lb-id").is_none());
    test.cloud2.set_fault(down(Verb::Query));
    test.annotate("web", &[("provider", Some("cluod1"))])
        .await?;
    test.until_reason("web", "InvalidConfiguration").await?;
    // Without what this replica remembers.
    drop(replica);
    test.delete("web").await?;
    let _replica = test.sole_replica().await?;
    test.until_gone("web").await?;
    ensure!(calls(&test) == 0, "cloud2 has nothing to do with it");
    Ok(())
}

#[tokio::test]
async fn a_move_to_a_cloud_that_is_down_may_be_given_up() -> Result<()> {
    let test = Environment::shared("unused-down").await?;
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    test.cloud2.set_fault(down(Verb::Query));
    test.annotate("web", &[("provider", Some("cloud2"))])
        .await?;
    test.until_reason("web", "SyncFailed").await?;
    test.delete("web").await?;
    test.until_gone("web").await?;
    ensure!(test.cloud1.inventory().is_empty());
    ensure!(test.cloud2.inventory().is_empty());
    Ok(())
}

/// Only the record leads to it: the process has ended, the cloud lists nothing, and the
/// annotation is wrong.
#[tokio::test]
async fn a_create_of_a_move_is_on_record_before_it_is_sent() -> Result<()> {
    let test = Environment::shared("unused-lost").await?;
    let replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    let lost = FaultKind::Hang { after_effect: true };
    test.cloud2.set_fault(Fault::new(lost).on(Verb::Create));
    test.annotate("web", &[("provider", Some("cloud2"))])
        .await?;
    eventually("the create to be carried out", SOON, async || {
        Ok((test.cloud2.inventory().len() == 1).then_some(()))
    })
    .await?;
    drop(replica);
    let service = test.get("web").await?;
    ensure!(test.ours(&service, "lb-cloud") == Some("cloud1,cloud2"));
    test.cloud2.clear_faults();
    test.cloud2.set_fault(down(Verb::List));
    test.annotate("web", &[("provider", Some("cluod2"))])
        .await?;
    test.delete("web").await?;
    let _replica = test.sole_replica().await?;
    test.until_gone("web").await?;
    for cloud in test.clouds() {
        ensure!(cloud.inventory().is_empty(), "{:?}", cloud.inventory());
    }
    Ok(())
}
