//! A cloud that accepts a call and carries it out later is looked at with growing pauses. It is
//! not asked again for what it has accepted, and nobody gets an Event for each look.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testbed::cloud::{Event, State, Verb};
use testbed::environment::{SOON, addresses, calls};
use testbed::{Environment, eventually};

/// The time that each create and update takes: looks after 1, 2 and 4 s, each up to a fifth
/// earlier, and less than one a second.
const TAKES: Duration = Duration::from_secs(5);
const MOST_LOOKS: usize = 4;

async fn asynchronous(name: &str) -> Result<Environment> {
    Environment::shared_with(name, |cloud| {
        cloud.provisioning = TAKES;
        cloud.updating = TAKES;
    })
    .await
}

/// The calls of this verb on cloud1 after an event.
fn since(test: &Environment, sequence: u64, verb: Verb) -> Vec<Event> {
    let mut found = calls(&test.cloud1);
    found.retain(|call| call.sequence > sequence && call.verb == verb);
    found
}

fn last(test: &Environment) -> u64 {
    let events = test.cloud1.events();
    events.last().map_or(0, |event| event.sequence)
}

#[tokio::test]
async fn what_takes_its_time_is_looked_at_and_not_repeated() -> Result<()> {
    let test = asynchronous("asynchronous").await?;
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_reason("web", "Provisioning").await?;
    let made = test.until_ready("web").await?;
    let looks = since(&test, 0, Verb::Query);
    ensure!(looks.len() <= MOST_LOOKS, "{looks:?}");
    ensure!(since(&test, 0, Verb::Update).is_empty());
    ensure!(since(&test, 0, Verb::Create).len() == 1);

    let before = last(&test);
    test.annotate("web", &[("lb-bandwidth", Some("9M"))])
        .await?;
    test.until_reason("web", "Provisioning").await?;
    let updated = test.until_ready("web").await?;
    let found = test.cloud1.inventory().pop().context("a load balancer")?;
    ensure!(found.settings.bandwidth == "9M", "{found:?}");
    ensure!(addresses(&updated) == addresses(&made));
    let sent = since(&test, before, Verb::Update);
    ensure!(sent.len() == 1, "{sent:?}");
    // One more is the look right after the update, another that before it.
    let looks = since(&test, before, Verb::Query);
    ensure!(looks.len() <= MOST_LOOKS + 2, "{looks:?}");

    for (reason, number) in [
        ("EnsuringLoadBalancer", 2),
        ("EnsuredLoadBalancer", 2),
        ("SyncLoadBalancerFailed", 0),
        ("LoadBalancerDrifted", 0),
        ("StatusOverwritten", 0),
    ] {
        if number > 0 {
            test.until_event("web", reason).await?;
        }
        let notes = test.events("web", reason).await?;
        ensure!(notes.len() <= number, "{reason}: {notes:?}");
    }
    Ok(())
}

#[tokio::test]
async fn an_edit_meanwhile_is_sent_and_the_last_one_counts() -> Result<()> {
    let test = asynchronous("asynchronous-edits").await?;
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    for bandwidth in ["8M", "9M"] {
        test.annotate("web", &[("lb-bandwidth", Some(bandwidth))])
            .await?;
        eventually("the edit at the cloud", SOON, async || {
            let sent = since(&test, 0, Verb::Update);
            let is_it = |call: &Event| call.request["bandwidth"] == bandwidth;
            Ok(sent.iter().any(is_it).then_some(()))
        })
        .await?;
        // The cloud has the call before the Service says so: `Ready` is true until then.
        test.until_reason("web", "Provisioning").await?;
    }
    test.until_ready("web").await?;
    let found = test.cloud1.inventory().pop().context("a load balancer")?;
    ensure!(found.settings.bandwidth == "9M", "{found:?}");
    ensure!(since(&test, 0, Verb::Update).len() == 2);
    Ok(())
}

/// What the cloud says about a failure is what the user reads, once.
#[tokio::test]
async fn a_failure_of_the_cloud_is_told_in_its_words() -> Result<()> {
    let mut test = Environment::shared("asynchronous-fails").await?;
    test.extra_config = "driftInterval: 300ms\nsweepInterval: 300ms".into();
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    let id = test.cloud1.inventory().pop().context("a load balancer")?.id;
    test.cloud1
        .edit(&id, |found| {
            found.state = State::Error;
            found.message = "no capacity in zone 3".into();
        })
        .await?;
    let message = test.until_reason("web", "CloudError").await?;
    ensure!(message.contains("no capacity in zone 3"), "{message}");
    let note = test.until_event("web", "SyncLoadBalancerFailed").await?;
    ensure!(note.contains("no capacity in zone 3"), "{note}");
    test.cloud1
        .edit(&id, |found| {
            found.state = State::Active;
            found.message.clear();
        })
        .await?;
    test.until_ready("web").await?;
    let notes = test.events("web", "SyncLoadBalancerFailed").await?;
    ensure!(notes.len() == 1, "{notes:?}");
    Ok(())
}
