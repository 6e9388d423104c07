use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::controller::observe::observe_service;
use crate::controller::pace::pace;
use crate::controller::tests::api_server::ApiServer;
use crate::controller::tests::leader::{leader, load_balancer, service};
use crate::kubernetes::node_watch::NodeSet;
use crate::plan::CreateRequest;
use crate::plan::naming::LoadBalancerId;

/// A Service with this port, observed with this version of the Nodes.
fn observed(port: u16, nodes: u64) -> ObservedService {
    let changes = json!({"spec": {"ports": [{"port": port, "nodePort": 30080}]}});
    let cloud = Arc::default();
    let context = leader(&ApiServer::default(), [&cloud, &cloud], []);
    let Ok(mut observed) = observe_service(Arc::new(service(changes)), &context) else {
        panic!("ours");
    };
    let version = NodeSet {
        version: nodes,
        ..NodeSet::default()
    };
    observed.nodes = Some(version);
    observed.view.record = Record::parse(Some("lb-1,lb-2"), Some("cloud1,cloud2"));
    observed
}

fn request() -> CreateRequest {
    let spec = load_balancer(&service(json!({})), "lb-1");
    CreateRequest {
        name: spec.name,
        owner: spec.owner.expect("an owner"),
        spec: spec.spec,
    }
}

fn create(cloud: &str) -> Action {
    Action::Create {
        cloud: CloudName::new(cloud),
        request: request(),
    }
}

fn update(cloud: &str, urgency: Urgency) -> Action {
    Action::Update {
        cloud: CloudName::new(cloud),
        id: LoadBalancerId::new("lb-1"),
        request: request(),
        fallbacks: Vec::new(),
        urgency,
    }
}

fn plan<const N: usize>(actions: [Action; N]) -> Plan {
    Plan {
        actions: actions.into(),
        waiting: BTreeSet::new(),
    }
}

/// Reserves the slots of a cloud's burst.
fn use_up(drift: &Drift, cloud: &str) {
    let cloud = CloudName::new(cloud);
    for _ in 0..BURST {
        drift.reserve_slot(&cloud, Instant::now());
    }
}

/// A cloud may have been too full for it, until a Node left.
#[tokio::test(start_paused = true)]
async fn what_was_never_made_was_not_deleted() {
    let drift = Drift::default();
    drift.mark_in_sync(&observed(80, 1));
    let repairs = drift.schedule(&plan([create("cloud3")]), &observed(80, 1));
    assert!(repairs.is_empty());
}

