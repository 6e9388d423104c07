//! Whatever repeats on unchanged input becomes slower: the retries of a failing call, the
//! repair of what another controller undoes, the edits of a user in a loop.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use testbed::cloud::{CloudSimulatorOptions, Code, Event, Failure, Fault, FaultKind, Verb};
use testbed::environment::{SOON, addresses, calls};
use testbed::nodes::{create_node, label_node};
use testbed::{Environment, eventually};

const EXCLUDE: &str = "node.kubernetes.io/exclude-from-external-load-balancers";

/// How long another controller is against us.
const FIGHT: Duration = Duration::from_secs(6);

/// The patches of ours in such a time: the first repair at once, and the next ones after 1
/// and 2 s, of two patches each at most; and two for a slow machine.
const HANDFUL: usize = 8;

/// A part of a Service that another controller takes off whenever it sees it.
struct Fight {
    test: &'static str,
    /// Whether the part is there.
    is_there: fn(&Environment, &Service) -> bool,
    take_off: fn(&Environment) -> Value,
}

const FINALIZER: Fight = Fight {
    test: "fight-finalizer",
    is_there: |test, service| service.finalizers().contains(&test.finalizer()),
    take_off: |_| json!({"metadata": {"finalizers": null}}),
};

const RECORD: Fight = Fight {
    test: "fight-record",
    is_there: |test, service| test.record(service).is_some(),
    take_off: |test| {
        let full = |name: &str| format!("{}/{name}", test.prefix);
        json!({"metadata": {"annotations": {full("lb-id"): null, full("lb-cloud"): null}}})
    },
};

const CONDITION: Fight = Fight {
    test: "fight-condition",
    is_there: |test, service| test.condition(service).is_some(),
    take_off: |_| json!({"status": {"conditions": null}}),
};

const ADDRESS: Fight = Fight {
    test: "fight-address",
    is_there: |_, service| !addresses(service).is_empty(),
    take_off: |_| json!({"status": {"loadBalancer": {"ingress": null}}}),
};

impl Fight {
    /// Takes the part off for a while, each time it is there.
    async fn run(&self, test: &Environment) -> Result<usize> {
        let (until, mut times) = (Instant::now() + FIGHT, 0);
        while Instant::now() < until {
            if (self.is_there)(test, &test.get("web").await?) {
                let patch = Patch::Merge((self.take_off)(test));
                let parameters = PatchParams::default();
                test.services()
                    .patch_status("web", &parameters, &patch)
                    .await?;
                times += 1;
            }
        }
        Ok(times)
    }
}

async fn answers_ever_later(fight: Fight) -> Result<()> {
    let test = Environment::shared(fight.test).await?;
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    let before = test.writes()?.len();
    let times = fight.run(&test).await?;
    let writes = test.writes()?;
    let patches = writes[before..].iter();
    let patches = patches.filter(|write| write.resource == "services").count();
    ensure!(
        times >= 2 && (2..=HANDFUL).contains(&patches),
        "{patches} patches for {times} times"
    );
    let note = test.until_event("web", "StatusOverwritten").await?;
    ensure!(note.contains("Another writer"), "{note}");
    // All of it is back at last.
    let all = [FINALIZER, RECORD, CONDITION, ADDRESS];
    let is_whole = |service: &Service| all.iter().all(|one| (one.is_there)(&test, service));
    test.until("web", "all of ours to be back", is_whole)
        .await?;
    let mutations = test.cloud1.mutations();
    ensure!(mutations.len() == 1, "only the create: {mutations:?}");
    Ok(())
}

#[tokio::test]
async fn a_fight_over_the_finalizer_slows_down() -> Result<()> {
    answers_ever_later(FINALIZER).await
}

#[tokio::test]
async fn a_fight_over_the_record_slows_down() -> Result<()> {
    answers_ever_later(RECORD).await
}

