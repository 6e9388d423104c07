//! Others write to the same Services: nothing of theirs is lost, and nothing
//! of ours is published before it is true.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;
use testbed::cloud::{Fault, FaultKind, Verb};
use testbed::environment::{History, SOON, addresses, calls};
use testbed::{Environment, eventually};

const FINALIZER: &str = "example.com/held";
const ANNOTATION: &str = "example.com/note";
const CONDITION: &str = "example.com/Seen";

fn ensure_theirs(service: &Service) -> Result<()> {
    let finalizers = service.finalizers();
    ensure!(
        finalizers.iter().any(|name| name == FINALIZER),
        "{finalizers:?}"
    );
    let annotations = service.annotations();
    ensure!(
        annotations
            .get(ANNOTATION)
            .is_some_and(|note| note == "hello"),
        "{annotations:?}"
    );
    ensure!(
        service
            .labels()
            .get("team")
            .is_some_and(|team| team == "web")
    );
    let conditions = service
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    let theirs = conditions.and_then(|all| all.iter().find(|one| one.type_ == CONDITION));
    let theirs = theirs.with_context(|| format!("their condition: {conditions:?}"))?;
    ensure!(
        theirs.status == "True" && theirs.message == "hello",
        "{theirs:?}"
    );
    Ok(())
}

#[tokio::test]
async fn what_others_put_on_a_service_outlives_all_our_writes() -> Result<()> {
    let test = Environment::shared("coexistence").await?;
    let service = test.service("web").provider("cloud1");
    service
        .finalizer(FINALIZER)
        .annotation(ANNOTATION, "hello")
        .create()
        .await?;
    test.edit("web", json!({"metadata": {"labels": {"team": "web"}}}))
        .await?;
    let condition = json!({"status": {"conditions": [{
        "type": CONDITION, "status": "True", "reason": "Seen", "message": "hello",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }]}});
    let services = test.services();
    let patch = Patch::Merge(condition);
    services
        .patch_status("web", &PatchParams::default(), &patch)
        .await?;

    let _replica = test.sole_replica().await?;
    ensure_theirs(&test.until_ready("web").await?)?;

    test.annotate("web", &[("lb-bandwidth", Some("fast"))])
        .await?;
    test.until_reason("web", "InvalidConfiguration").await?;
    ensure_theirs(&test.get("web").await?)?;
    test.annotate("web", &[("lb-bandwidth", Some("10M"))])
        .await?;
    ensure_theirs(&test.until_ready("web").await?)?;

    // Deleted, and held by somebody else: only what is ours goes.
    test.delete("web").await?;
    let is_let_go = |service: &Service| !service.finalizers().contains(&test.finalizer());
    let held = test
        .until("web", "our finalizer to be taken off", is_let_go)
        .await?;
    ensure!(
        test.cloud1.inventory().is_empty(),
        "{:?}",
        test.cloud1.inventory()
    );
    ensure_theirs(&held)?;
    test.ensure_unmarked(&held)?;

    test.edit("web", json!({"metadata": {"finalizers": []}}))
        .await?;
    test.until_gone("web").await
}

/// Somebody who writes without a pause, and checks that what they wrote last
/// is still there.
struct Writer<'a> {
    test: &'a Environment,
    written: Cell<u64>,
    stop: Cell<bool>,
}