#[tokio::test(start_paused = true)]
async fn only_a_change_that_no_edit_caused_is_a_repair() {
    let (user, nodes) = (Urgency::User, Urgency::Background);
    let (waits, at_once) = (Some(true), Some(false));
    let cases = [
        (observed(80, 1), create("cloud1"), waits, "it was deleted"),
        (observed(80, 2), create("cloud1"), waits, "and a Node came"),
        (
            observed(80, 1),
            update("cloud1", user),
            waits,
            "it was edited at the cloud",
        ),
        (
            observed(80, 1),
            update("cloud1", nodes),
            waits,
            "it lost back ends",
        ),
        (
            observed(80, 2),
            update("cloud1", nodes),
            None,
            "a Node came or went",
        ),
        (
            observed(80, 2),
            update("cloud1", user),
            at_once,
            "it was edited at the cloud, and a Node that went must not stay",
        ),
        (
            observed(81, 1),
            create("cloud1"),
            None,
            "a user edited the Service meanwhile",
        ),
        (
            observed(81, 1),
            update("cloud1", user),
            None,
            "a user edited the Service",
        ),
    ];
    for (now, action, expected, why) in cases {
        let drift = Drift::default();
        use_up(&drift, "cloud1");
        let plan = plan([action]);
        assert!(
            drift.schedule(&plan, &now).is_empty(),
            "never in sync: {why}"
        );
        drift.mark_in_sync(&observed(80, 1));
        let repairs = drift.schedule(&plan, &now);
        let repair = repairs.get(&CloudName::new("cloud1"));
        assert_eq!(
            repair.map(|repair| repair.wait.is_some()),
            expected,
            "{why}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_loss_gets_a_new_slot() {
    let drift = Drift::default();
    drift.mark_in_sync(&observed(80, 1));
    let (gone, nothing) = (plan([create("cloud1")]), plan([]));
    let schedule = |plan| drift.schedule(plan, &observed(80, 1));
    let repair = |repairs: Repairs| repairs[&CloudName::new("cloud1")].clone();
    let first = repair(schedule(&gone));
    assert!(first.is_new && first.wait.is_none());
    assert!(
        !repair(schedule(&gone)).is_new,
        "a second attempt at the same repair"
    );
    use_up(&drift, "cloud1");
    // Another cloud keeps the Service from being in sync.
    assert!(schedule(&nothing).is_empty());
    let second = repair(schedule(&gone));
    assert!(second.is_new && second.wait.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_reverted_edit_is_no_drift() {
    let drift = Drift::default();
    drift.mark_in_sync(&observed(80, 1));
    let edited = plan([update("cloud1", Urgency::User)]);
    assert!(drift.schedule(&edited, &observed(81, 1)).is_empty());
    let back = observed(80, 1);
    assert!(
        drift.schedule(&edited, &back).is_empty(),
        "the update reverts our own change"
    );
    drift.mark_in_sync(&back);
    assert_eq!(drift.schedule(&edited, &back).len(), 1, "now it is drift");
}

#[tokio::test(start_paused = true)]
async fn an_edit_waits_for_no_slot() {
    let drift = Drift::default();
    let before = observed(80, 1);
    drift.mark_in_sync(&before);
    use_up(&drift, "cloud1");
    let gone = plan([create("cloud1")]);
    let repairs = drift.schedule(&gone, &before);
    assert!(repairs.values().all(|repair| repair.wait.is_some()));
    let (uid, edited) = (&before.view.uid, observed(81, 1));
    assert!(drift.is_queued(uid, before.spec_hash));
    assert!(
        !drift.is_queued(uid, edited.spec_hash),
        "a user waits for the edit"
    );
    assert!(drift.schedule(&gone, &edited).is_empty());
    assert!(!drift.is_queued(uid, before.spec_hash));
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_cloud_keeps_its_slots() {
    let drift = Drift::default();
    let service = observed(80, 1);
    drift.mark_in_sync(&service);
    use_up(&drift, "cloud1");
    let gone = plan([create("cloud1")]);
    let schedule = |plan| drift.schedule(plan, &service);
    let cloud = CloudName::new("cloud1");
    let wait = schedule(&gone)[&cloud].wait;
    let silent = Plan {
        actions: Vec::new(),
        waiting: BTreeSet::from([Waiting::CloudUnreachable(cloud.clone())]),
    };
    assert!(schedule(&silent).is_empty());
    let again = schedule(&gone)[&cloud].clone();
    assert_eq!((again.wait, again.is_new), (wait, false));
}

#[tokio::test(start_paused = true)]
async fn only_the_cloud_that_drifted_waits() {
    let drift = Drift::default();
    drift.mark_in_sync(&observed(80, 1));
    use_up(&drift, "cloud1");
    let announced = Action::AddFinalizer {
        clouds: BTreeSet::from([CloudName::new("cloud1")]),
    };
    let whole = plan([
        announced.clone(),
        Action::ConfirmLive,
        create("cloud1"),
        update("cloud2", Urgency::Background),
    ]);
    let paced = pace(whole, &observed(80, 2), &drift).plan;
    let expected = [announced, update("cloud2", Urgency::Background)];
    assert_eq!(paced.actions, expected);
    let waits = |waiting: &Waiting| matches!(waiting, Waiting::RepairSlot(cloud) if cloud.as_str() == "cloud1");
    assert!(paced.waiting.len() == 1 && paced.waiting.iter().all(waits));

    let gone = plan([Action::ConfirmLive, create("cloud1")]);
    let paced = pace(gone, &observed(80, 1), &drift).plan;
    assert!(paced.actions.is_empty(), "no live read is needed");
}

#[tokio::test(start_paused = true)]
async fn a_few_are_repaired_at_once_and_the_others_one_by_one() {
    let drift = Drift::default();
    let wait = |cloud: &str| {
        let now = Instant::now();
        drift.reserve_slot(&CloudName::new(cloud), now) - now
    };
    let slots = |wait: Duration| wait.as_millis() / SPACING.as_millis();
    let waits: Vec<u128> = (0..BURST + 3).map(|_| slots(wait("cloud1"))).collect();
    assert_eq!(waits, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3]);
    assert!(wait("cloud2").is_zero(), "slots are per cloud");

    tokio::time::advance(60 * SPACING).await;
    let waits = (0..BURST).map(|_| wait("cloud1"));
    assert_eq!(
        waits.sum::<Duration>(),
        Duration::ZERO,
        "after a quiet time"
    );
    assert_eq!(wait("cloud1"), SPACING);
}

#[tokio::test(start_paused = true)]
async fn a_slot_is_kept_until_it_is_used() {
    let drift = Drift::default();
    let service = observed(80, 1);
    drift.mark_in_sync(&service);
    use_up(&drift, "cloud1");
    let gone = plan([create("cloud1")]);
    let wait = || drift.schedule(&gone, &service)[&CloudName::new("cloud1")].wait;
    assert_eq!(wait(), Some(SPACING));
    assert_eq!(wait(), Some(SPACING), "scheduled again");
    tokio::time::advance(SPACING).await;
    assert_eq!(wait(), None, "the slot has come");
    assert_eq!(wait(), None, "and is kept in case the repair fails");
}
