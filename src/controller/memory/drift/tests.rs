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

/// How a Service is looked at: what a user edited, and which Nodes there are.
fn seen(port: u16, nodes: u64) -> ObservedService {
    let changes = json!({"spec": {"ports": [{"port": port, "nodePort": 30080}]}});
    let cloud = Arc::default();
    let context = leader(&ApiServer::default(), [&cloud, &cloud], []);
    let Ok(mut seen) = observe_service(Arc::new(service(changes)), &context) else {
        panic!("ours");
    };
    let version = NodeSet {
        version: nodes,
        ..NodeSet::default()
    };
    seen.nodes = Some(version);
    seen
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
        urgency,
    }
}

fn plan<const N: usize>(actions: [Action; N]) -> Plan {
    Plan {
        actions: actions.into(),
        waiting: BTreeSet::new(),
    }
}

/// Uses up what a cloud's pace gives at once.
fn use_up(drift: &Drift, cloud: &str) {
    let cloud = CloudName::new(cloud);
    for _ in 0..BURST {
        drift.reserve_slot(&cloud, Instant::now());
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_asked_for_is_a_repair_and_nothing_else_is() {
    let (user, nodes) = (Urgency::User, Urgency::Background);
    let (waits, at_once) = (Some(true), Some(false));
    let cases = [
        (seen(80, 1), create("cloud1"), waits, "it is gone"),
        (seen(80, 2), create("cloud1"), waits, "and a Node came"),
        (seen(80, 1), update("cloud1", user), waits, "it was edited"),
        (
            seen(80, 1),
            update("cloud1", nodes),
            waits,
            "it lost back ends",
        ),
        (
            seen(80, 2),
            update("cloud1", nodes),
            None,
            "a Node came or went",
        ),
        (
            seen(80, 2),
            update("cloud1", user),
            at_once,
            "it was edited, and a Node that went must not stay",
        ),
        (
            seen(81, 1),
            create("cloud1"),
            None,
            "a user edited it meanwhile",
        ),
        (
            seen(81, 1),
            update("cloud1", user),
            None,
            "a user edited it",
        ),
    ];
    for (now, action, expected, why) in cases {
        let drift = Drift::default();
        use_up(&drift, "cloud1");
        let plan = plan([action]);
        assert!(
            drift.schedule(&plan, &now).is_empty(),
            "never granted: {why}"
        );
        drift.mark_in_sync(&seen(80, 1));
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
async fn what_is_lost_again_waits_again() {
    let drift = Drift::default();
    drift.mark_in_sync(&seen(80, 1));
    let (gone, nothing) = (plan([create("cloud1")]), plan([]));
    let schedule = |plan| drift.schedule(plan, &seen(80, 1));
    let repair = |repairs: Repairs| repairs[&CloudName::new("cloud1")].clone();
    let first = repair(schedule(&gone));
    assert!(first.is_new && first.wait.is_none());
    assert!(!repair(schedule(&gone)).is_new, "a second try at the same");
    use_up(&drift, "cloud1");
    // Another cloud keeps it from being settled.
    assert!(schedule(&nothing).is_empty());
    let second = repair(schedule(&gone));
    assert!(second.is_new && second.wait.is_some());
}

#[tokio::test(start_paused = true)]
async fn what_a_user_took_back_was_still_asked_for() {
    let drift = Drift::default();
    drift.mark_in_sync(&seen(80, 1));
    let edited = plan([update("cloud1", Urgency::User)]);
    assert!(drift.schedule(&edited, &seen(81, 1)).is_empty());
    let back = seen(80, 1);
    assert!(
        drift.schedule(&edited, &back).is_empty(),
        "we did that ourselves"
    );
    drift.mark_in_sync(&back);
    assert_eq!(
        drift.schedule(&edited, &back).len(),
        1,
        "and this we did not"
    );
}

#[tokio::test(start_paused = true)]
async fn an_edit_waits_for_no_turn() {
    let drift = Drift::default();
    let before = seen(80, 1);
    drift.mark_in_sync(&before);
    use_up(&drift, "cloud1");
    let gone = plan([create("cloud1")]);
    let repairs = drift.schedule(&gone, &before);
    assert!(repairs.values().all(|repair| repair.wait.is_some()));
    let (uid, edited) = (&before.view.uid, seen(81, 1));
    assert!(drift.is_queued(uid, before.spec_hash));
    assert!(
        !drift.is_queued(uid, edited.spec_hash),
        "a user does by now"
    );
    assert!(drift.schedule(&gone, &edited).is_empty());
    assert!(!drift.is_queued(uid, before.spec_hash));
}

#[tokio::test(start_paused = true)]
async fn a_cloud_that_does_not_answer_takes_no_turn_away() {
    let drift = Drift::default();
    let service = seen(80, 1);
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
    drift.mark_in_sync(&seen(80, 1));
    use_up(&drift, "cloud1");
    let whole = plan([
        Action::AddFinalizer,
        Action::ConfirmLive,
        create("cloud1"),
        update("cloud2", Urgency::Background),
    ]);
    let paced = pace(whole, &seen(80, 2), &drift).plan;
    let expected = [Action::AddFinalizer, update("cloud2", Urgency::Background)];
    assert_eq!(paced.actions, expected);
    let waits = |waiting: &Waiting| matches!(waiting, Waiting::RepairSlot(cloud) if cloud.as_str() == "cloud1");
    assert!(paced.waiting.len() == 1 && paced.waiting.iter().all(waits));

    let gone = plan([Action::ConfirmLive, create("cloud1")]);
    let paced = pace(gone, &seen(80, 1), &drift).plan;
    assert!(paced.actions.is_empty(), "nobody need be asked");
}

#[tokio::test(start_paused = true)]
async fn a_few_are_repaired_at_once_and_the_others_one_by_one() {
    let drift = Drift::default();
    let wait = |cloud: &str| {
        let now = Instant::now();
        drift.reserve_slot(&CloudName::new(cloud), now) - now
    };
    let turns = |wait: Duration| wait.as_millis() / SPACING.as_millis();
    let waits: Vec<u128> = (0..BURST + 3).map(|_| turns(wait("cloud1"))).collect();
    assert_eq!(waits, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3]);
    assert!(wait("cloud2").is_zero(), "another cloud's pace");

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
async fn a_turn_is_kept_until_it_is_used() {
    let drift = Drift::default();
    let service = seen(80, 1);
    drift.mark_in_sync(&service);
    use_up(&drift, "cloud1");
    let gone = plan([create("cloud1")]);
    let wait = || drift.schedule(&gone, &service)[&CloudName::new("cloud1")].wait;
    assert_eq!(wait(), Some(SPACING));
    assert_eq!(wait(), Some(SPACING), "asked again");
    tokio::time::advance(SPACING).await;
    assert_eq!(wait(), None, "it has come");
    assert_eq!(wait(), None, "and is there again, should the repair fail");
}
