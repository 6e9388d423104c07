//! A Service on several clouds: each cloud serves it, whatever the others do.

mod several_clouds {
    mod late;
}

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Service;
use testbed::cloud::{
    CloudSimulator, CloudSimulatorOptions, Code, Event, Failure, Fault, FaultKind, LoadBalancer,
    Verb,
};
use testbed::environment::{History, SOON, addresses};
use testbed::nodes::{create_node, delete_node};
use testbed::{Environment, eventually};

const HANG: FaultKind = FaultKind::Hang {
    after_effect: false,
};
/// Longer than any wait of these tests: no call that hangs ends in time for them.
const TIMEOUT: &str = "300s";

/// The cloud that serves, and the other one.
fn other_than(test: &Environment, failing: usize) -> (&CloudSimulator, &CloudSimulator) {
    let clouds = test.clouds();
    (clouds[1 - failing], clouds[failing])
}

async fn environment(name: &str) -> Result<Environment> {
    let mut test = Environment::shared(name).await?;
    test.request_timeout = TIMEOUT.into();
    Ok(test)
}

/// Creates the Service, on both clouds.
async fn create(test: &Environment) -> Result<Service> {
    test.service("web").provider("cloud1,cloud2").create().await
}

fn address(cloud: &CloudSimulator) -> Option<String> {
    let inventory = cloud.inventory();
    Some(inventory.first()?.ip?.to_string())
}

/// Waits until the status has the address of this cloud, and nothing else.
async fn until_published(test: &Environment, cloud: &CloudSimulator) -> Result<Service> {
    let is_published =
        |service: &Service| address(cloud).is_some_and(|ours| addresses(service) == [ours]);
    let what = format!("the address of {} to be published", cloud.name());
    test.until("web", &what, is_published).await
}

async fn until_called(cloud: &CloudSimulator, verb: Verb) -> Result<Event> {
    eventually("the call", SOON, async || {
        let mut events = cloud.events().into_iter();
        Ok(events.find(|event| event.verb == verb))
    })
    .await
}

#[tokio::test]
async fn a_cloud_that_hangs_in_a_create_delays_no_other() -> Result<()> {
    for hanging in [0, 1] {
        let test = environment(&format!("several-create-{hanging}")).await?;
        let _replica = test.sole_replica().await?;
        let (serving, hanging) = other_than(&test, hanging);
        hanging.set_fault(Fault::new(HANG).on(Verb::Create));
        create(&test).await?;
        let published = until_published(&test, serving).await?;
        let (ids, clouds) = test.record(&published).context("a record")?;
        ensure!(clouds == "cloud1,cloud2", "both are announced: {clouds}");
        ensure!(
            ids.split(',').filter(|id| !id.is_empty()).count() == 1,
            "{ids}"
        );
        let create = until_called(hanging, Verb::Create).await?;
        ensure!(create.finished_micros.is_none(), "it hangs: {create:?}");
        let (status, reason, message) = test.condition(&published).context("a condition")?;
        ensure!(status == "False" && reason == "Provisioning", "{reason}");
        ensure!(message.contains(hanging.name()), "{message}");
    }
    Ok(())
}