impl Writer<'_> {
    async fn run(&self) -> Result<()> {
        let services = self.test.services();
        while !self.stop.get() {
            let mut service = self.test.get("web").await?;
            ensure_consistent(self.test, &service)?;
            self.ensure_last_is_there(&service)?;
            let next = format!("example.com/held-{}", self.written.get() + 1);
            let finalizers = service.finalizers_mut();
            finalizers.retain(|name| !name.starts_with("example.com/"));
            finalizers.push(next.clone());
            service.annotations_mut().insert(ANNOTATION.into(), next);
            match services
                .replace("web", &PostParams::default(), &service)
                .await
            {
                Ok(_) => self.written.set(self.written.get() + 1),
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn ensure_last_is_there(&self, service: &Service) -> Result<()> {
        if self.written.get() == 0 {
            return Ok(());
        }
        let mark = format!("example.com/held-{}", self.written.get());
        let finalizers = service.finalizers().iter();
        let theirs: Vec<_> = finalizers
            .filter(|name| name.starts_with("example.com/"))
            .collect();
        ensure!(theirs == [&mark], "{mark} is lost: {theirs:?}");
        let annotation = service.annotations().get(ANNOTATION);
        ensure!(annotation == Some(&mark), "{mark} is lost: {annotation:?}");
        Ok(())
    }
}

/// What we say is true at every moment.
fn ensure_consistent(test: &Environment, service: &Service) -> Result<()> {
    let marked = service.finalizers().contains(&test.finalizer());
    let record = test.record(service);
    ensure!(
        marked || record.is_none(),
        "a record without our finalizer: {record:?}"
    );
    let is_ready = test
        .condition(service)
        .is_some_and(|(status, _, _)| status == "True");
    if is_ready {
        ensure!(record.is_some(), "ready without a record");
        ensure!(!addresses(service).is_empty(), "ready without an address");
    }
    Ok(())
}

/// Provisioned, on two clouds, on another one, and released.
async fn whole_life(test: &Environment) -> Result<()> {
    let on = [("enable", Some("true")), ("provider", Some("cloud1"))];
    test.annotate("web", &on).await?;
    test.until_ready("web").await?;
    test.annotate("web", &[("provider", Some("cloud1,cloud2"))])
        .await?;
    let on_both = |service: &Service| addresses(service).len() == 2;
    test.until("web", "two addresses", on_both).await?;
    test.annotate("web", &[("provider", Some("cloud2"))])
        .await?;
    let on_one = |service: &Service| {
        let record = test.record(service);
        record.is_some_and(|(_, cloud)| cloud == "cloud2")
    };
    test.until("web", "the record to be of cloud2 only", on_one)
        .await?;
    test.annotate("web", &[("enable", None)]).await?;
    let is_let_go = |service: &Service| test.ensure_unmarked(service).is_ok();
    test.until("web", "our marks to be gone", is_let_go).await?;
    Ok(())
}

#[tokio::test]
async fn a_writer_without_pause_loses_nothing_and_holds_nothing_up() -> Result<()> {
    let test = Environment::shared("writers").await?;
    let _replica = test.sole_replica().await?;
    test.service("web").without("enable").create().await?;
    let writer = Writer {
        test: &test,
        written: Cell::new(0),
        stop: Cell::new(false),
    };
    let lives = async {
        while writer.written.get() < 50 {
            whole_life(&test).await?;
        }
        writer.stop.set(true);
        anyhow::Ok(())
    };
    tokio::try_join!(lives, writer.run())?;
    for cloud in [&test.cloud1, &test.cloud2] {
        ensure!(cloud.inventory().is_empty(), "{:?}", cloud.inventory());
        let calls = cloud.mutations();
        let names: BTreeSet<_> = calls.iter().map(|call| call.name.clone()).collect();
        ensure!(names.len() == 1, "one name: {names:?}");
    }
    Ok(())
}

/// Another controller that takes every Service without a class writes its own
/// address: a fight without a pause would be endless writes.
#[tokio::test]
async fn a_fight_over_the_status_slows_down() -> Result<()> {
    let test = Environment::shared("fight").await?;
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    let ours = addresses(&test.until_ready("web").await?);
    let writes_before = test.writes()?.len();
    let until = Instant::now() + Duration::from_secs(8);
    while Instant::now() < until {
        let theirs = json!({"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.99"}]}}});
        let patch = Patch::Merge(theirs);
        let parameters = PatchParams::default();
        test.services()
            .patch_status("web", &parameters, &patch)
            .await?;
        let is_ours = |service: &Service| addresses(service) == ours;
        test.until("web", "our address to be back", is_ours).await?;
    }
    let writes = test.writes()?.len() - writes_before;
    // One a second at most, and fewer with each one that comes at once.
    ensure!((1..=10).contains(&writes), "{writes} writes");
    let notes = test.events("web", "StatusOverwritten").await?;
    ensure!(notes.len() == 1, "{notes:?}");
    Ok(())
}

/// An edit that comes between a create and its record makes the write of the
/// record conflict for good: it was planned for another Service.
#[tokio::test]
async fn an_edit_during_the_create_is_carried_out_and_nothing_is_said_too_early() -> Result<()> {
    let test = Environment::shared("edit-meanwhile").await?;
    let _replica = test.sole_replica().await?;
    let slow = Fault::new(FaultKind::Latency { millis: 700 }).on(Verb::Create);
    test.cloud1.set_fault(slow);
    let service = test.service("web").provider("cloud1").create().await?;
    let history = History::since(&test, &service).await?;
    eventually("the create to be under way", SOON, async || {
        Ok((!calls(&test.cloud1).is_empty()).then_some(()))
    })
    .await?;
    test.annotate("web", &[("lb-bandwidth", Some("20M"))])
        .await?;
    let after = test.until_ready("web").await?;
    for state in history.until(&after).await? {
        ensure_consistent(&test, &state)?;
    }
    eventually("cloud1 to have the new bandwidth", SOON, async || {
        let inventory = test.cloud1.inventory();
        ensure!(inventory.len() == 1, "{inventory:?}");
        Ok((inventory[0].settings.bandwidth == "20M").then_some(()))
    })
    .await?;
    let created = test.cloud1.mutations();
    ensure!(created.len() == 2, "a create and an update: {created:?}");
    Ok(())
}
