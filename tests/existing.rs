//! `existing-lb`: a Service is attached to a load balancer that others made. Only listeners of
//! the Service are put on it and taken off, and its back ends follow the Nodes. Everything else
//! of it stays, and it is never deleted.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Service;
use kube::api::PostParams;
use my_cloud_controller_manager::plan::naming::{self, ClusterId, ServiceUid};
use serde_json::{Value, json};
use testbed::cloud::{
    Capabilities, CloudSimulator, CloudSimulatorOptions, Code, Failure, Fault, FaultKind, Listener,
    LoadBalancer, Owner, Plant, Settings, State, Verb,
};
use testbed::environment::{SOON, addresses, calls};
use testbed::nodes::{create_node, delete_node};
use testbed::{Environment, Replica, eventually};

const ID: &str = "lb-9";
const ATTACH: (&str, Option<&str>) = ("existing-lb", Some(ID));
const LEAVE: (&str, Option<&str>) = ("existing-lb", None);

/// A cloud with a load balancer that others made, which the configuration offers to the
/// namespace of the test.
async fn offered(name: &str) -> Result<(Environment, LoadBalancer)> {
    offered_in(Environment::shared_with(name, able).await?).await
}

async fn offered_in(mut test: Environment) -> Result<(Environment, LoadBalancer)> {
    test.extra_config = format!(
        "driftInterval: 300ms\nsweepInterval: 300ms\norphanGracePeriod: 300ms\n\
         existingLoadBalancers:\n\
         - {{cloud: cloud1, id: {ID}, namespaces: [{}]}}\n\
         - {{cloud: cloud1, id: lb-elsewhere, namespaces: [elsewhere]}}",
        test.namespace
    );
    let settings = Settings {
        listeners: vec![Listener {
            name: "theirs".into(),
            port: 443,
            node_port: 31_443,
            ..Settings::default().listeners[0].clone()
        }],
        spec: "large".into(),
        bandwidth: "7G".into(),
        internal: true,
        idle_timeout_seconds: Some(77),
        source_ranges: vec!["127.0.0.0/8".into()],
        tags: [("team".to_owned(), "network".to_owned())].into(),
        ..Settings::default()
    };
    let made = test.cloud1.plant(Plant {
        id: Some(ID.into()),
        name: "by-hand".into(),
        settings,
        ..Plant::default()
    });
    let made = made.await?;
    Ok((test, made))
}

fn able(cloud: &mut CloudSimulatorOptions) {
    cloud.capabilities = Some(Capabilities::all());
}

/// The same, with the Service `web` attached to it.
async fn attached(name: &str) -> Result<(Environment, Replica, LoadBalancer)> {
    let (test, made) = offered(name).await?;
    let replica = test.sole_replica().await?;
    ask(&test, "web").await?;
    test.until_ready("web").await?;
    Ok((test, replica, made))
}

async fn ask(test: &Environment, name: &str) -> Result<Service> {
    let new = test.service(name).provider("cloud1");
    new.ours("existing-lb", ID).create().await
}

fn found(cloud: &CloudSimulator) -> Result<LoadBalancer> {
    let mut all = cloud.inventory().into_iter();
    all.find(|found| found.id == ID).context("what others made")
}

fn ports(found: &LoadBalancer) -> Vec<u16> {
    let listeners = found.settings.listeners.iter();
    listeners.map(|listener| listener.port).collect()
}

/// What others made is as they made it, apart from back ends and further listeners.
fn ensure_theirs(test: &Environment, made: &LoadBalancer) -> Result<()> {
    let found = found(&test.cloud1)?;
    let theirs = |all: &LoadBalancer| {
        let mut all = all.clone();
        let listeners = &mut all.settings.listeners;
        listeners.retain(|listener| listener.name == "theirs");
        all.settings.nodes.clear();
        (all.owner, all.former_owner) = (None, None);
        all
    };
    ensure!(theirs(&found) == theirs(made), "{found:#?}");
    Ok(())
}

fn count(cloud: &CloudSimulator, verb: Verb) -> usize {
    let events = cloud.events().into_iter();
    events.filter(|event| event.verb == verb).count()
}

fn ensure_never_deleted(test: &Environment) -> Result<()> {
    for verb in [Verb::Delete, Verb::Create] {
        ensure!(count(&test.cloud1, verb) == 0, "{:?}", calls(&test.cloud1));
    }
    Ok(())
}