#[tokio::test]
async fn a_fight_over_the_condition_slows_down() -> Result<()> {
    answers_ever_later(CONDITION).await
}

#[tokio::test]
async fn a_fight_over_addresses_that_are_wiped_slows_down() -> Result<()> {
    answers_ever_later(ADDRESS).await
}

fn creates(test: &Environment) -> Vec<Event> {
    let mut creates = calls(&test.cloud1);
    creates.retain(|call| call.verb == Verb::Create);
    creates
}

async fn until_creates(test: &Environment, number: usize) -> Result<Vec<Event>> {
    eventually(&format!("{number} creates"), SOON, async || {
        let found = creates(test);
        Ok((found.len() >= number).then_some(found))
    })
    .await
}

fn refuse_creates(test: &Environment) {
    let down = FaultKind::FailBefore(Failure::code(Code::Unavailable));
    test.cloud1.set_fault(Fault::new(down).on(Verb::Create));
}

#[tokio::test]
async fn a_create_that_fails_is_repeated_after_the_backoff_and_not_sooner() -> Result<()> {
    let test = Environment::shared("damped-create").await?;
    refuse_creates(&test);
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    ensure_backoff(&until_creates(&test, 3).await?)
}

/// The first two repetitions come after 5 s and 10 s, up to a fifth less.
fn ensure_backoff(creates: &[Event]) -> Result<()> {
    for (pair, seconds) in creates.windows(2).zip([4, 8]) {
        let between = Duration::from_micros(pair[1].started_micros - pair[0].started_micros);
        ensure!(between >= Duration::from_secs(seconds), "{between:?}");
    }
    Ok(())
}

/// The other cloud is polled each second or two, and its load balancer is published.
#[tokio::test]
async fn the_poll_of_one_cloud_does_not_repeat_a_failing_create_on_another() -> Result<()> {
    let is_slow = |cloud: &mut CloudSimulatorOptions| cloud.provisioning = Duration::from_secs(8);
    let test = Environment::shared_with("damped-other-cloud", is_slow).await?;
    refuse_creates(&test);
    let _replica = test.sole_replica().await?;
    let service = test.service("web").provider("cloud1,cloud2");
    service.create().await?;
    let has_address = |service: &Service| !addresses(service).is_empty();
    let published = test.until("web", "the other cloud", has_address).await?;
    let polls = calls(&test.cloud2);
    let polls = polls.iter().filter(|call| call.verb == Verb::Query).count();
    ensure!(polls >= 3, "the other cloud is polled: {polls}");
    ensure_backoff(&until_creates(&test, 3).await?)?;
    // Until the last try the Service says what is wrong, not that it waits.
    let (status, reason, message) = test.condition(&published).context("a condition")?;
    ensure!(status == "False" && reason == "SyncFailed", "{reason}");
    ensure!(message.contains("cloud1"), "{message}");
    let told = test.events("web", "SyncLoadBalancerFailed").await?;
    ensure!(told.len() == 1, "once: {told:#?}");
    Ok(())
}

/// An edit is another input: it is tried at once.
#[tokio::test]
async fn an_edit_repeats_a_failing_create_on_one_of_two_clouds_at_once() -> Result<()> {
    let test = Environment::shared("damped-edit-of-two").await?;
    refuse_creates(&test);
    let _replica = test.sole_replica().await?;
    let service = test.service("web").provider("cloud1,cloud2");
    service.create().await?;
    // The next try would be more than 8 s away.
    let before = until_creates(&test, 2).await?;
    test.annotate("web", &[("lb-bandwidth", Some("7M"))])
        .await?;
    let after = until_creates(&test, before.len() + 1).await?;
    let between = after[before.len()].started_micros - after[before.len() - 1].started_micros;
    ensure!(Duration::from_micros(between) < Duration::from_secs(6));
    // Nor is a deletion delayed.
    test.delete("web").await?;
    test.until_gone("web").await.context("the deletion")
}