#[tokio::test]
async fn a_cloud_that_refuses_delays_no_other() -> Result<()> {
    for refusing in [0, 1] {
        let test = environment(&format!("several-refuse-{refusing}")).await?;
        let _replica = test.sole_replica().await?;
        let (serving, refusing) = other_than(&test, refusing);
        refusing.set_fault(
            Fault::new(FaultKind::FailBefore(Failure::code(Code::QuotaExceeded))).on(Verb::Create),
        );
        create(&test).await?;
        until_published(&test, serving).await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_calls_to_two_clouds_are_side_by_side() -> Result<()> {
    let test = environment("several-side-by-side").await?;
    let _replica = test.sole_replica().await?;
    for cloud in test.clouds() {
        cloud.set_fault(Fault::new(FaultKind::Latency { millis: 500 }).on(Verb::Create));
    }
    create(&test).await?;
    test.until_ready("web").await?;
    let [one, two] = test.clouds();
    let creates = [
        until_called(one, Verb::Create).await?,
        until_called(two, Verb::Create).await?,
    ];
    let between = creates[0].at.duration_since(creates[1].at).unsigned_abs();
    ensure!(between < Duration::from_millis(400), "{between:?} apart");
    let mut writes = test.writes()?;
    writes.retain(|write| write.resource == "services");
    ensure!(
        writes.len() <= 3,
        "finalizer, and one publication for each cloud: {writes:#?}"
    );
    Ok(())
}

/// Edits the Service twice, and waits for each edit on the cloud that serves.
async fn ensure_edited(test: &Environment, serving: &CloudSimulator) -> Result<()> {
    for bandwidth in ["7M", "9M"] {
        test.annotate("web", &[("lb-bandwidth", Some(bandwidth))])
            .await?;
        let is_edited = |found: &LoadBalancer| found.settings.bandwidth == bandwidth;
        until_there(serving, "the edit on the cloud that serves", is_edited).await?;
    }
    Ok(())
}

/// The load balancer on a cloud, once it is as expected.
async fn until_there(
    cloud: &CloudSimulator,
    what: &str,
    is_as_expected: impl Fn(&LoadBalancer) -> bool,
) -> Result<()> {
    eventually(what, SOON, async || {
        Ok(cloud.inventory().iter().any(&is_as_expected).then_some(()))
    })
    .await
}

/// The call that hangs has not ended yet.
fn ensure_hangs(cloud: &CloudSimulator, verb: Verb) -> Result<()> {
    let hangs = |event: &Event| event.verb == verb && event.finished_micros.is_none();
    ensure!(cloud.events().iter().any(hangs), "{:?}", cloud.events());
    Ok(())
}

/// What hangs is the first call of each kind: a create, an update, a delete, and a query.
#[tokio::test]
async fn edits_of_one_cloud_do_not_wait_for_another_that_hangs() -> Result<()> {
    for hanging in [0, 1] {
        let test = environment(&format!("several-edit-{hanging}")).await?;
        let _replica = test.sole_replica().await?;
        let (serving, hanging) = other_than(&test, hanging);
        hanging.set_fault(Fault::new(HANG).on(Verb::Create));
        create(&test).await?;
        until_published(&test, serving).await?;
        for bandwidth in ["7M", "9M"] {
            test.annotate("web", &[("lb-bandwidth", Some(bandwidth))])
                .await?;
            let is_edited = |found: &LoadBalancer| found.settings.bandwidth == bandwidth;
            until_there(serving, "the edit on the cloud that serves", is_edited).await?;
        }
        ensure_hangs(hanging, Verb::Create)?;
        let creates = hanging.events().into_iter();
        let creates = creates.filter(|event| event.verb == Verb::Create).count();
        ensure!(creates == 1, "one call at a time: {creates}");
        // Deleted while the create is still under way: the other cloud does not wait, the
        // finalizer does.
        test.delete("web").await?;
        eventually("the other cloud to be released", SOON, async || {
            Ok(serving.inventory().is_empty().then_some(()))
        })
        .await?;
        let service = test.get("web").await?;
        ensure!(service.metadata.finalizers.is_some(), "{service:?}");
        ensure_hangs(hanging, Verb::Create)?;
    }
    Ok(())
}

#[tokio::test]
async fn an_update_that_hangs_delays_no_other_cloud() -> Result<()> {
    let test = environment("several-update").await?;
    let _replica = test.sole_replica().await?;
    create(&test).await?;
    test.until_ready("web").await?;
    let (serving, hanging) = other_than(&test, 0);
    hanging.set_fault(Fault::new(HANG).on(Verb::Update));
    ensure_edited(&test, serving).await?;
    ensure_hangs(hanging, Verb::Update)?;
    let service = test.get("web").await?;
    ensure!(
        addresses(&service).len() == 2,
        "both stay published: {service:?}"
    );
    Ok(())
}

/// What its user has corrected is not told any more, although a cloud has not answered.
#[tokio::test]
async fn a_corrected_value_is_not_blamed_while_a_cloud_hangs() -> Result<()> {
    let test = environment("several-corrected").await?;
    let _replica = test.sole_replica().await?;
    create(&test).await?;
    test.until_ready("web").await?;
    test.annotate("web", &[("lb-bandwidth", Some("fast"))])
        .await?;
    test.until_reason("web", "InvalidConfiguration").await?;
    test.cloud2.set_fault(Fault::new(HANG).on(Verb::Update));
    test.annotate("web", &[("lb-bandwidth", Some("7M"))])
        .await?;
    let message = test.until_reason("web", "Provisioning").await?;
    ensure!(message.contains("answer of cloud2"), "{message}");
    ensure_hangs(&test.cloud2, Verb::Update)
}

/// After a failed call, its cloud has to be queried, and that hangs too.
#[tokio::test]
async fn a_query_that_hangs_delays_no_other_cloud() -> Result<()> {
    let test = environment("several-query").await?;
    let _replica = test.sole_replica().await?;
    let (serving, hanging) = other_than(&test, 0);
    hanging.set_fault(Fault::new(FaultKind::FailBefore(Failure::status(503))).on(Verb::Create));
    create(&test).await?;
    until_published(&test, serving).await?;
    hanging.set_fault(Fault::new(HANG).on(Verb::Query));
    ensure_edited(&test, serving).await?;
    ensure_hangs(hanging, Verb::Query)?;
    Ok(())
}

/// A cloud that takes its time is not given up: what it answers in the end counts.
#[tokio::test]
async fn a_slow_cloud_is_published_when_it_has_answered() -> Result<()> {
    let test = environment("several-slow").await?;
    let _replica = test.sole_replica().await?;
    let (serving, slow) = other_than(&test, 0);
    slow.set_fault(Fault::new(FaultKind::Latency { millis: 3_000 }));
    create(&test).await?;
    until_published(&test, serving).await?;
    let ready = test.until_ready("web").await?;
    ensure!(addresses(&ready).len() == 2, "{ready:?}");
    let creates = slow.events().into_iter();
    let creates = creates.filter(|event| event.verb == Verb::Create).count();
    ensure!(creates == 1, "its answer is not lost: {:?}", slow.events());
    test.annotate("web", &[("lb-bandwidth", Some("7M"))])
        .await?;
    let is_edited = |found: &LoadBalancer| found.settings.bandwidth == "7M";
    until_there(slow, "the edit on the slow cloud", is_edited).await?;
    test.delete("web").await?;
    test.until_gone("web").await?;
    ensure!(slow.inventory().is_empty() && serving.inventory().is_empty());
    Ok(())
}

#[tokio::test]
async fn node_changes_reach_one_cloud_while_another_hangs() -> Result<()> {
    let mut test = Environment::own("several-nodes").await?;
    test.request_timeout = TIMEOUT.into();
    let node = |last| IpAddr::from([127, 10, 3, last]);
    create_node(&test.client(), "one", node(1), &[]).await?;
    let _replica = test.sole_replica().await?;
    let (serving, hanging) = other_than(&test, 0);
    hanging.set_fault(Fault::new(HANG).on(Verb::Create));
    create(&test).await?;
    until_published(&test, serving).await?;
    create_node(&test.client(), "two", node(2), &[]).await?;
    let has_both = |found: &LoadBalancer| found.settings.nodes.len() == 2;
    until_there(serving, "the new Node on the cloud that serves", has_both).await?;
    delete_node(&test.client(), "one").await?;
    let has_one = |found: &LoadBalancer| found.settings.nodes == [node(2)];
    until_there(serving, "the Node that left to be gone", has_one).await?;
    ensure_hangs(hanging, Verb::Create)
}

/// Many Services wait for places at the cloud that hangs: each is served by the other.
#[tokio::test]
async fn a_cloud_without_places_delays_no_other_for_long() -> Result<()> {
    const SERVICES: usize = 6;
    let mut test = environment("several-places").await?;
    test.concurrency = Some(1);
    let _replica = test.sole_replica().await?;
    let (serving, hanging) = other_than(&test, 0);
    hanging.set_fault(Fault::new(HANG).on(Verb::Create));
    for number in 0..SERVICES {
        let service = test.service(&format!("web-{number}"));
        service.provider("cloud1,cloud2").create().await?;
    }
    for number in 0..SERVICES {
        let name = format!("web-{number}");
        let is_published = |service: &Service| !addresses(service).is_empty();
        test.until(&name, "an address to be published", is_published)
            .await?;
    }
    ensure!(
        serving.inventory().len() == SERVICES,
        "{:?}",
        serving.inventory()
    );
    ensure_hangs(hanging, Verb::Create)
}

/// The delete is held, so that the status can be seen before it.
#[tokio::test]
async fn the_address_of_a_removed_cloud_is_withdrawn_before_it_goes() -> Result<()> {
    for removed in [0, 1] {
        let test = environment(&format!("several-remove-{removed}")).await?;
        let _replica = test.sole_replica().await?;
        create(&test).await?;
        let before = test.until_ready("web").await?;
        let (stays, goes) = other_than(&test, removed);
        let [stays_at, goes_at] = [stays, goes].map(|cloud| address(cloud).unwrap_or_default());
        goes.set_fault(Fault::new(HANG).on(Verb::Delete));
        let history = History::since(&test, &before).await?;
        test.annotate("web", &[("provider", Some(stays.name()))])
            .await?;
        until_called(goes, Verb::Delete).await?;
        let during = test.get("web").await?;
        ensure!(
            address(goes).as_ref() == Some(&goes_at),
            "the delete is held"
        );
        ensure!(
            addresses(&during) == [stays_at.clone()],
            "{:?}",
            addresses(&during)
        );
        let (ids, clouds) = test.record(&during).context("a record")?;
        ensure!(
            clouds == "cloud1,cloud2",
            "what exists stays on record: {clouds}"
        );
        ensure!(ids.split(',').all(|id| !id.is_empty()), "{ids}");
        let states = history.until(&during).await?;
        let is_reachable = |state: &Service| addresses(state).contains(&stays_at);
        ensure!(
            states.iter().all(is_reachable),
            "the other one was never withdrawn"
        );
        let (status, ..) = test.condition(&during).context("a condition")?;
        ensure!(status == "True", "it stays ready: {status}");
    }
    Ok(())
}

/// A cloud that is both slow to answer and slow to delete is asked at times, not all the time.
#[tokio::test]
async fn a_slow_cloud_that_is_at_work_is_given_a_rest() -> Result<()> {
    let takes_its_time = |cloud: &mut CloudSimulatorOptions| {
        cloud.latency = Duration::from_millis(1_500);
        cloud.deletion = Duration::from_secs(12);
    };
    let mut test = Environment::shared_with("several-rest", takes_its_time).await?;
    test.request_timeout = TIMEOUT.into();
    let _replica = test.sole_replica().await?;
    create(&test).await?;
    test.until_ready("web").await?;
    test.delete("web").await?;
    test.until_gone("web").await?;
    for cloud in test.clouds() {
        ensure!(cloud.inventory().is_empty(), "{:?}", cloud.inventory());
        let mut deletes = cloud.events().into_iter();
        let deleted = deletes.find(|event| event.verb == Verb::Delete);
        let deleted = deleted.context("a delete")?.sequence;
        let mut asked = cloud.events_after(deleted);
        asked.retain(|event| event.verb == Verb::Query);
        // One right away, then by name and by id after each rest, and once it is gone.
        ensure!(asked.len() <= 8, "{} queries: {asked:#?}", asked.len());
    }
    Ok(())
}