async fn until_ports(test: &Environment, expected: &[u16]) -> Result<()> {
    eventually(&format!("the ports {expected:?}"), SOON, async || {
        Ok((ports(&found(&test.cloud1)?) == expected).then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_service_is_attached_edited_and_let_go() -> Result<()> {
    let (test, _replica, made) = attached("existing").await?;
    let there = found(&test.cloud1)?;
    ensure!(ports(&there) == [443, 80], "{there:?}");
    ensure_theirs(&test, &made)?;
    let service = test.get("web").await?;
    ensure!(test.record(&service) == Some((ID, "cloud1")));
    let ip = made.ip.context("an address")?.to_string();
    ensure!(addresses(&service) == [ip], "{:?}", addresses(&service));
    ensure!(count(&test.cloud1, Verb::Update) == 1);

    let note = test.until_event("web", "AttachedLoadBalancer").await?;
    ensure!(note.contains(ID) && note.contains("others made"), "{note}");

    test.edit(
        "web",
        json!({"spec": {"ports": [{"port": 81, "name": "http"}, {"port": 82, "name": "more"}]}}),
    )
    .await?;
    until_ports(&test, &[443, 81, 82]).await?;
    ensure_theirs(&test, &made)?;

    test.delete("web").await?;
    test.until_gone("web").await?;
    let left = found(&test.cloud1)?;
    ensure!(ports(&left) == [443], "{left:?}");
    ensure!(left.owner.is_none(), "{left:?}");
    ensure_theirs(&test, &made)?;
    let note = test.until_event("web", "DetachedLoadBalancer").await?;
    ensure!(note.contains(ID) && note.contains("others made"), "{note}");
    ensure!(test.events("web", "RetainedLoadBalancer").await?.is_empty());

    // Neither the sweep nor the end of another Service touches it; another one may have it.
    let lists = count(&test.cloud1, Verb::List);
    eventually("five more lists", SOON, async || {
        Ok((count(&test.cloud1, Verb::List) >= lists + 5).then_some(()))
    })
    .await?;
    ask(&test, "next").await?;
    test.until_ready("next").await?;
    ensure!(ports(&found(&test.cloud1)?) == [443, 80]);
    ensure_never_deleted(&test)
}

#[tokio::test]
async fn the_command_plan_shows_it_beforehand() -> Result<()> {
    let (test, made) = offered("existing-plan").await?;
    ask(&test, "web").await?;
    let arguments = ["plan", "web", "-n", &test.namespace, "-o", "json"];
    let mut plan: Value = serde_json::from_str(&test.command(&arguments).await?)?;
    let plan = plan["services"][0].take();
    let there = &plan["observed"]["clouds"]["cloud1"];
    ensure!(there["state"] == "offered", "{plan:#}");
    let actions = plan["actions"].as_array().context("actions")?;
    let names: Vec<&Value> = actions.iter().map(|one| &one["action"]).collect();
    ensure!(names == ["addFinalizer", "update", "publish"], "{plan:#}");
    let desired = &plan["desired"]["clouds"]["cloud1"];
    ensure!(desired["spec"] == "large", "{plan:#}");
    let fields = plan["differences"].as_array().context("differences")?;
    let fields: Vec<&Value> = fields.iter().map(|one| &one["field"]).collect();
    let listeners = |field: &&&Value| field.to_string().contains("listeners");
    ensure!(fields.iter().filter(listeners).count() == 1, "{plan:#}");
    let text = test.command(&arguments[..4]).await?;
    ensure!(
        text.contains("load balancer lb-9, which others made"),
        "{text}"
    );
    ensure!(found(&test.cloud1)? == made);
    Ok(())
}

#[tokio::test]
async fn its_back_ends_follow_the_nodes() -> Result<()> {
    let test = Environment::own_with("existing-nodes", able).await?;
    let (test, made) = offered_in(test.with_node().await?).await?;
    let _replica = test.sole_replica().await?;
    ask(&test, "web").await?;
    test.until_ready("web").await?;
    let has = |number: usize| {
        let found = found(&test.cloud1)?;
        Ok((found.settings.nodes.len() == number).then_some(()))
    };
    has(1)?.context("one back end")?;
    create_node(&test.client(), "second", "127.9.9.9".parse()?, &[]).await?;
    eventually("another back end", SOON, async || has(2)).await?;
    delete_node(&test.client(), "second").await?;
    eventually("the back ends of before", SOON, async || has(1)).await?;
    ensure_theirs(&test, &made)?;
    ensure!(ports(&found(&test.cloud1)?) == [443, 80]);
    ensure_never_deleted(&test)?;
    test.stop().await;
    Ok(())
}

#[tokio::test]
async fn what_the_configuration_does_not_offer_is_not_even_looked_at() -> Result<()> {
    let (test, _made) = offered("existing-refused").await?;
    let _replica = test.sole_replica().await?;
    let cases = [
        ("typo", "lb-99", "does not offer this load balancer"),
        ("elsewhere", "lb-elsewhere", "to the namespace"),
        ("two", "lb-9,lb-9", "no comma"),
    ];
    for (name, id, says) in cases {
        let new = test.service(name).provider("cloud1");
        new.ours("existing-lb", id).create().await?;
        let message = test.until_reason(name, "InvalidConfiguration").await?;
        ensure!(message.contains(says) && message.contains(id), "{message}");
        test.annotate(name, &[LEAVE, ("enable", None)]).await?;
    }
    ensure!(calls(&test.cloud1).is_empty(), "{:?}", calls(&test.cloud1));
    Ok(())
}

#[tokio::test]
async fn what_has_another_owner_is_left_alone() -> Result<()> {
    let (test, made) = offered("existing-owned").await?;
    let owner = Owner {
        cluster: "another-cluster".into(),
        uid: "u".into(),
        ..Owner::default()
    };
    let theirs = Some(owner);
    test.cloud1
        .edit(ID, |found| found.owner.clone_from(&theirs))
        .await?;
    let _replica = test.sole_replica().await?;
    ask(&test, "web").await?;
    let message = test.until_reason("web", "NotOwned").await?;
    ensure!(message.contains("existing-lb"), "{message}");
    ensure!(found(&test.cloud1)?.owner == theirs);

    // The cloud judges, whatever was seen before.
    test.cloud1.edit(ID, |found| found.owner = None).await?;
    test.annotate("web", &[("touch", Some("1"))]).await?;
    test.until_ready("web").await?;
    // Another Service of the cluster does not get it either.
    ask(&test, "second").await?;
    test.until_reason("second", "NotOwned").await?;
    ensure!(ports(&found(&test.cloud1)?) == [443, 80]);
    test.delete("web").await?;
    test.until_gone("web").await?;
    test.until_ready("second").await?;
    ensure_theirs(&test, &made)?;
    ensure_never_deleted(&test)
}

#[tokio::test]
async fn what_does_not_fit_is_named_and_stays() -> Result<()> {
    let (test, made) = offered("existing-unfit").await?;
    let _replica = test.sole_replica().await?;
    let new = test.service("web").provider("cloud1");
    let new = new.field("ports", json!([{"port": 443}]));
    new.ours("existing-lb", ID).create().await?;
    let message = test.until_reason("web", "InvalidConfiguration").await?;
    ensure!(message.contains("TCP 443"), "{message}");
    ensure!(found(&test.cloud1)? == made);
    let service = test.get("web").await?;
    ensure!(test.record(&service).is_none(), "only its condition");
    // Whoever made it makes room, and then not any more.
    let port = async |port: u16| {
        let edit = |found: &mut LoadBalancer| found.settings.listeners[0].port = port;
        test.cloud1.edit(ID, edit).await
    };
    port(444).await?;
    test.until_ready("web").await?;
    test.edit("web", json!({"spec": {"ports": [{"port": 80}]}}))
        .await?;
    until_ports(&test, &[444, 80]).await?;
    port(443).await?;
    test.until_ready("web").await?;

    // What it has is neither replaced nor given up by an edit.
    let there = found(&test.cloud1)?;
    test.annotate("web", &[LEAVE]).await?;
    let message = test.until_reason("web", "InvalidConfiguration").await?;
    ensure!(
        message.contains("is attached to load balancer lb-9"),
        "{message}"
    );
    ensure!(found(&test.cloud1)? == there);
    test.annotate("web", &[("provider", Some("cloud2"))])
        .await?;
    until_ports(&test, &[443]).await?;
    eventually("it to be nobody's", SOON, async || {
        Ok(found(&test.cloud1)?.owner.is_none().then_some(()))
    })
    .await?;
    test.until_ready("web").await?;
    ensure!(test.cloud2.inventory().len() == 1);
    test.annotate("web", &[ATTACH]).await?;
    let message = test.until_reason("web", "InvalidConfiguration").await?;
    ensure!(message.contains("on cloud2"), "{message}");
    ensure_theirs(&test, &made)?;
    ensure_never_deleted(&test)
}

/// Whatever becomes of a call or of its answer.
#[tokio::test]
async fn a_call_that_goes_wrong_is_tried_again() -> Result<()> {
    let (test, made) = offered("existing-retried").await?;
    let _replica = test.sole_replica().await?;
    for verb in [Verb::Update, Verb::Release] {
        let faults = [
            FaultKind::FailBefore(Failure::code(Code::Unavailable)),
            FaultKind::LoseReply,
            FaultKind::FailAfter(Failure::code(Code::Internal)),
        ];
        for (index, fault) in faults.into_iter().enumerate() {
            let name = format!("web-{index}");
            test.cloud1.set_fault(Fault::new(fault).on(verb).times(1));
            ask(&test, &name).await?;
            test.until_ready(&name).await?;
            ensure!(ports(&found(&test.cloud1)?) == [443, 80], "{name}");
            test.delete(&name).await?;
            test.until_gone(&name).await?;
            let left = found(&test.cloud1)?;
            ensure!(ports(&left) == [443] && left.owner.is_none(), "{left:?}");
        }
    }
    ensure_theirs(&test, &made)?;
    ensure_never_deleted(&test)
}

/// Each update takes a moment, and the load balancer shows what it had until then.
#[tokio::test]
async fn a_slow_cloud_is_waited_for() -> Result<()> {
    let slow = |cloud: &mut CloudSimulatorOptions| {
        able(cloud);
        cloud.updating = Duration::from_millis(400);
    };
    let test = Environment::shared_with("existing-slow", slow).await?;
    let (test, made) = offered_in(test).await?;
    let _replica = test.sole_replica().await?;
    ask(&test, "web").await?;
    test.until_ready("web").await?;
    ensure!(ports(&found(&test.cloud1)?) == [443, 80]);
    let updates = count(&test.cloud1, Verb::Update);
    ensure!(updates == 1, "{updates} updates");
    test.delete("web").await?;
    test.until_gone("web").await?;
    ensure!(found(&test.cloud1)?.owner.is_none());
    until_ports(&test, &[443]).await?;
    let is_active = |found: &LoadBalancer| found.state == State::Active;
    ensure!(is_active(&found(&test.cloud1)?));
    ensure_theirs(&test, &made)?;
    ensure_never_deleted(&test)
}

/// The record leads to it before it has our owner, so that even a Service that does not name it
/// any more lets go of it.
#[tokio::test]
async fn a_crash_in_between_forgets_nothing() -> Result<()> {
    let (test, made) = offered("existing-crash").await?;
    let mut replica = test.sole_replica().await?;
    let lost = Fault::new(FaultKind::LoseReply).on(Verb::Update).times(1);
    test.cloud1.set_fault(lost);
    ask(&test, "web").await?;
    eventually("our owner on it", SOON, async || {
        Ok(found(&test.cloud1)?.owner.is_some().then_some(()))
    })
    .await?;
    replica.kill();
    let service = test.get("web").await?;
    ensure!(test.record(&service) == Some((ID, "cloud1")));
    test.annotate("web", &[LEAVE]).await?;
    test.delete("web").await?;
    let _next = test.sole_replica().await?;
    test.until_gone("web").await?;
    let left = found(&test.cloud1)?;
    ensure!(ports(&left) == [443] && left.owner.is_none(), "{left:?}");
    ensure_theirs(&test, &made)?;
    ensure_never_deleted(&test)
}

async fn until_let_go(test: &Environment, made: &LoadBalancer) -> Result<()> {
    eventually("nothing of ours on it", SOON, async || {
        Ok(found(&test.cloud1)?.owner.is_none().then_some(()))
    })
    .await?;
    let left = found(&test.cloud1)?;
    ensure!(ports(&left) == [443], "{left:?}");
    let note = test.until_event("web", "OrphanedLoadBalancer").await?;
    ensure!(note.contains("Detached from load balancer lb-9"), "{note}");
    ensure_theirs(test, made)?;
    ensure_never_deleted(test)
}

/// The race that only the watch shows: the Service is removed with our finalizer on.
#[tokio::test]
async fn a_service_that_vanished_is_let_go_of_by_the_sweep() -> Result<()> {
    let (test, _replica, made) = attached("existing-vanished").await?;
    let control_plane = &test.control_plane;
    control_plane
        .remove_service_from_etcd(&test.namespace, "web")
        .await?;
    until_let_go(&test, &made).await
}

/// As `kubectl replace` does with a manifest that has none of what the controller needs.
#[tokio::test]
async fn a_service_that_was_replaced_is_let_go_of_by_the_sweep() -> Result<()> {
    let (test, replica, made) = attached("existing-replaced").await?;
    let manifest: Service = serde_json::from_value(json!({
        "metadata": {"name": "web"},
        "spec": {"type": "LoadBalancer", "ports": [{"name": "http", "port": 80}]},
    }))?;
    test.services()
        .replace("web", &PostParams::default(), &manifest)
        .await?;
    until_let_go(&test, &made).await?;
    eventually("no orphan", SOON, async || {
        let orphans = "mycloud_lb_orphaned_load_balancers{cloud=\"cloud1\"}";
        Ok((replica.value(orphans).await? == 0.0).then_some(()))
    })
    .await?;
    let orphans = test.command(&["orphans"]).await?;
    ensure!(orphans.contains("no orphans"), "{orphans}");
    // Another one may have it.
    ask(&test, "next").await?;
    test.until_ready("next").await?;
    Ok(())
}

/// Somebody removed the record, and then the Service.
#[tokio::test]
async fn a_record_that_is_lost_before_the_end_is_not_needed() -> Result<()> {
    let (test, replica, made) = attached("existing-unrecorded").await?;
    drop(replica);
    test.annotate("web", &[("lb-id", None), ("lb-cloud", None)])
        .await?;
    test.delete("web").await?;
    let _replica = test.sole_replica().await?;
    test.until_gone("web").await?;
    let left = found(&test.cloud1)?;
    ensure!(ports(&left) == [443] && left.owner.is_none(), "{left:?}");
    ensure_theirs(&test, &made)?;
    ensure_never_deleted(&test)
}

/// A load balancer of its own that was retained keeps the name of the Service.
#[tokio::test]
async fn a_service_is_attached_to_what_it_has_retained() -> Result<()> {
    let mut test = Environment::shared_with("existing-retained", able).await?;
    let own = "lb-1";
    test.extra_config = format!(
        "driftInterval: 300ms\nexistingLoadBalancers:\n\
         - {{cloud: cloud1, id: {own}, namespaces: [{}]}}",
        test.namespace
    );
    let _replica = test.sole_replica().await?;
    let new = test.service("web").provider("cloud1");
    new.ours("deletion-policy", "retain").create().await?;
    test.until_ready("web").await?;
    let made = test.cloud1.inventory().pop().context("its own")?;
    ensure!(made.id == own, "{made:?}");
    test.annotate("web", &[("enable", None)]).await?;
    eventually("it to be retained", SOON, async || {
        let found = test.cloud1.inventory().pop().context("one")?;
        Ok(found.former_owner.is_some().then_some(()))
    })
    .await?;
    test.annotate(
        "web",
        &[("enable", Some("true")), ("existing-lb", Some(own))],
    )
    .await?;
    // Whose listeners these are, nobody knows any more.
    let message = test.until_reason("web", "InvalidConfiguration").await?;
    ensure!(
        message.contains("listener of others for TCP 80"),
        "{message}"
    );
    test.edit("web", json!({"spec": {"ports": [{"port": 81}]}}))
        .await?;
    test.until_ready("web").await?;
    let found = test.cloud1.inventory().pop().context("one")?;
    ensure!(ports(&found) == [80, 81], "{found:?}");
    ensure!(found.name == made.name);
    ensure!(
        found
            .owner
            .is_some_and(|owner| owner.uid.starts_with("existing-"))
    );
    test.delete("web").await?;
    test.until_gone("web").await?;
    let left = test.cloud1.inventory().pop().context("one")?;
    ensure!(ports(&left) == [80] && left.owner.is_none(), "{left:?}");
    ensure!(count(&test.cloud1, Verb::Delete) == 0);
    Ok(())
}

/// A create that comes late, beside what the Service is attached to.
#[tokio::test]
async fn one_of_its_own_beside_it_is_a_duplicate() -> Result<()> {
    let (test, _replica, made) = attached("existing-duplicate").await?;
    let owner = found(&test.cloud1)?.owner.context("our owner")?;
    let uid = owner.uid.replace("existing-", "");
    let own = naming::Owner {
        cluster: ClusterId::new(&owner.cluster),
        namespace: owner.namespace.clone(),
        name: owner.name.clone(),
        uid: ServiceUid::new(&uid),
    };
    let late = Plant {
        name: own.load_balancer_name().as_str().to_owned(),
        owner: Some(Owner { uid, ..owner }),
        ..Plant::default()
    };
    let late = test.cloud1.plant(late).await?;
    let note = test.until_event("web", "OrphanedLoadBalancer").await?;
    ensure!(note.contains(&late.id) && note.contains(ID), "{note}");
    eventually("the other to be deleted", SOON, async || {
        let inventory = test.cloud1.inventory();
        Ok((inventory.len() == 1).then_some(()))
    })
    .await?;
    ensure!(ports(&found(&test.cloud1)?) == [443, 80]);
    ensure_theirs(&test, &made)
}