/// An autoscaler must not keep a broken cloud under load.
#[tokio::test]
async fn a_node_that_comes_and_goes_does_not_repeat_a_failing_create() -> Result<()> {
    let test = Environment::own("damped-nodes").await?;
    for number in 1..=2 {
        let address = IpAddr::from([127, 10, 1, number]);
        create_node(&test.client(), &format!("n{number}"), address, &[]).await?;
    }
    refuse_creates(&test);
    let _replica = test.sole_replica().await?;
    test.service("good").provider("cloud2").create().await?;
    test.until_ready("good").await?;
    test.service("bad").provider("cloud1").create().await?;
    nodes_come_and_go(&test).await
}

/// The load balancer of the same Service on the other cloud follows the Nodes meanwhile.
#[tokio::test]
async fn nor_if_the_service_has_a_load_balancer_on_another_cloud() -> Result<()> {
    let test = Environment::own("damped-nodes-of-two").await?;
    for number in 1..=2 {
        let address = IpAddr::from([127, 10, 1, number]);
        create_node(&test.client(), &format!("n{number}"), address, &[]).await?;
    }
    refuse_creates(&test);
    let _replica = test.sole_replica().await?;
    let service = test.service("web").provider("cloud1,cloud2");
    service.create().await?;
    nodes_come_and_go(&test).await
}

async fn nodes_come_and_go(test: &Environment) -> Result<()> {
    let started = Instant::now();
    until_creates(test, 1).await?;
    for turn in 0..6 {
        let excluded = turn % 2 == 0;
        label_node(&test.client(), "n2", EXCLUDE, excluded.then_some("")).await?;
        // The Nodes have changed for all Services when they have for this one.
        let wanted = if excluded { 1 } else { 2 };
        eventually("the other cloud to have the Nodes", SOON, async || {
            let inventory = test.cloud2.inventory();
            let found = inventory.first().map(|found| found.settings.nodes.len());
            Ok((found == Some(wanted)).then_some(()))
        })
        .await?;
    }
    let found = creates(test).len();
    // After 4 s at the earliest, then after 8 s more.
    let allowed = match started.elapsed().as_secs() {
        0..4 => 1,
        4..12 => 2,
        12..28 => 3,
        _ => 4,
    };
    ensure!(
        found <= allowed,
        "{found} creates in {:?}",
        started.elapsed()
    );
    Ok(())
}

#[tokio::test]
async fn a_user_who_edits_in_a_loop_gets_the_last_edit_and_few_of_the_others() -> Result<()> {
    const EDITS: usize = 60;
    /// These are carried out one by one, each sooner than a further one would be earned.
    const FREE: usize = 8;
    let test = Environment::shared("damped-edits").await?;
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    let started = Instant::now();
    let bandwidth = || test.cloud1.inventory()[0].settings.bandwidth.clone();
    for number in 1..=EDITS {
        let wanted = format!("{number}M");
        test.annotate("web", &[("lb-bandwidth", Some(&wanted))])
            .await?;
        if number <= FREE {
            let what = format!("edit {number} at once");
            eventually(&what, Duration::from_millis(2_500), async || {
                Ok((bandwidth() == wanted).then_some(()))
            })
            .await?;
        }
    }
    let last = format!("{EDITS}M");
    eventually("the last edit", SOON, async || {
        Ok((bandwidth() == last).then_some(()))
    })
    .await?;
    let updates = calls(&test.cloud1);
    let updates = updates
        .iter()
        .filter(|call| call.verb == Verb::Update)
        .count();
    // Ten at once, and then one in three seconds.
    let allowed = 11 + usize::try_from(started.elapsed().as_secs() / 3)?;
    ensure!(
        updates <= allowed,
        "{updates} updates in {:?}",
        started.elapsed()
    );
    // A deletion is not an edit too many.
    test.delete("web").await?;
    test.until_gone("web").await.context("the deletion")
}
